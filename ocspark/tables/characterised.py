"""Define the tables that characterising clusters writes, between the two passes."""

from __future__ import annotations

from ocspark.tables.fields import CLUSTER_KEY, DOUBLE, DOUBLES, LONG, LONGS, STRING, Field
from ocspark.tables.star import STAR

TRAINING_MEMBERS = [
    *STAR,
    Field("list_probability", DOUBLE, "", "Probability in the member list"),
]

#: Characterised clusters, and clusters skipped then with the reason.
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
