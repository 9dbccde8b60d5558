"""Two ways to write a unit's files into its staging folder: by the tasks themselves, or by Spark.

A task that makes many rows writes them itself, straight from Arrow, and hands on only what it
wrote; files of failed or repeated attempts are named nowhere and go with the folder.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import DataFrame

from ocspark import storage
from ocspark.errors import InputError
from ocspark.mirror.scan import UnreadableFile
from ocspark.selection.arrow import to_batch
from ocspark.selection.cone import Process
from ocspark.tables import STAGED_FILES

#: Rows gathered before they are written as a row group.
_ROW_GROUP = 100_000
#: Which rows of a batch go to which table.
Route = Callable[[pa.RecordBatch], Mapping[str, pa.RecordBatch]]


class StagedFile(NamedTuple):
    """A file written, not yet landed."""

    path: str
    rows: int
    bytes: int
    sha256: str


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
        writers: dict[str, _Writer] = {}
        try:
            for batch in process(batches):
                for table, rows in route(batch).items():
                    if table not in writers:
                        writers[table] = _Writer(storage.join(folder, table), rows.schema)
                    writers[table].add(rows)
        except UnreadableFile as fault:
            # handed on, not raised: Spark would print every traceback of every attempt
            yield to_batch({"unreadable": np.array([fault.path])}, STAGED_FILES)
            return
        for table, writer in writers.items():
            file = writer.close()
            columns = {name: np.array([value]) for name, value in file._asdict().items()}
            yield to_batch({"table": np.array([table]), **columns}, STAGED_FILES)

    return write


def staged_by_tasks(files: DataFrame, tables: Sequence[str]) -> dict[str, list[StagedFile]]:
    """Run the tasks of a DataFrame with the process of `in_tasks`; return what they wrote.

    Raises
    ------
    InputError
        If a task met a mirror file that cannot be read.
    """
    staged: dict[str, list[StagedFile]] = {table: [] for table in tables}
    for row in files.collect():
        if row["unreadable"] is not None:
            raise InputError(
                f"mirror.path: {row['unreadable']}: cannot be read; expected a whole Parquet file"
            )
        staged[row["table"]].append(StagedFile(*(row[name] for name in StagedFile._fields)))
    return {table: sorted(some) for table, some in staged.items()}


def staged_by_spark(frame: DataFrame, folder: str) -> list[StagedFile]:
    """Write a small table through Spark; return its files."""
    frame.write.mode("overwrite").parquet(storage.for_spark(folder))
    parts = [f for f in storage.list_files(folder) if f.endswith(".parquet")]
    return [StagedFile(f, storage.parquet_rows(f), *storage.size_and_sha256(f)) for f in parts]


class _Writer:
    """One Parquet file under a name of its own."""

    def __init__(self, folder: str, schema: pa.Schema) -> None:
        storage.make_directory(folder)
        context = TaskContext.get()  # its number keeps the files in the mirror's order
        name = f"{context.partitionId() if context else 0:06d}-{uuid.uuid4().hex}.parquet"
        self._path, self._rows = storage.join(folder, name), 0
        self._waiting: list[pa.RecordBatch] = []
        filesystem, inner = storage.resolve(self._path)
        self._stream = _Hashed(filesystem.open_output_stream(inner, compression=None))
        self._file = pq.ParquetWriter(self._stream, schema, compression="zstd")

    def add(self, rows: pa.RecordBatch) -> None:
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if sum(batch.num_rows for batch in self._waiting) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(pa.Table.from_batches(self._waiting))
        self._waiting = []

    def close(self) -> StagedFile:
        if self._waiting:
            self._flush()
        self._file.close()
        self._stream.close()
        return StagedFile(
            self._path, self._rows, self._stream.bytes, self._stream.sha256.hexdigest()
        )


class _Hashed:
    """An output stream that counts and hashes what goes through it."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream, self.bytes, self.sha256 = stream, 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        self._stream.write(data)
        self.sha256.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def tell(self) -> int:
        return self.bytes

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self.closed = True
