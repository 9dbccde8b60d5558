"""The planted stars as files beside a mirror, and what is known of them (Spark)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.injection.twins import Planter
from ocspark.mirror.healpix import HEALPIX_COLUMN
from ocspark.mock.planted import PlantedCluster
from ocspark.mock.tables import merge_tables, write_cluster_tables
from ocspark.session import ship
from ocspark.store.files import StagedFile

#: Tables written, besides the overlay: cluster table, member list and truth of the twins.
TABLES = ("clusters", "members", "truth")
OVERLAY = "overlay"
_TASK_TWINS, _ROW_GROUP = 50, 20_000


def write_overlay(
    spark: SparkSession,
    planter: Planter,
    types: Mapping[str, pa.DataType],
    healpix_column: str | None,
    staging: str,
) -> dict[str, list[StagedFile]]:
    """Write the stars of all twins below a staging folder.

    Parameters
    ----------
    spark : SparkSession
    planter : Planter
    types : mapping
        The columns that the mirror's files have (`ocspark.mirror.layout.CheckedFile`), so that
        files of both can be searched together.
    healpix_column : str or None
        Which of them is the order-29 index.
    staging : str

    Returns
    -------
    dict
        The files by table: `OVERLAY` and ``twin_`` + `TABLES`.
    """
    n_twins = len(planter.twins)
    starts = list(range(0, n_twins, _TASK_TWINS))
    schema = pa.schema(list(types.items()))
    fetch = ship(spark, planter)
    overlay, parts = storage.join(staging, OVERLAY), storage.join(staging, "parts")

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        mine: Planter = fetch()
        for batch in batches:
            for task in batch.column(0).to_pylist():
                numbers = range(starts[task], min(starts[task] + _TASK_TWINS, n_twins))
                planted = [mine.planted(number) for number in numbers]
                write_cluster_tables(planted, parts, task)
                table = _native_rows(mine, planted, schema, healpix_column)
                storage.make_directory(overlay)
                with storage.open_whole(storage.join(overlay, f"{task:08d}.parquet")) as stream:
                    pq.write_table(table, stream, row_group_size=_ROW_GROUP)
                yield pa.RecordBatch.from_pydict({"rows": [table.num_rows]})

    spark.range(0, len(starts), 1, len(starts)).mapInArrow(write, "rows bigint").collect()
    merge_tables(parts, staging)
    files = {OVERLAY: storage.list_files(overlay)}
    files |= {f"twin_{name}": [storage.join(staging, f"{name}.parquet")] for name in TABLES}
    return {table: [_staged(path) for path in paths] for table, paths in files.items()}


def _native_rows(
    planter: Planter, planted: list[PlantedCluster], schema: pa.Schema, healpix_column: str | None
) -> pa.Table:
    """Return the stars of some twins in the mirror's columns and types, along the sky."""
    natives = [planter.observatory.native(cluster.sources) for cluster in planted]
    columns = {name: np.concatenate([n[name] for n in natives]) for name in natives[0]}
    index = columns.pop(HEALPIX_COLUMN)
    if healpix_column is not None:
        columns[healpix_column] = index
    order = np.argsort(index, kind="stable")
    arrays = [
        pa.array(columns[field.name][order], from_pandas=True).cast(field.type) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _staged(path: str) -> StagedFile:
    return StagedFile(path, storage.parquet_rows(path), *storage.size_and_sha256(path))
