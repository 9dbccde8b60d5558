"""Define the tables of a training set."""

from __future__ import annotations

from pyspark.sql import types as T

from ocspark.tables.fields import BOOL, CLUSTER_KEY, DOUBLE, INT, LONG, LONGS, STRING, Field
from ocspark.tables.star import FEATURES, KEY

#: Members of the training clusters, and the non-members that may be drawn (internal).
TRAINING_SELECTED = [
    CLUSTER_KEY,
    Field("source_id", LONG, "", "Gaia source identifier"),
    Field("is_member", BOOL, "", "Support member, else a non-member"),
    *FEATURES,
]
#: Counts and sums of a training cluster, one row per task (internal).
TRAINING_SUMS = [
    CLUSTER_KEY,
    Field("n_cone", LONG, "", "Sources: candidates and non-members"),
    Field("n_candidates", LONG, "", "Candidates among them"),
    Field("n_non_members", LONG, "", "Non-members among them"),
    Field("sums", LONGS, "", "Sums of the features, then of their squares, in fixed point"),
]
TRAINING_INSTANCES = [
    CLUSTER_KEY,
    *KEY,
    Field("copy", INT, "", "0 for a star's first instance, 1 for its second, …"),
    Field("is_member", BOOL, "", "Label: support member, else a non-member"),
    *FEATURES,
    Field(
        "support",
        T.ArrayType(INT, False),
        "",
        "Support set: numbers of the cluster's members in order of source_id, from 0",
    ),
]
TRAINING_CLUSTERS = [
    CLUSTER_KEY,
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("split", STRING, "", "training, validation, or empty where it is left out"),
    Field("reason", STRING, "", "Why it is left out; empty where it is not"),
    Field("n_listed", LONG, "", "Members of the list at the training probability"),
    Field("n_cone", LONG, "", "Sources: candidates and non-members"),
    Field("n_members", LONG, "", "Members: listed, in the cone, passing the conditions"),
    Field("n_candidates", LONG, "", "Candidates"),
    Field("n_non_members", LONG, "", "Non-members"),
    Field("a0", DOUBLE, "mag", "Catalogue extinction"),
    Field("log_age", DOUBLE, "dex", "Catalogue log age"),
    Field("parallax", DOUBLE, "mas", "Weighted mean of the training members"),
]
