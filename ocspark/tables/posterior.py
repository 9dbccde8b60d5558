"""Tables of the posterior beside the columns of candidates and clusters."""

from __future__ import annotations

from ocspark.tables.fields import DOUBLE, STRING, Field

#: Members of a cluster by magnitude, as fitted.
LUMINOSITY_FUNCTIONS = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("phot_g_mean_mag", DOUBLE, "mag", "G"),
    Field(
        "members_per_mag",
        DOUBLE,
        "1/mag",
        "Members per magnitude, also those that are no candidates",
    ),
]
