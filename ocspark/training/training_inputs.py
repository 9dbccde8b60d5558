"""Choose the clusters of a training set from a cluster table, and describe the set in its card."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ocspark import storage
from ocspark.catalogue.inputs import read_clusters_and_members
from ocspark.deepsets.weights import CLUSTER_FEATURES, SOURCE_FEATURES
from ocspark.errors import InputError
from ocspark.selection.listed_levels import reaches
from ocspark.settings import Settings
from ocspark.training.training_clusters import leave_out
from ocspark.training.training_settings import InstanceSettings, TrainingSettings


def choose_clusters(settings: TrainingSettings) -> tuple[pd.DataFrame, Settings]:
    """Return the table of clusters, and the settings that search for those that may be trained on.

    Parameters
    ----------
    settings : TrainingSettings
        Settings with mirror, clusters and members.

    Returns
    -------
    table : DataFrame
        cluster_key, cluster, a0, log_age, n_listed and reason ("" for clusters that are kept).
    settings : Settings
        Settings of the main job for the clusters that are kept.

    Raises
    ------
    InputError
        For a missing path, or if no cluster meets the criteria.
    """
    if settings.mirror is None or settings.clusters is None or settings.members is None:
        missing = [n for n in ("mirror", "clusters", "members") if getattr(settings, n) is None]
        raise InputError(
            f"{missing[0]}.path: expected a path, or set_path with a training set made before"
        )
    clusters, members = read_clusters_and_members(settings.clusters, settings.members)
    certain = reaches(members.table["probability"], settings.members.min_probability)
    n_listed = members.table[certain].groupby("cluster_key").size()
    rules = settings.instances
    table = clusters.table[["cluster_key", "cluster", "a0", "log_age"]].assign(
        n_listed=clusters.table["cluster_key"].map(n_listed).fillna(0).astype(int),
        reason=leave_out(
            clusters.table,
            n_listed,
            min_listed=rules.min_listed,
            test_clusters=test_cluster_names(rules),
            longitude_deg=rules.longitude_deg,
            max_parallax=rules.max_parallax,
        ),
    )
    names = table.loc[table["reason"] == "", "cluster"].tolist()
    if not names:
        raise InputError(
            f"clusters: {settings.clusters.path}: no cluster meets the criteria of a training "
            f"set; the first one's reason: {table['reason'].iloc[0]}"
        )
    run_settings = Settings(
        release=settings.release,
        mirror=settings.mirror,
        clusters=settings.clusters.model_copy(update={"names": names}),
        members=settings.members,
        isochrones=settings.isochrones,
        search=settings.search,
        spark=settings.spark,
    )
    return table, run_settings


def test_cluster_names(rules: InstanceSettings) -> list[str]:
    """Return the names of test clusters, given as a list or as a text file with a name per line."""
    given = rules.test_clusters
    if given is None:
        return []
    if not isinstance(given, str):
        return given
    if not storage.is_file(given):
        raise InputError(
            f"instances.test_clusters: {given}: no such file; expected a text file of names"
        )
    lines = (line.partition("#")[0].strip() for line in storage.read_text(given).splitlines())
    return [line for line in lines if line]


def data_card(clusters: pd.DataFrame, rules: InstanceSettings) -> dict[str, Any]:
    """Return the data card: clusters and counts by part, and reasons for what was left out."""
    parts = {}
    for part in ("training", "validation"):
        own = clusters[clusters["split"] == part]
        n_instances = int(own["n_members"].sum()) * rules.duplicates
        parts[part] = {
            "clusters": sorted(own["cluster"]),
            "n_clusters": len(own),
            "n_members": int(own["n_members"].sum()),
            "n_member_instances": n_instances,
            "n_non_member_instances": n_instances * rules.non_members_per_instance,
        }
    out = clusters[clusters["reason"] != ""]
    return {
        "source_features": list(SOURCE_FEATURES),
        "cluster_features": list(CLUSTER_FEATURES),
        "rules": rules.model_dump(mode="json"),
        "parts": parts,
        "n_left_out": len(out),
        "left_out": dict(sorted(zip(out["cluster"], out["reason"], strict=True))),
    }
