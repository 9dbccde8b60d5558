"""Two ways to write a unit's files into its staging folder: by the tasks themselves, or by Spark.

A task that makes many rows writes them itself, straight from Arrow, and hands on only what it
wrote; files of failed or repeated attempts are named nowhere and go with the folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import DataFrame

from ocspark import storage
from ocspark.errors import InputError, OutputError
from ocspark.mirror.scan import UnreadableFile
from ocspark.selection.arrow import to_batch
from ocspark.selection.cone import Process
from ocspark.store.files import (
    FileWriter,
    StagedFile,
    UnwritableFile,
    cluster_column,
    count_clusters,
)
from ocspark.tables.run import STAGED_FILES

#: Which rows of a batch go to which table.
Route = Callable[[pa.RecordBatch], Mapping[str, pa.RecordBatch]]


def in_tasks(process: Process, folder: str, route: Route) -> Process:
    """Return the process that writes what `process` yields below `folder`: to `STAGED_FILES` rows.

    Parameters
    ----------
    process : callable
    folder : str
        Gets a folder per table.
    route : callable
        Gives the rows of a batch by table.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writers: dict[str, FileWriter] = {}
        try:
            for batch in process(batches):
                for table, rows in route(batch).items():
                    if table not in writers:
                        place = storage.join(folder, table)
                        writers[table] = FileWriter(place, rows.schema, _task_number())
                    writers[table].add(rows)
            staged = {table: writer.close() for table, writer in writers.items()}
        except UnreadableFile as fault:
            # handed on, not raised: Spark would print every traceback of every attempt
            yield to_batch({"unreadable": np.array([fault.path])}, STAGED_FILES)
            return
        except UnwritableFile as fault:
            yield to_batch({"unwritable": np.array([str(fault)])}, STAGED_FILES)
            return
        for table, file in staged.items():
            columns = file._asdict() | {"table": table, "clusters": json.dumps(file.clusters)}
            yield to_batch({n: np.array([v]) for n, v in columns.items() if v}, STAGED_FILES)

    return write


def staged_by_tasks(files: DataFrame, tables: Sequence[str]) -> dict[str, list[StagedFile]]:
    """Run the tasks of a DataFrame with the process of `in_tasks`; return what they wrote.

    Raises
    ------
    InputError
        If a task met a mirror file that cannot be read.
    OutputError
        If a task could not write.
    """
    staged: dict[str, list[StagedFile]] = {table: [] for table in tables}
    for row in files.collect():
        if row["unreadable"] is not None:
            raise InputError(
                f"mirror.path: {row['unreadable']}: cannot be read; expected a whole Parquet file"
            )
        if row["unwritable"] is not None:
            raise OutputError(f"output: {row['unwritable']}")
        values = {name: row[name] for name in StagedFile._fields}
        values |= {"rows": row["rows"] or 0, "clusters": json.loads(row["clusters"])}
        staged[row["table"]].append(StagedFile(**values))
    return {table: sorted(some, key=lambda f: f.path) for table, some in staged.items()}


def staged_by_spark(frame: DataFrame, folder: str) -> list[StagedFile]:
    """Write a small table through Spark; return its files."""
    frame.write.mode("overwrite").parquet(storage.for_spark(folder))
    parts = [f for f in storage.list_files(folder) if f.endswith(".parquet")]
    return [
        StagedFile(f, storage.parquet_rows(f), *storage.size_and_sha256(f), _clusters_in(f))
        for f in parts
    ]


def _clusters_in(path: str) -> dict[str, int] | None:
    filesystem, inner = storage.resolve(path)
    file = pq.ParquetFile(inner, filesystem=filesystem)
    name = cluster_column(file.schema_arrow)
    return None if name is None else count_clusters(file.read([name]).column(0))


def _task_number() -> int:
    """Return the number of the running task, which keeps files in the mirror's order."""
    context = TaskContext.get()
    return int(context.partitionId()) if context else 0
