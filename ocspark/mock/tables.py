"""Write the tables beside a mock's mirror: cluster table, member list and truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.planted import PlantedCluster
from ocspark.store.tasks import run_tasks
from ocspark.tables.fields import struct
from ocspark.tables.mock import MOCK_TRUTH

#: Clusters of a Spark task.
_TASK_CLUSTERS = 100
_SCHEMAS = {
    "clusters": pa.schema(
        [(name, pa.string() if name == "cluster" else pa.float64()) for name in CLUSTER_COLUMNS]
    ),
    "members": pa.schema(
        [("cluster", pa.string()), ("source_id", pa.int64()), ("probability", pa.float64())]
    ),
    "truth": to_arrow_schema(struct(MOCK_TRUTH)),
}


def cluster_tables(planted: Sequence[PlantedCluster]) -> dict[str, pa.Table]:
    """Return the cluster table, member list and truth of some clusters.

    Parameters
    ----------
    planted : sequence of PlantedCluster
        The clusters. Stars are sorted by source_id within each.

    Returns
    -------
    dict of Table
        ``clusters``, ``members`` and ``truth``.
    """
    stars = [_star_tables(cluster) for cluster in planted]
    return {
        "clusters": pa.Table.from_pylist([c.row for c in planted], _SCHEMAS["clusters"]),
        "members": pa.concat_tables([members for members, _ in stars]),
        "truth": pa.concat_tables([truth for _, truth in stars]),
    }


def _write_parts(planted: Sequence[PlantedCluster], staging: str, task: int) -> None:
    """Write the rows of some clusters, one file of each table, named by the task's number."""
    for name, table in cluster_tables(planted).items():
        folder = storage.join(staging, name)
        storage.make_directory(folder)
        with storage.open_whole(storage.join(folder, f"{task:08d}.parquet")) as stream:
            pq.write_table(table, stream)


def _star_tables(planted: PlantedCluster) -> tuple[pa.Table, pa.Table]:
    """Return the member list and the truth of a cluster."""
    true, n = planted.true, len(planted.probability)
    columns = {
        "source_id": planted.sources["source_id"],
        "cluster": pa.array([planted.row["cluster"]] * n, pa.string()),
        **{name: true[name] for name in ("distance", "parallax", "pmra", "pmdec")},
        **{f"phot_{band}_mean_mag": true[band] for band in ("g", "bp", "rp")},
        **{name: true[name] for name in ("initial_mass", "companion_mass")},
        "is_binary": true["companion_mass"] > 0,
        "radius": true["radius"],
        "projected_radius": true["projected_radius"],
        "probability": planted.probability,
        "is_member": true["is_member"],
    }
    table = pa.table(columns).sort_by("source_id")
    listed = table.filter(pa.compute.greater(table["probability"], 0.0))
    real = table.filter(table["is_member"])
    return (
        listed.select(_SCHEMAS["members"].names).cast(_SCHEMAS["members"]),
        real.select(_SCHEMAS["truth"].names).cast(_SCHEMAS["truth"]),
    )


def _merge_parts(staging: str, output: str) -> dict[str, int]:
    """Join the files of each table into one, in the order of tasks; return the rows of each."""
    rows = {}
    for name, schema in _SCHEMAS.items():
        target = storage.join(output, f"{name}.parquet")
        with storage.open_whole(target) as stream, pq.ParquetWriter(stream, schema) as writer:
            for file in storage.list_files(storage.join(staging, name)):
                filesystem, inner = storage.resolve(file)
                with filesystem.open_input_file(inner) as part:
                    writer.write_table(pq.read_table(part, schema=schema))
        rows[name] = storage.parquet_rows(target)
    return rows


def write_tables(
    spark: SparkSession, catalogue: MockCatalogue, clusters: list[int], output: str, staging: str
) -> dict[str, int]:
    """Write clusters.parquet, members.parquet and truth.parquet with Spark.

    Parameters
    ----------
    spark : SparkSession
        Session whose tasks draw the clusters.
    catalogue : MockCatalogue
        The catalogue.
    clusters : list of int
        Indices of the clusters to write.
    output : str
        Folder that gets the three files.
    staging : str
        Folder for the files of the tasks, removed in the end.

    Returns
    -------
    dict of int
        Rows by table.
    """
    groups = [
        (number, clusters[first : first + _TASK_CLUSTERS])
        for number, first in enumerate(range(0, len(clusters), _TASK_CLUSTERS))
    ]
    run_tasks(spark, _ClusterWriter(catalogue, staging), groups)
    rows = _merge_parts(staging, output)
    storage.remove_directory(staging)
    return rows


@dataclass(frozen=True)
class _ClusterWriter:
    """Write the tables of some clusters: the function of a Spark task."""

    catalogue: MockCatalogue
    staging: str

    def __call__(self, group: tuple[int, list[int]]) -> str:
        number, clusters = group
        planted = [self.catalogue.cluster(index) for index in clusters]
        _write_parts(planted, self.staging, number)
        return ""
