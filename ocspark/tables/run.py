"""Tables of a run of the main job."""

from __future__ import annotations

from ocspark.tables.fields import (
    BOOL,
    CLUSTER_KEY,
    DOUBLE,
    DOUBLES,
    INT,
    KEY,
    LONG,
    LONGS,
    STAR,
    STRING,
    Field,
)

CANDIDATES = [
    *STAR,
    Field("probability", DOUBLE, "", "Fraction of samples the network calls member"),
    Field("mean_logit", DOUBLE, "", "Mean over samples of member minus non-member logit"),
    Field("n_samples", INT, "", "Samples drawn; with membership.adaptive fewer if decided"),
    Field("p_low", DOUBLE, "", "Lower end of the central 95 % Jeffreys interval of probability"),
    Field("p_high", DOUBLE, "", "Upper end of the central 95 % Jeffreys interval of probability"),
    Field("errors_mended", BOOL, "", "Errors or correlations that cannot be were replaced"),
    Field("is_training_member", BOOL, "", "Training member of the list (method §3)"),
]
TRAINING_MEMBERS = [
    *STAR,
    Field("list_probability", DOUBLE, "", "Probability in the member list"),
]
NON_MEMBERS = STAR

CLUSTERS = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("status", STRING, "", "done or skipped"),
    Field("reason", STRING, "", "Why it was skipped"),
    Field("cone_ra", DOUBLE, "deg", "Centre of the cone, from the cluster table"),
    Field("cone_dec", DOUBLE, "deg", "Centre of the cone, from the cluster table"),
    Field("radius_deg", DOUBLE, "deg", "Radius of the cone"),
    Field("radius_bounded", BOOL, "", "Whether search.max_radius_deg bounds the cone"),
    Field("n_cone", LONG, "", "Kept sources in the cone"),
    Field("n_listed", LONG, "", "Members of the list at the probability level used"),
    Field("n_training_members", LONG, "", "Training members found in the cone"),
    Field("training_probability", DOUBLE, "", "The list's probability level reached"),
    Field("n_support", LONG, "", "Training members that are support members (method §6)"),
    Field("support_size", INT, "", "Size of the support sets; below the setting if too few"),
    Field("n_candidates", LONG, "", "Candidates"),
    Field("n_errors_mended", LONG, "", "Candidates with errors_mended"),
    Field("n_p10", LONG, "", "Candidates with probability >= 0.1"),
    Field("n_p50", LONG, "", "Candidates with probability >= 0.5"),
    Field("n_p90", LONG, "", "Candidates with probability >= 0.9"),
    Field("ra", DOUBLE, "deg", "Mean direction of the training members"),
    Field("dec", DOUBLE, "deg", "Mean direction of the training members"),
    Field("pmra", DOUBLE, "mas/yr", "Weighted mean of the training members"),
    Field("pmdec", DOUBLE, "mas/yr", "Weighted mean of the training members"),
    Field("parallax", DOUBLE, "mas", "Weighted mean of the training members"),
    Field("delta_pm", DOUBLE, "mas/yr", "Maximum separation (Eq. 4)"),
    Field("delta_plx_plus", DOUBLE, "mas", "Maximum separation, farther stars (Eq. 7)"),
    Field("delta_plx_minus", DOUBLE, "mas", "Maximum separation, nearer stars (Eq. 7)"),
    Field("delta_c", DOUBLE, "mag", "Maximum separation in colour (Eq. 9)"),
    Field("delta_g", DOUBLE, "mag", "Maximum separation in G (Eq. 10)"),
    Field("isochrone_log_age", DOUBLE, "dex", "Age of the isochrone"),
    Field("isochrone_age_offset", DOUBLE, "dex", "|isochrone − catalogue log age|"),
    Field("isochrone_metallicity", DOUBLE, "dex", "[M/H] of the isochrone"),
    Field("distance", DOUBLE, "pc", "Catalogue distance"),
    Field("log_age", DOUBLE, "dex", "Catalogue log age"),
    Field("a0", DOUBLE, "mag", "Catalogue extinction"),
    Field("model_saw_cluster", BOOL, "", "Whether the network was trained or validated on it"),
]

#: In a catalogue: the runs whose rows are whole.
RUNS = [
    Field("finished", STRING, "", "When it ended, ISO 8601, UTC"),
    Field("record", STRING, "", "The content of run.json"),
    Field("run_id", STRING, "", "The run"),
]

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


#: The barrier: a characterised cluster, or the reason why it could not be.
MODELS = [
    CLUSTER_KEY,
    Field("reason", STRING, "", "Why the cluster is skipped; null if it is not"),
    *[
        Field(name, DOUBLE, "", "See ocspark.selection.model.ClusterModel")
        for name in (
            "ra dec pmra pmdec parallax distance log_age a0 delta_pm delta_plx_plus "
            "delta_plx_minus delta_c delta_g training_probability isochrone_log_age "
            "isochrone_age_offset isochrone_metallicity"
        ).split()
    ],
    Field("n_training_members", LONG, "", "Training members found in the cone"),
    Field("curve", DOUBLES, "mag", "Isochrone points C, G, C, G, …"),
    Field("training_id", LONGS, "", "source_id of the training members"),
    Field("support_id", LONGS, "", "source_id of the support members"),
    Field("support_features", DOUBLES, "", "Their five features, star by star"),
]
