"""Define the tables of comparisons with member lists and of the structure of clusters."""

from __future__ import annotations

from pyspark.sql import types as T

from ocspark.tables.fields import BOOL, DOUBLE, INT, LONG, STRING, Field
from ocspark.tables.star import ASTROMETRY, FEATURES, KEY, PHOTOMETRY

#: Stars of a member list, with the results of this run (jobs/compare.py, method §11).
LISTED_STARS = [
    *KEY,
    Field("list_probability", DOUBLE, "", "Probability in the member list"),
    *[f for f in [*ASTROMETRY, *PHOTOMETRY, *FEATURES] if not f.name.endswith("_error")],
    Field("probability", DOUBLE, "", "This run's votes; null if the star is no candidate"),
    Field("posterior", DOUBLE, "", "This run's posterior; null if it has none"),
    Field("is_training_member", BOOL, "", "Training member of the list (method §3)"),
    Field("in_mirror", BOOL, "", "Whether the mirror has the star"),
    Field("kept", BOOL, "", "Whether no value is missing that the method needs (method §1)"),
    Field("within_radius", BOOL, "", "Whether it is within the cone's radius"),
    Field("in_cone", BOOL, "", "Whether it passes radius, parallax and proper-motion cuts"),
    Field("passes_proper_motion", BOOL, "", "Eq. 1; null for candidates and unknown stars"),
    Field("passes_parallax", BOOL, "", "Eq. 2, by itself"),
    Field("passes_isochrone", BOOL, "", "Eq. 3, by itself"),
]

#: Why this run misses a listed star: what a comparison counts.
MISSED_REASONS = {
    "not_in_mirror": "Missed: the mirror does not have the star (counted as not in the cone too)",
    "not_in_cone": "Missed: outside the cone's radius, parallax or proper-motion cut",
    "not_kept": "Missed: in the mirror, but a value that the method needs is missing",
    "proper_motion": "Missed: fails Eq. 1 (may fail others too)",
    "parallax": "Missed: fails Eq. 2 (may fail others too)",
    "isochrone": "Missed: fails Eq. 3 (may fail others too)",
    "no_posterior": "Missed: a candidate beyond the radius that has posteriors",
    "zero_probability": "Missed: a candidate with posterior, or votes, of 0",
    "low_probability": "Missed: a candidate with posterior, or votes, above 0 but below the cut",
}
_SPREAD = T.ArrayType(DOUBLE)

#: Counts of stars in common, reasons for missed stars, and spreads of a cluster at one cut.
COMPARISON = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("cut", STRING, "", "Name of the cut"),
    Field("members_by", STRING, "", "How this run's members are chosen: by posterior or votes"),
    Field("n_listed", LONG, "", "Listed stars that pass the cut"),
    Field("n_ours", LONG, "", "Stars of this run that pass the cut"),
    Field("n_both", LONG, "", "Stars in both"),
    Field("n_ours_votes", LONG, "", "n_ours if members were chosen by votes in all clusters"),
    Field("n_both_votes", LONG, "", "n_both if members were chosen by votes in all clusters"),
    Field("n_listed_only", LONG, "", "Listed stars that this run misses"),
    Field("n_ours_only", LONG, "", "Stars of this run that the list does not have"),
    Field("n_unknown", LONG, "", "Listed stars left out by the cut: radius or G unknown"),
    Field("recovered", DOUBLE, "", "n_both / n_listed"),
    Field("recovered_in_cone", DOUBLE, "", "n_both / listed stars not outside the cone"),
    Field("n_not_candidate", LONG, "", "Missed stars that are no candidates"),
    *[Field(f"n_{name}", LONG, "", text) for name, text in MISSED_REASONS.items()],
    Field("ours_f_plx", _SPREAD, "mas", "15th, 50th, 85th percentile of f_plx of n_ours"),
    Field("ours_f_pm", _SPREAD, "mas/yr", "15th, 50th, 85th percentile of f_pm of n_ours"),
    Field("listed_f_plx", _SPREAD, "mas", "15th, 50th, 85th percentile of f_plx of n_listed"),
    Field("listed_f_pm", _SPREAD, "mas/yr", "15th, 50th, 85th percentile of f_pm of n_listed"),
    Field(
        "faint_fraction",
        DOUBLE,
        "",
        "Share with G > 18 of this run's with posterior, or votes, >= 0.1",
    ),
    Field("model_saw_cluster", BOOL, "", "In-sample: the network was trained or validated on it"),
]

CONFUSION = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("list_bin", INT, "", "Tenth of the list's probability, 0 to 9; -1 not listed"),
    Field("our_bin", INT, "", "Tenth of this run's posterior or votes, 0 to 9; -1 none"),
    Field("n", LONG, "", "Stars"),
]


def _with_ends(name: str, unit: str, description: str) -> list[Field]:
    return [
        Field(name, DOUBLE, unit, description),
        Field(f"{name}_lower", DOUBLE, unit, "Lower end of its 68 % interval; NaN if open"),
        Field(f"{name}_upper", DOUBLE, unit, "Upper end of its 68 % interval; NaN if open"),
    ]


#: Structure of a cluster from its members; NaN for what they do not constrain.
STRUCTURE = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("members_by", STRING, "", "How its members are chosen: by posterior or votes"),
    Field("n_members", LONG, "", "Candidates with posterior, or votes, >= 0.5"),
    Field("extent_pc", DOUBLE, "pc", "Radius of the farthest candidate that may be a member"),
    *_with_ends("r50", "pc", "Projected radius that holds half of the members"),
    *_with_ends("core_radius", "pc", "Core radius of the King profile"),
    *_with_ends("tidal_radius", "pc", "Tidal radius of the King profile"),
    Field("background_fraction", DOUBLE, "", "Share of the members in a flat background"),
    Field("king_status", STRING, "", "fitted, or what is not constrained and why"),
    Field("profile_inner", _SPREAD, "pc", "Inner edges of the density profile's rings"),
    Field("profile_outer", _SPREAD, "pc", "Their outer edges"),
    Field("profile_radius", _SPREAD, "pc", "Radius that halves the area of each ring"),
    Field("profile_density", _SPREAD, "1/pc2", "Members per area in each ring"),
    Field("profile_error", _SPREAD, "1/pc2", "Poisson error of profile_density"),
    Field("segregation_ratio", DOUBLE, "", "Mass segregation ratio of the 10 brightest"),
    Field("segregation_error", DOUBLE, "", "Its error"),
    Field("segregation_sizes", T.ArrayType(LONG), "", "Sizes of sets of brightest stars"),
    Field("segregation_ratios", _SPREAD, "", "Mass segregation ratio of each set"),
    Field("segregation_errors", _SPREAD, "", "Errors of segregation_ratios"),
    *_with_ends(
        "faint_fraction", "", "Share of stars with posterior, or votes, >= 0.1 that have G > 18"
    ),
    Field("n_new", LONG, "", "Members that are no training members"),
    *[
        Field(f"new_{name}{suffix}", DOUBLE, unit, text)
        for name, unit in (("pmra", "mas/yr"), ("pmdec", "mas/yr"), ("parallax", "mas"))
        for suffix, text in (("", "Weighted mean of the new members"), ("_error", "Its error"))
    ],
]

#: Stars that two clusters claim; a pair appears from both sides.
SHARED = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("other", STRING, "", "The other cluster"),
    Field("n_from_10", LONG, "", "Stars with posterior, or votes, >= 0.1 in both"),
    Field("n_from_50", LONG, "", "Stars with posterior, or votes, >= 0.5 in both"),
]
