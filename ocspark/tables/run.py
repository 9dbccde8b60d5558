"""Tables of a search: sources in cones, listed members among them, counts."""

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

#: Listed members found in the cones (internal).
SEARCH = [*CONE, Field("list_probability", DOUBLE, "", "Probability in the member list")]

#: How many kept sources in a cone a chunk of a mirror file has (internal).
COUNTS = [
    CLUSTER_KEY,
    Field("file", STRING, "", "Name of the file inside its mirror"),
    Field("row_group", INT, "", "Row group of the file"),
    Field("chunk", INT, "", "Chunk of ocspark.mirror.portions.CHUNK_ROWS rows in the row group"),
    Field("n_cone", LONG, "", "Kept sources in the cone"),
]

#: How many sources of the mirror a small cell of the sky in a cone has (internal).
CELLS = [
    CLUSTER_KEY,
    Field("order", INT, "", "HEALPix order of the cell, nested"),
    Field("cell", LONG, "", "HEALPix pixel"),
    Field("n_sources", LONG, "", "Sources of the mirror in it, kept or not"),
]
