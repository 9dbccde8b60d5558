"""Sort rows into buckets in local files, which are read back one bucket at a time."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Approximate number of rows of a bucket, and of the rows in memory at once.
BUCKET_ROWS = 100_000


class Buckets:
    """Files of rows, one per bucket.

    Parameters
    ----------
    folder : str
        An empty local folder.
    schema : pa.Schema
        Schema of the rows.
    """

    def __init__(self, folder: str, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._waiting: dict[int, list[pa.RecordBatch]] = {}
        self._rows = 0

    def add(self, batch: pa.RecordBatch, bucket: NDArray[np.integer]) -> None:
        """Add rows to buckets, given the number of each row's bucket, shape (rows,)."""
        order = np.argsort(bucket, kind="stable")
        rows, sorted_ = batch.take(pa.array(order)), bucket[order]
        numbers, starts = np.unique(sorted_, return_index=True)
        for number, start, end in zip(numbers, starts, [*starts[1:], len(order)], strict=True):
            part = rows.slice(start, end - start)
            self._waiting.setdefault(int(number), []).append(part)
        self._rows += batch.num_rows
        if self._rows >= BUCKET_ROWS:
            self._flush()

    def read(self, bucket: int) -> pa.Table:
        """Return the rows of a bucket in the order they were added, and delete its file."""
        self._flush()
        parts = []
        path = self._path(bucket)
        if os.path.exists(path):
            with pa.OSFile(path) as file:
                while file.tell() < file.size():
                    parts += list(pa.ipc.open_stream(file))
            os.remove(path)
        return pa.Table.from_batches(parts, schema=self._schema)

    def _path(self, bucket: int) -> str:
        return os.path.join(self._folder, f"{bucket}.arrows")

    def _flush(self) -> None:
        """Append waiting rows to the files of their buckets."""
        # a complete stream each time, so that no file stays open for any number of buckets
        for number, parts in self._waiting.items():
            with (
                open(self._path(number), "ab") as file,
                pa.ipc.new_stream(file, self._schema) as writer,
            ):
                writer.write_table(pa.Table.from_batches(parts).combine_chunks())
        self._waiting, self._rows = {}, 0
