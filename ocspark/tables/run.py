"""Tables of a search: sources in cones, listed members among them, files that tasks wrote."""

from __future__ import annotations

from ocspark.tables.fields import (
    CLUSTER_KEY,
    DOUBLE,
    INT,
    KEY,
    LONG,
    STRING,
    Field,
)

#: Kept sources as the mirror gives them, after the cone cuts (internal).
CONE_COLUMNS = [
    Field("source_id", LONG, "", "Gaia source identifier"),
    *[
        Field(name, DOUBLE, "", "As the mirror gives it")
        for name in (
            "ra dec parallax parallax_error pmra pmra_error pmdec pmdec_error "
            "parallax_pmra_corr parallax_pmdec_corr pmra_pmdec_corr "
            "phot_g_mean_mag phot_bp_mean_mag phot_rp_mean_mag"
        ).split()
    ],
    *[
        Field(name, INT, "", "Observations")
        for name in ("phot_g_n_obs", "phot_bp_n_obs", "phot_rp_n_obs")
    ],
    Field("ecl_lat", DOUBLE, "deg", "Ecliptic latitude"),
    Field("nu_eff", DOUBLE, "1/µm", "Effective wavenumber, NaN where missing"),
    Field("pseudocolour", DOUBLE, "1/µm", "Astrometric pseudocolour, NaN where missing"),
    Field("solution", INT, "", "Code of the astrometric solution"),
    Field("parallax_bias", DOUBLE, "mas", "To be subtracted, where the release ships it; or null"),
]
#: Kept sources in cones, once for every cone.
CONE = [CLUSTER_KEY, *CONE_COLUMNS]
#: The same under the names of the cones, as `ocspark.search` gives them.
FOUND = [KEY[0], *CONE_COLUMNS]
_LISTED = Field("list_probability", DOUBLE, "", "Probability in the member list")

#: Pass 1: listed members found (n_cone null), and counts per task (source_id null).
SEARCH = [*CONE, Field("n_cone", LONG, "", "Kept sources"), _LISTED]

#: Files that tasks have written for a unit (internal).
STAGED_FILES = [
    Field("table", STRING, "", "Table of the run"),
    Field("path", STRING, "", "Where it is"),
    Field("rows", LONG, "", "Rows"),
    Field("bytes", LONG, "", "Size"),
    Field("sha256", STRING, "", "Checksum"),
    Field("clusters", STRING, "", "Rows by cluster_key, JSON; null if the table has no clusters"),
    Field("device", STRING, "", "What evaluated the network, if it was evaluated"),
    Field("unreadable", STRING, "", "Instead of all that: a file that cannot be read"),
    Field("unwritable", STRING, "", "Instead of all that: a file that cannot be written, and why"),
]
