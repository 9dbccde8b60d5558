"""Write Parquet files in tasks, each under its own name, with checksum and rows by cluster.

A name is never written twice, so a retried or speculative attempt cannot mix with another; a file
counts only once a manifest lists it.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.errors import OutputError
from ocspark.names import cluster_key

#: Rows gathered before they are written as a row group.
_ROW_GROUP = 100_000


@dataclass(frozen=True)
class TableFile:
    """A file of a table, as its writer left it.

    Attributes
    ----------
    name : str
        Its path below the folder: ``table/file.parquet``.
    rows, bytes : int
    sha256 : str
        Of its content, in hexadecimal digits.
    clusters : dict, optional
        Rows by cluster_key, so that one cluster's file is found without opening others; None
        where the table has no column of clusters.
    counts : dict
        Other numbers about the rows, such as members at some probability.
    device : str, optional
        Device that evaluated the network.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    clusters: dict[int, int] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    device: str | None = None

    @property
    def table(self) -> str:
        """Return the name of its table."""
        return self.name.split("/")[0]

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes; a key without a value is left out."""
        return {key: value for key, value in asdict(self).items() if value not in (None, {})} | (
            {} if self.clusters is None else {"clusters": self.clusters}
        )

    @staticmethod
    def from_json(tree: Mapping[str, Any]) -> TableFile:
        """Return the file that `as_json` described."""
        clusters = tree.get("clusters")
        known = None if clusters is None else {int(key): n for key, n in clusters.items()}
        return TableFile(**{**tree, "clusters": known})


def cluster_column(schema: pa.Schema) -> str | None:
    """Return the column of a table that names a row's cluster, None if there is none."""
    return next((name for name in ("cluster_key", "cluster") if name in schema.names), None)


def count_clusters(column: pa.ChunkedArray | pa.Array) -> dict[int, int]:
    """Return the rows of each cluster, by its key, of a column of keys or of names."""
    counts: Counter[int] = Counter()
    for entry in pc.value_counts(column).to_pylist():
        value = entry["values"]
        counts[cluster_key(value) if isinstance(value, str) else value] += entry["counts"]
    return dict(counts)


def rows_of_clusters(batch: pa.RecordBatch | pa.Table, keys: frozenset[int]) -> Any:
    """Return the rows of some clusters, by key, of a batch or table."""
    column = batch.column(cluster_column(batch.schema))
    values = [
        value
        for value in pc.unique(column).to_pylist()
        if (cluster_key(value) if isinstance(value, str) else value) in keys
    ]
    return batch.filter(pc.is_in(column, pa.array(values, column.type)))


class FileWriter:
    """One Parquet file of a table.

    Parameters
    ----------
    root : str
        Folder of the tables.
    table : str
    name : str
        Begins the file's name; a random part is added.
    schema : pyarrow.Schema
        With ``device`` in its metadata where a network was evaluated.

    Raises
    ------
    OutputError
        If there is no room for it, now or later.
    OSError
        If it cannot be written for another reason.
    """

    def __init__(self, root: str, table: str, name: str, schema: pa.Schema) -> None:
        self._name = f"{table}/{name}-{uuid4().hex[:12]}.parquet"
        self._path = storage.join(root, self._name)
        self._rows, self._column = 0, cluster_column(schema)
        self._device = (schema.metadata or {}).get(b"device", b"").decode() or None
        self._clusters: Counter[int] = Counter()
        self._waiting: list[pa.RecordBatch] = []
        with telling_full_disk(self._path):
            storage.make_directory(storage.join(root, table))
            filesystem, inner = storage.resolve(self._path)
            self._stream = HashedStream(filesystem.open_output_stream(inner, compression=None))
            self._file = pq.ParquetWriter(self._stream, schema, compression="zstd")

    def add(self, rows: pa.RecordBatch) -> None:
        """Add rows; they are written when there are enough for a row group."""
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

    def close(self, counts: Mapping[str, int] | None = None) -> TableFile:
        """Write the rest; return the description of the file."""
        if self._waiting:
            self._flush()
        with self._written():
            self._file.close()
            self._stream.close()
        return TableFile(
            self._name,
            self._rows,
            self._stream.bytes,
            self._stream.sha256.hexdigest(),
            dict(self._clusters) if self._column else None,
            dict(counts or {}),
            self._device,
        )

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            with telling_full_disk(self._path):
                yield
        except (OSError, OutputError):
            self._file.is_open = False  # or it would try again when it is thrown away
            raise

    def discard(self) -> None:
        """Remove what has been written, if the storage lets us."""
        self._file.is_open = False
        storage.remove_quietly(self._path)


class TableWriters:
    """The files of one task: one in each table that gets rows.

    Parameters
    ----------
    root : str
        Folder of the tables.
    name : str
        Begins the files' names.
    """

    def __init__(self, root: str, name: str) -> None:
        self._root, self._name = root, name
        self._open: dict[str, FileWriter] = {}
        self._closed: list[TableFile] = []

    def add(self, table: str, rows: pa.RecordBatch) -> None:
        """Add rows to the task's file of a table."""
        if rows.num_rows:
            if table not in self._open:
                self._open[table] = FileWriter(self._root, table, self._name, rows.schema)
            self._open[table].add(rows)

    def write(
        self, table: str, name: str, rows: pa.Table, counts: Mapping[str, int] | None = None
    ) -> None:
        """Write a whole file, named after `name`, with other numbers about its rows."""
        writer = FileWriter(self._root, table, name, rows.schema)
        for batch in rows.to_batches(max_chunksize=_ROW_GROUP):
            writer.add(batch)
        self._closed.append(writer.close(counts))

    def copy(self, file: TableFile, source: str) -> None:
        """Copy a file from below another folder.

        Raises
        ------
        DamagedFile
            If it is not as its writer left it.
        """
        stem = file.name.split("/")[1].rsplit("-", 1)[0]
        name = f"{file.table}/{stem}-{uuid4().hex[:12]}.parquet"
        target, path = storage.join(self._root, name), storage.join(source, file.name)
        with telling_full_disk(target):
            storage.make_directory(storage.join(self._root, file.table))
            filesystem, inner = storage.resolve(target)
            stream = HashedStream(filesystem.open_output_stream(inner, compression=None))
            for chunk in storage.chunks(path):
                stream.write(chunk)
            stream.close()
        if (stream.bytes, stream.sha256.hexdigest()) != (file.bytes, file.sha256):
            storage.remove_quietly(target)
            raise DamagedFile(file.name)
        self._closed.append(TableFile(**{**vars(file), "name": name}))

    def close(self) -> list[TableFile]:
        """Finish all files; return their descriptions."""
        self._closed += [writer.close() for writer in self._open.values()]
        self._open = {}
        return self._closed

    def discard(self) -> None:
        """Remove what has been written: the task failed."""
        for writer in self._open.values():
            writer.discard()
        for file in self._closed:
            storage.remove_quietly(storage.join(self._root, file.name))


class DamagedFile(Exception):
    """A file that has changed since it was written; the message is its name."""


#: In messages of a full disk, a quota or a limit on files, of Python, Arrow and Spark's JVM alike.
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


@contextmanager
def telling_full_disk(place: str) -> Iterator[None]:
    """Turn an error of the block that means "no room" into an `OutputError` that names `place`."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        for words in _FULL:
            if words in str(error):
                raise OutputError(
                    f"output: {place}: {words}; make room, and the same command goes on"
                ) from error
        raise


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
