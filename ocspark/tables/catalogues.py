"""Define the tables of merged cluster catalogues."""

from __future__ import annotations

from ocspark.tables.fields import DOUBLE, STRING, Field

#: Values of a cluster, in groups; the values of a group come from the same catalogue.
CLUSTER_VALUES = [
    [
        Field("ra", DOUBLE, "deg", "Right ascension, ICRS"),
        Field("dec", DOUBLE, "deg", "Declination, ICRS"),
    ],
    [
        Field("pmra", DOUBLE, "mas/yr", "Mean proper motion in right ascension, times cos(dec)"),
        Field("pmdec", DOUBLE, "mas/yr", "Mean proper motion in declination"),
    ],
    [
        Field("pmra_dispersion", DOUBLE, "mas/yr", "Standard deviation of the members' pmra"),
        Field("pmdec_dispersion", DOUBLE, "mas/yr", "Standard deviation of the members' pmdec"),
    ],
    [Field("parallax", DOUBLE, "mas", "Mean parallax")],
    [Field("parallax_dispersion", DOUBLE, "mas", "Standard deviation of the members' parallax")],
    [
        Field("log_age", DOUBLE, "dex", "log10 of the age in years"),
        Field("a0", DOUBLE, "mag", "Extinction, A_V in most catalogues"),
        Field("distance", DOUBLE, "pc", "Distance"),
    ],
    [Field("metallicity", DOUBLE, "dex", "[M/H]")],
    [Field("radius_deg", DOUBLE, "deg", "Radius that holds half the members, or a similar one")],
]
MERGED_CLUSTERS = [
    Field("cluster", STRING, "", "Name in the first catalogue that has the cluster"),
    *[field for group in CLUSTER_VALUES for field in group],
    *[
        Field(f"{field.name}_source", STRING, "", f"Catalogue that {field.name} is from")
        for group in CLUSTER_VALUES
        for field in group
    ],
    Field("aliases", STRING, "", "Other names, separated by commas"),
    Field("catalogues", STRING, "", "Catalogues that have it, each with its match: name, alias …"),
    Field("missing", STRING, "", "Values that the main job needs and no catalogue has"),
]
DOUBTFUL_CLUSTERS = [
    Field("cluster", STRING, "", "Cluster of the merged table"),
    Field("other", STRING, "", "Name of what may be the same cluster"),
    Field("catalogue", STRING, "", "Catalogue of the other; merged if it is in the table too"),
    Field("reason", STRING, "", "Why it is doubtful"),
    Field("outcome", STRING, "", "What was done; a name that both have is alias of neither"),
    Field("separation_deg", DOUBLE, "deg", "Angular separation"),
    Field("pm_difference", DOUBLE, "mas/yr", "Difference of the proper motions"),
    Field("parallax_difference", DOUBLE, "mas", "Difference of the parallaxes"),
    Field("scaled_separation", DOUBLE, "", "Separation in radii"),
    Field("scaled_pm", DOUBLE, "", "pm_difference in dispersions"),
    Field("scaled_parallax", DOUBLE, "", "parallax_difference in dispersions"),
]
