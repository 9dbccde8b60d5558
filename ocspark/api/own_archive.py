"""Look a cluster up and fetch its cone from the archive, for `find_members` without a mirror."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.files import AnyTable
from ocspark.selection.cones import make_cones
from ocspark.settings import MirrorSettings, Settings

try:
    from ocspark.fetch.client import Client
    from ocspark.fetch.cones import MAX_RADIUS_DEG, Archive
    from ocspark.fetch.values import cluster_values
except ImportError as error:
    raise InputError(
        f"mirror: expected one, as package {error.name} is not installed, by which cones are "
        "fetched from the archive; install ocspark[fetch]"
    ) from None


def look_up(
    name: str,
    given: Mapping[str, float | None],
    folder: str,
    table: AnyTable | None,
    columns: Mapping[str, str] | str | None,
) -> dict[str, float]:
    """Return the values of a cluster; see `ocspark.fetch.values.cluster_values`.

    `folder` is where the catalogue is kept that is fetched for them.
    """
    cache = storage.join(folder, "catalogue")
    return cluster_values(Client(), name, given, cache, table=table, columns=columns)


def bounded(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections of the settings with a radius that an archive answers, if none is given."""
    search = sections.get("search", {})
    return {**sections, "search": {"max_radius_deg": MAX_RADIUS_DEG, **search}}


def mirror_of(
    clusters: pd.DataFrame, settings: Settings, folder: str, spark: SparkSession
) -> Settings:
    """Return the settings with a mirror that has what the search needs around some clusters.

    Parameters
    ----------
    clusters : DataFrame
        As `ocspark.inputs.clusters.read_clusters` returns them.
    settings : Settings
        Their search and release say what is fetched.
    folder : path or URI
        Where the cones are kept.
    spark : SparkSession
    """
    columns = settings.output.columns
    archive = Archive(Client(), settings.release, storage.join(folder, "archive"), columns)
    cones = make_cones(clusters, settings.search)
    mirror = archive.fetch_mirror(cones.table, clusters["cluster"].tolist(), spark)
    return settings.model_copy(update={"mirror": MirrorSettings(path=mirror)})
