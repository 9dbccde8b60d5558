"""Every table that crosses a stage: its columns with type, unit and description."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import types as T

_LONG, _INT, _DOUBLE, _STRING, _BOOL = (
    T.LongType(),
    T.IntegerType(),
    T.DoubleType(),
    T.StringType(),
    T.BooleanType(),
)


class Field(NamedTuple):
    """A column: name, Spark type, unit ("" if none) and description."""

    name: str
    type: T.DataType
    unit: str
    description: str


def struct(fields: list[Field]) -> T.StructType:
    """Return the StructType, units and descriptions in each column's metadata."""
    return T.StructType(
        [
            T.StructField(f.name, f.type, True, {"unit": f.unit, "comment": f.description})
            for f in fields
        ]
    )


_KEY = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("source_id", _LONG, "", "Gaia source identifier of the release"),
]
_ASTROMETRY = [
    Field("ra", _DOUBLE, "deg", "Right ascension, ICRS at the release's epoch"),
    Field("dec", _DOUBLE, "deg", "Declination, ICRS at the release's epoch"),
    Field("parallax", _DOUBLE, "mas", "Parallax, corrected for the zero point"),
    Field("parallax_error", _DOUBLE, "mas", "Standard error of parallax"),
    Field("pmra", _DOUBLE, "mas/yr", "Proper motion in right ascension, times cos(dec)"),
    Field("pmra_error", _DOUBLE, "mas/yr", "Standard error of pmra"),
    Field("pmdec", _DOUBLE, "mas/yr", "Proper motion in declination"),
    Field("pmdec_error", _DOUBLE, "mas/yr", "Standard error of pmdec"),
]
_PHOTOMETRY = [
    Field("phot_g_mean_mag", _DOUBLE, "mag", "G magnitude"),
    Field("phot_g_mean_mag_error", _DOUBLE, "mag", "Error of G from the release's error model"),
    Field("g_rp", _DOUBLE, "mag", "Colour G − G_RP"),
    Field("g_rp_error", _DOUBLE, "mag", "Error of g_rp"),
]
_FEATURES = [
    Field("f_r", _DOUBLE, "pc", "Projected radius (paper Eq. 11)"),
    Field("f_pm", _DOUBLE, "mas/yr", "Proper motion separation (Eq. 13)"),
    Field("f_plx", _DOUBLE, "mas", "Parallax minus the cluster's (Eq. 14)"),
    Field("f_c", _DOUBLE, "mag", "Colour minus that of the nearest isochrone point (Eq. 15)"),
    Field("f_g", _DOUBLE, "mag", "G minus that of the nearest isochrone point (Eq. 15)"),
]
_STAR = [*_KEY, *_ASTROMETRY, *_PHOTOMETRY, *_FEATURES]

CANDIDATES = [
    *_STAR,
    Field("probability", _DOUBLE, "", "Fraction of samples the network calls member"),
    Field("mean_logit", _DOUBLE, "", "Mean over samples of member minus non-member logit"),
    Field("n_samples", _INT, "", "Samples drawn; with membership.adaptive fewer if decided"),
    Field("p_low", _DOUBLE, "", "Lower end of the central 95 % Jeffreys interval of probability"),
    Field("p_high", _DOUBLE, "", "Upper end of the central 95 % Jeffreys interval of probability"),
    Field("errors_mended", _BOOL, "", "Errors or correlations that cannot be were replaced"),
    Field("is_training_member", _BOOL, "", "Training member of the list (method §3)"),
]
TRAINING_MEMBERS = [
    *_STAR,
    Field("list_probability", _DOUBLE, "", "Probability in the member list"),
]
NON_MEMBERS = _STAR

CLUSTERS = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("status", _STRING, "", "done or skipped"),
    Field("reason", _STRING, "", "Why it was skipped"),
    Field("radius_deg", _DOUBLE, "deg", "Radius of the cone"),
    Field("radius_bounded", _BOOL, "", "Whether search.max_radius_deg bounds the cone"),
    Field("n_cone", _LONG, "", "Kept sources in the cone"),
    Field("n_listed", _LONG, "", "Members of the list at the probability level used"),
    Field("n_training_members", _LONG, "", "Training members found in the cone"),
    Field("training_probability", _DOUBLE, "", "The list's probability level reached"),
    Field("n_support", _LONG, "", "Training members that are support members (method §6)"),
    Field("support_size", _INT, "", "Size of the support sets; below the setting if too few"),
    Field("n_candidates", _LONG, "", "Candidates"),
    Field("n_errors_mended", _LONG, "", "Candidates with errors_mended"),
    Field("n_p10", _LONG, "", "Candidates with probability >= 0.1"),
    Field("n_p50", _LONG, "", "Candidates with probability >= 0.5"),
    Field("n_p90", _LONG, "", "Candidates with probability >= 0.9"),
    Field("ra", _DOUBLE, "deg", "Mean direction of the training members"),
    Field("dec", _DOUBLE, "deg", "Mean direction of the training members"),
    Field("pmra", _DOUBLE, "mas/yr", "Weighted mean of the training members"),
    Field("pmdec", _DOUBLE, "mas/yr", "Weighted mean of the training members"),
    Field("parallax", _DOUBLE, "mas", "Weighted mean of the training members"),
    Field("delta_pm", _DOUBLE, "mas/yr", "Maximum separation (Eq. 4)"),
    Field("delta_plx_plus", _DOUBLE, "mas", "Maximum separation, farther stars (Eq. 7)"),
    Field("delta_plx_minus", _DOUBLE, "mas", "Maximum separation, nearer stars (Eq. 7)"),
    Field("delta_c", _DOUBLE, "mag", "Maximum separation in colour (Eq. 9)"),
    Field("delta_g", _DOUBLE, "mag", "Maximum separation in G (Eq. 10)"),
    Field("isochrone_log_age", _DOUBLE, "dex", "Age of the isochrone"),
    Field("isochrone_age_offset", _DOUBLE, "dex", "|isochrone − catalogue log age|"),
    Field("distance", _DOUBLE, "pc", "Catalogue distance"),
    Field("log_age", _DOUBLE, "dex", "Catalogue log age"),
    Field("a0", _DOUBLE, "mag", "Catalogue extinction"),
    Field("model_saw_cluster", _BOOL, "", "Whether the network was trained or validated on it"),
]

#: Kept sources as the mirror gives them, after the cone cuts (internal).
CONE_COLUMNS = [
    Field("source_id", _LONG, "", "Gaia source identifier"),
    *[
        Field(name, _DOUBLE, "", "As the mirror gives it")
        for name in (
            "ra dec parallax parallax_error pmra pmra_error pmdec pmdec_error "
            "parallax_pmra_corr parallax_pmdec_corr pmra_pmdec_corr "
            "phot_g_mean_mag phot_bp_mean_mag phot_rp_mean_mag"
        ).split()
    ],
    *[
        Field(name, _INT, "", "Observations")
        for name in ("phot_g_n_obs", "phot_bp_n_obs", "phot_rp_n_obs")
    ],
    Field("ecl_lat", _DOUBLE, "deg", "Ecliptic latitude"),
    Field("nu_eff", _DOUBLE, "1/µm", "Effective wavenumber, NaN where missing"),
    Field("pseudocolour", _DOUBLE, "1/µm", "Astrometric pseudocolour, NaN where missing"),
    Field("solution", _INT, "", "Code of the astrometric solution"),
]
_CLUSTER_KEY = Field("cluster_key", _LONG, "", "Stable hash of the cluster's normalised name")
#: Kept sources in cones, once for every cone.
CONE = [_CLUSTER_KEY, *CONE_COLUMNS]
_LISTED = Field("list_probability", _DOUBLE, "", "Probability in the member list")

#: Pass 1: listed members found (n_cone null), and counts per task (source_id null).
SEARCH = [*CONE, Field("n_cone", _LONG, "", "Kept sources"), _LISTED]

#: Files that tasks have written for a unit (internal).
STAGED_FILES = [
    Field("table", _STRING, "", "Table of the run"),
    Field("path", _STRING, "", "Where it is"),
    Field("rows", _LONG, "", "Rows"),
    Field("bytes", _LONG, "", "Size"),
    Field("sha256", _STRING, "", "Checksum"),
]

_DOUBLES = T.ArrayType(_DOUBLE, False)
_LONGS = T.ArrayType(_LONG, False)

#: The barrier: a characterised cluster, or the reason why it could not be.
MODELS = [
    _CLUSTER_KEY,
    Field("reason", _STRING, "", "Why the cluster is skipped; null if it is not"),
    *[
        Field(name, _DOUBLE, "", "See ocspark.selection.model.ClusterModel")
        for name in (
            "ra dec pmra pmdec parallax distance log_age a0 delta_pm delta_plx_plus "
            "delta_plx_minus delta_c delta_g training_probability isochrone_log_age "
            "isochrone_age_offset"
        ).split()
    ],
    Field("n_training_members", _LONG, "", "Training members found in the cone"),
    Field("curve", _DOUBLES, "mag", "Isochrone points C, G, C, G, …"),
    Field("training_id", _LONGS, "", "source_id of the training members"),
    Field("support_id", _LONGS, "", "source_id of the support members"),
    Field("support_features", _DOUBLES, "", "Their five features, star by star"),
]

_COUNTS = T.MapType(_STRING, _LONG, False)

#: What verification found in a mirror's file (internal).
VERIFIED_FILES = [
    Field("path", _STRING, "", "The file"),
    Field("rows", _LONG, "", "Rows read"),
    Field("error", _STRING, "", "Why it could not be read to its end; null if it could"),
    Field("types", T.MapType(_STRING, _STRING, False), "", "Arrow type by column"),
    Field("nulls", _COUNTS, "", "Missing values by column"),
    Field("faults", _COUNTS, "", "Faulty rows by check"),
    Field(
        "examples",
        T.MapType(_STRING, T.ArrayType(_STRING, False), False),
        "",
        "Some faulty rows in words, by check",
    ),
]

#: The truth of a mock's planted stars.
MOCK_TRUTH = [
    Field("source_id", _LONG, "", "Source in the mock's mirror"),
    Field("cluster", _STRING, "", "Cluster it was planted in"),
    Field("distance", _DOUBLE, "pc", "True distance"),
    Field("parallax", _DOUBLE, "mas", "True parallax, without zero point"),
    Field("pmra", _DOUBLE, "mas/yr", "True proper motion in right ascension, times cos(dec)"),
    Field("pmdec", _DOUBLE, "mas/yr", "True proper motion in declination"),
    Field("phot_g_mean_mag", _DOUBLE, "mag", "True G magnitude, companion included"),
    Field("phot_bp_mean_mag", _DOUBLE, "mag", "True BP magnitude, companion included"),
    Field("phot_rp_mean_mag", _DOUBLE, "mag", "True RP magnitude, companion included"),
    Field("initial_mass", _DOUBLE, "M_sun", "Initial mass of the primary"),
    Field("companion_mass", _DOUBLE, "M_sun", "Initial mass of the companion, 0 if there is none"),
    Field("is_binary", _BOOL, "", "Whether there is a companion"),
    Field("radius", _DOUBLE, "pc", "Distance from the cluster's centre in space"),
]

#: A star of a member list, and what this run makes of it (jobs/compare.py, method §11).
LISTED_STARS = [
    *_KEY,
    Field("list_probability", _DOUBLE, "", "Probability in the member list"),
    *[f for f in [*_ASTROMETRY, *_PHOTOMETRY, *_FEATURES] if not f.name.endswith("_error")],
    Field("probability", _DOUBLE, "", "This run's probability; null if it is no candidate"),
    Field("is_training_member", _BOOL, "", "Training member of the list (method §3)"),
    Field("in_mirror", _BOOL, "", "Whether the mirror's files have it"),
    Field("kept", _BOOL, "", "Whether it has all that a kept source must (method §1)"),
    Field("within_radius", _BOOL, "", "Whether it is within the cone's radius"),
    Field("in_cone", _BOOL, "", "Whether it passes radius, parallax and proper-motion cuts"),
    Field("passes_proper_motion", _BOOL, "", "Eq. 1; null for candidates and unknown stars"),
    Field("passes_parallax", _BOOL, "", "Eq. 2, whatever the others say"),
    Field("passes_isochrone", _BOOL, "", "Eq. 3, whatever the others say"),
]

_COUNT_OF_REASON = {
    "not_in_mirror": "Missed: the mirror does not have the star (counted as not in the cone too)",
    "not_in_cone": "Missed: outside the cone's radius, parallax or proper-motion cut",
    "not_kept": "Missed: in the mirror, but lacks what a kept source must have",
    "proper_motion": "Missed: fails Eq. 1 (may fail others too)",
    "parallax": "Missed: fails Eq. 2 (may fail others too)",
    "isochrone": "Missed: fails Eq. 3 (may fail others too)",
    "zero_probability": "Missed: a candidate with p = 0",
    "low_probability": "Missed: a candidate with p above 0 but below the cut",
}
_SPREAD = T.ArrayType(_DOUBLE)

#: A cluster's Venn counts, reasons and spreads at one cut.
COMPARISON = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("cut", _STRING, "", "Name of the cut"),
    Field("n_listed", _LONG, "", "Listed stars that pass the cut"),
    Field("n_ours", _LONG, "", "Stars of this run that pass the cut"),
    Field("n_both", _LONG, "", "Stars in both"),
    Field("n_listed_only", _LONG, "", "Listed stars that this run misses"),
    Field("n_ours_only", _LONG, "", "Stars of this run that the list does not have"),
    Field("n_unknown", _LONG, "", "Listed, with unknown radius or G, so left out of the cut"),
    Field("recovered", _DOUBLE, "", "n_both / n_listed"),
    Field("recovered_in_cone", _DOUBLE, "", "n_both / listed stars not outside the cone"),
    Field("n_not_candidate", _LONG, "", "Missed stars that are no candidates"),
    *[Field(f"n_{name}", _LONG, "", text) for name, text in _COUNT_OF_REASON.items()],
    Field("ours_f_plx", _SPREAD, "mas", "15th, 50th, 85th percentile of f_plx of n_ours"),
    Field("ours_f_pm", _SPREAD, "mas/yr", "15th, 50th, 85th percentile of f_pm of n_ours"),
    Field("listed_f_plx", _SPREAD, "mas", "15th, 50th, 85th percentile of f_plx of n_listed"),
    Field("listed_f_pm", _SPREAD, "mas/yr", "15th, 50th, 85th percentile of f_pm of n_listed"),
    Field("faint_fraction", _DOUBLE, "", "Share of this run's p >= 0.1 stars with G > 18"),
    Field("model_saw_cluster", _BOOL, "", "In-sample: the network was trained or validated on it"),
]

CONFUSION = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("list_bin", _INT, "", "Tenth of the list's probability, 0 to 9; -1 not listed"),
    Field("our_bin", _INT, "", "Tenth of this run's probability, 0 to 9; -1 no candidate"),
    Field("n", _LONG, "", "Stars"),
]


def _with_ends(name: str, unit: str, description: str) -> list[Field]:
    return [
        Field(name, _DOUBLE, unit, description),
        Field(f"{name}_lower", _DOUBLE, unit, "Lower end of its 68 % interval; NaN if open"),
        Field(f"{name}_upper", _DOUBLE, unit, "Upper end of its 68 % interval; NaN if open"),
    ]


#: Structure of a cluster from its members (p >= 0.5); NaN where they do not constrain it.
STRUCTURE = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("n_members", _LONG, "", "Candidates with probability >= 0.5"),
    Field("extent_pc", _DOUBLE, "pc", "Radius of the area searched: the farthest candidate's"),
    *_with_ends("r50", "pc", "Projected radius that holds half of the members"),
    *_with_ends("core_radius", "pc", "Core radius of the King profile"),
    *_with_ends("tidal_radius", "pc", "Tidal radius of the King profile"),
    Field("background_fraction", _DOUBLE, "", "Share of the members in a flat background"),
    Field("king_status", _STRING, "", "fitted, or what is not constrained and why"),
    Field("profile_radius", _SPREAD, "pc", "Rings of the density profile"),
    Field("profile_density", _SPREAD, "1/pc2", "Members per area in each ring"),
    Field("profile_error", _SPREAD, "1/pc2", "Poisson error of profile_density"),
    Field("segregation_ratio", _DOUBLE, "", "Mass segregation ratio of the 10 brightest"),
    Field("segregation_error", _DOUBLE, "", "Its error"),
    Field("segregation_sizes", T.ArrayType(_LONG), "", "Sizes of sets of brightest stars"),
    Field("segregation_ratios", _SPREAD, "", "Mass segregation ratio of each set"),
    Field("segregation_errors", _SPREAD, "", "Errors of segregation_ratios"),
    *_with_ends("faint_fraction", "", "Share of stars with p >= 0.1 that have G > 18"),
    Field("n_new", _LONG, "", "Members that are no training members"),
    *[
        Field(f"new_{name}{suffix}", _DOUBLE, unit, text)
        for name, unit in (("pmra", "mas/yr"), ("pmdec", "mas/yr"), ("parallax", "mas"))
        for suffix, text in (("", "Weighted mean of the new members"), ("_error", "Its error"))
    ],
]

#: Stars that two clusters claim; a pair appears from both sides.
SHARED = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("other", _STRING, "", "The other cluster"),
    Field("n_p10", _LONG, "", "Stars with probability >= 0.1 in both"),
    Field("n_p50", _LONG, "", "Stars with probability >= 0.5 in both"),
]
