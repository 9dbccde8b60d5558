"""Rows set aside in local files by bucket, to be taken up a bucket at a time."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Rows of a bucket, about: what is held in memory at once.
BUCKET_ROWS = 100_000


class Buckets:
    """Files of rows, one per bucket.

    Parameters
    ----------
    folder : str
        An empty local folder.
    schema : pa.Schema
        Of the rows.
    """

    def __init__(self, folder: str, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._waiting: dict[int, list[pa.RecordBatch]] = {}
        self._rows = 0

    def add(self, batch: pa.RecordBatch, bucket: NDArray[np.integer]) -> None:
        """Set rows aside, each in its bucket, shape (rows,)."""
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
        """Return a bucket's rows, in the order they came."""
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
        # a whole stream each time, so that no file stays open however many buckets there are
        for number, parts in self._waiting.items():
            with (
                open(self._path(number), "ab") as file,
                pa.ipc.new_stream(file, self._schema) as writer,
            ):
                writer.write_table(pa.Table.from_batches(parts).combine_chunks())
        self._waiting, self._rows = {}, 0
