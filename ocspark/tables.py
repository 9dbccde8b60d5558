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
    Field("n_samples", _INT, "", "Samples drawn"),
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
    Field("projected_radius", _DOUBLE, "pc", "Distance from the centre on the sky (as f_r)"),
]

#: Kept sources in the cones of the offset search (internal).
CONE_COUNTS = [_CLUSTER_KEY, Field("n_cone", _LONG, "", "Kept sources")]

#: Stars of the selection function, counted (see `ocspark.injection.count` for the bins).
SELECTION_COUNTS = [
    Field("cluster", _STRING, "", "The twin"),
    Field("kind", _STRING, "", "planted; field: found in its cone; offset: by the real cuts"),
    Field("g_bin", _INT, "", "Bin of G: true if planted, else observed"),
    Field("radius_bin", _INT, "", "Bin of the projected radius: true if planted, else observed"),
    Field("p_bin", _INT, "", "Tenths of the probability, rounded down; -1 for no candidate"),
    Field("n", _LONG, "", "Stars"),
]

#: One row per twin.
SELECTION_TWINS = [
    Field("cluster", _STRING, "", "The twin"),
    Field("twin_of", _STRING, "", "The real cluster"),
    Field("status", _STRING, "", "done or skipped, in the run with the twins"),
    Field("reason", _STRING, "", "Why it was skipped"),
    Field("ra", _DOUBLE, "deg", "Where it was planted"),
    Field("dec", _DOUBLE, "deg", "Where it was planted"),
    Field("distance", _DOUBLE, "pc", "True distance"),
    Field("richness", _LONG, "", "Planted stars brighter than G = 18"),
    Field("n_planted", _LONG, "", "Planted stars"),
    Field("n_training_members", _LONG, "", "Training members found"),
    Field("n_cone_offset", _LONG, "", "Sources without the twin that pass the real cone's cuts"),
    Field("field_density", _DOUBLE, "deg-2", "n_cone_offset over the cone's area"),
]

_SHARE = ("Expected", "Low end of the 95 % interval of", "High end of the 95 % interval of")
#: Expectations per real cluster at each probability level of `CLUSTERS`: name, unit, description.
_EXPECTED = (
    ("completeness", "", "share of its stars in the mirror that are members"),
    ("completeness_g18", "", "completeness for G < 18"),
    ("contamination", "", "share of its members that do not belong to it, from its twins"),
    ("contaminants", "", "members by chance: stars found with its own cuts at offset positions"),
    ("offset_contamination", "", "contaminants over the members that its run found, at most 1"),
)
#: One row per real cluster.
SELECTION_CLUSTERS = [
    Field("cluster", _STRING, "", "Cluster, as the cluster table names it"),
    Field("status", _STRING, "", "done or skipped, in its own run"),
    Field("reason", _STRING, "", "Why it was skipped"),
    Field("n_twins", _LONG, "", "Twins that the run with them has done"),
    Field("n_training_members", _LONG, "", "Training members found"),
    Field("twin_training_members", _DOUBLE, "", "Mean of its twins'"),
    Field("cone_density", _DOUBLE, "deg-2", "Kept sources in its cone over the cone's area"),
    Field("field_density", _DOUBLE, "deg-2", "The same, mean of the offset positions"),
    *[
        Field(f"{name}_{level}{end}", _DOUBLE, unit, f"{what} {text} (p >= 0.{level[1]})")
        for name, unit, text in _EXPECTED
        for level in ("p10", "p50", "p90")
        for end, what in zip(("", "_low", "_high"), _SHARE, strict=True)
    ],
]

#: One row per quantity, bin and probability level.
SELECTION_FUNCTION = [
    Field(
        "quantity", _STRING, "", "completeness, contamination, contaminants, offset_contaminants"
    ),
    Field("axis", _STRING, "", "all, g_mag, radius, distance, richness or field_density"),
    Field("bin_low", _DOUBLE, "", "Low edge of the bin, in the axis's unit; null for all"),
    Field(
        "bin_high", _DOUBLE, "", "High edge; what lies beyond the last edges is in the last bins"
    ),
    Field("distance_low", _DOUBLE, "pc", "Only twins from this distance on; null for all"),
    Field("distance_high", _DOUBLE, "pc", "Only twins up to this distance; null for all"),
    Field("probability", _DOUBLE, "", "Members have at least this probability"),
    Field("n", _LONG, "", "Stars that the share is of; cones for contaminants"),
    Field("k", _LONG, "", "Stars that are counted"),
    Field("value", _DOUBLE, "", "k / n"),
    Field("low", _DOUBLE, "", "Low end of the 95 % interval"),
    Field("high", _DOUBLE, "", "High end of the 95 % interval"),
]
