"""A file on its way into a table: written beside, with size, checksum and rows by cluster."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.names import cluster_key

#: Rows gathered before they are written as a row group.
_ROW_GROUP = 100_000


class StagedFile(NamedTuple):
    """A file written, not yet landed.

    `clusters` has its rows by cluster_key (as text), so that one cluster's can be told from the
    others' without reading; None where the table knows no clusters. `device` evaluated the network.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    clusters: Mapping[str, int] | None = None
    device: str | None = None


class UnwritableFile(Exception):
    """A file that a task could not write: its path and the reason."""


def cluster_column(schema: pa.Schema) -> str | None:
    """Return the column that tells a table's rows of one cluster from another's, if it has one."""
    return next((name for name in ("cluster_key", "cluster") if name in schema.names), None)


def count_clusters(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """Return the rows of each cluster, by its key as text, of a column of keys or of names."""
    counts: Counter[str] = Counter()
    for entry in pc.value_counts(column).to_pylist():
        value = entry["values"]
        counts[str(cluster_key(value) if isinstance(value, str) else value)] += entry["counts"]
    return dict(counts)


class FileWriter:
    """One Parquet file under a name of its own.

    Parameters
    ----------
    folder : str
    schema : pyarrow.Schema
        With ``device`` in its metadata where a network was evaluated.
    number : int
        Files are landed in this order.

    Raises
    ------
    UnwritableFile
        If it cannot be written, now or later.
    """

    def __init__(self, folder: str, schema: pa.Schema, number: int) -> None:
        self._path = storage.join(folder, f"{number:06d}-{uuid.uuid4().hex}.parquet")
        self._rows, self._column = 0, cluster_column(schema)
        self._device = (schema.metadata or {}).get(b"device", b"").decode() or None
        self._clusters: Counter[str] = Counter()
        self._waiting: list[pa.RecordBatch] = []
        with naming_unwritable(self._path):
            storage.make_directory(folder)
            filesystem, inner = storage.resolve(self._path)
            self._stream = HashedStream(filesystem.open_output_stream(inner, compression=None))
            self._file = pq.ParquetWriter(self._stream, schema, compression="zstd")

    def add(self, rows: pa.RecordBatch) -> None:
        """Take rows; they are written when there are enough for a row group."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if self._column:
            self._clusters.update(count_clusters(rows.column(self._column)))
        if sum(batch.num_rows for batch in self._waiting) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        with self._written():
            self._file.write_table(pa.Table.from_batches(self._waiting))
        self._waiting = []

    def close(self) -> StagedFile:
        """Write the rest; return what the file is."""
        if self._waiting:
            self._flush()
        with self._written():
            self._file.close()
            self._stream.close()
        clusters = dict(self._clusters) if self._column else None
        size, digest = self._stream.bytes, self._stream.sha256.hexdigest()
        return StagedFile(self._path, self._rows, size, digest, clusters, self._device)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            with naming_unwritable(self._path):
                yield
        except UnwritableFile:
            self._file.is_open = False  # or it would try again when it is thrown away
            raise


@contextmanager
def naming_unwritable(path: str) -> Iterator[None]:
    """Turn an OSError of the block into an `UnwritableFile` that names the path."""
    try:
        yield
    except OSError as error:
        raise UnwritableFile(f"{path}: cannot be written: {error}") from error


class HashedStream(io.RawIOBase):
    """An output stream that counts and hashes what goes through it."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.bytes, self.sha256 = stream, 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        """Write, count and hash."""
        self._stream.write(data)
        self.sha256.update(data)
        self.bytes += len(data)
        return len(data)

    def tell(self) -> int:
        """Return the bytes written."""
        return self.bytes

    def writable(self) -> bool:
        """Say that it is for writing."""
        return True

    def close(self) -> None:
        """Close the stream beneath."""
        if not self.closed:
            super().close()
            self._stream.close()
