"""Define the tables of the selection function: counts of stars of clusters' twins."""

from __future__ import annotations

from ocspark.tables.fields import CLUSTER_KEY, DOUBLE, INT, LONG, STRING, Field

#: Kept sources in the cones of the offset search (internal).
CONE_COUNTS = [CLUSTER_KEY, Field("n_cone", LONG, "", "Kept sources")]

#: Stars of the selection function, counted (see `ocspark.selection_function.count` for the bins).
SELECTION_COUNTS = [
    Field("cluster", STRING, "", "The twin"),
    Field("kind", STRING, "", "planted; field: found in its cone; offset: by the real cuts"),
    Field(
        "by", STRING, "", "What p_bin is of: votes or posterior; at offsets there are only votes"
    ),
    Field("g_bin", INT, "", "Bin of G: true if planted, else observed"),
    Field("radius_bin", INT, "", "Bin of the projected radius: true if planted, else observed"),
    Field("p_bin", INT, "", "Its tenths, rounded down; -1 for none or no candidate"),
    Field("n", LONG, "", "Stars"),
]

#: One row per twin.
SELECTION_TWINS = [
    Field("cluster", STRING, "", "The twin"),
    Field("twin_of", STRING, "", "The real cluster"),
    Field("status", STRING, "", "done or skipped, in the run with the twins"),
    Field("reason", STRING, "", "Why it was skipped"),
    Field("ra", DOUBLE, "deg", "Where it was planted"),
    Field("dec", DOUBLE, "deg", "Where it was planted"),
    Field("distance", DOUBLE, "pc", "True distance"),
    Field("richness", LONG, "", "Planted stars brighter than G = 18"),
    Field("n_planted", LONG, "", "Planted stars"),
    Field("n_training_members", LONG, "", "Training members found"),
    Field("expected_members", DOUBLE, "", "Sum of its posteriors; null where it has none"),
    Field("posterior_reason", STRING, "", "Why it has no posterior"),
    Field("n_cone_offset", LONG, "", "Sources without the twin that pass the real cone's cuts"),
    Field("field_density", DOUBLE, "deg-2", "n_cone_offset over the cone's area"),
]

_SHARE = ("Expected", "Low end of the 95 % interval of", "High end of the 95 % interval of")
#: Expectations per real cluster at each probability level of `CLUSTERS`: name, unit, description.
_EXPECTED_OF_BOTH = (
    ("completeness", "", "share of its stars in the mirror that are members"),
    ("completeness_g18", "", "completeness for G < 18"),
    ("contamination", "", "share of its members that do not belong to it, from its twins"),
)
_EXPECTED_OF_VOTES = (
    ("contaminants", "", "members by chance: stars found with its own cuts at offset positions"),
    ("offset_contamination", "", "contaminants over the members that its run found, at most 1"),
)
#: One row per real cluster.
SELECTION_CLUSTERS = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("status", STRING, "", "done or skipped, in its own run"),
    Field("reason", STRING, "", "Why it was skipped"),
    Field("n_twins", LONG, "", "Twins that the run with them has done"),
    Field("n_twins_with_posterior", LONG, "", "Of these, twins that have a posterior"),
    Field("n_training_members", LONG, "", "Training members found"),
    Field("twin_training_members", DOUBLE, "", "Mean of its twins'"),
    Field("cone_density", DOUBLE, "deg-2", "Kept sources in its cone over the cone's area"),
    Field("field_density", DOUBLE, "deg-2", "The same, mean of the offset positions"),
    *[
        Field(f"{name}_{level}{end}", DOUBLE, unit, f"{what} {text} ({by} >= 0.{level[-2]})")
        for by, levels, expected in (
            ("votes", ("p10", "p50", "p90"), (*_EXPECTED_OF_BOTH, *_EXPECTED_OF_VOTES)),
            ("posterior", ("posterior_10", "posterior_50", "posterior_90"), _EXPECTED_OF_BOTH),
        )
        for name, unit, text in expected
        for level in levels
        for end, what in zip(("", "_low", "_high"), _SHARE, strict=True)
    ],
]

#: One row per quantity, bin and probability level.
SELECTION_FUNCTION = [
    Field("quantity", STRING, "", "completeness, contamination, contaminants, offset_contaminants"),
    Field("by", STRING, "", "votes, of all twins; or posterior, of twins that have one"),
    Field("axis", STRING, "", "all, g_mag, radius, distance, richness or field_density"),
    Field("bin_low", DOUBLE, "", "Low edge of the bin, in the axis's unit; null for all"),
    Field("bin_high", DOUBLE, "", "High edge; what lies beyond the last edges is in the last bins"),
    Field("distance_low", DOUBLE, "pc", "Only twins from this distance on; null for all"),
    Field("distance_high", DOUBLE, "pc", "Only twins up to this distance; null for all"),
    Field("probability", DOUBLE, "", "Members have at least this share of votes, or posterior"),
    Field("n", LONG, "", "Stars that the share is of; cones for contaminants"),
    Field("k", LONG, "", "Stars that are counted"),
    Field("value", DOUBLE, "", "k / n"),
    Field("low", DOUBLE, "", "Low end of the 95 % interval"),
    Field("high", DOUBLE, "", "High end of the 95 % interval"),
]
