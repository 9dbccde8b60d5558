"""Between Arrow record batches and columns of numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_type

from ocspark.tables.fields import Field


def columns_of(batch: pa.RecordBatch, names: Iterable[str]) -> dict[str, NDArray]:
    """Return columns of a record batch as numpy arrays."""
    return {name: batch.column(name).to_numpy(zero_copy_only=False) for name in names}


def to_batch(columns: Mapping[str, NDArray], fields: list[Field]) -> pa.RecordBatch:
    """Return a record batch of the table `fields`; a column that is not given is null."""
    length = len(next(iter(columns.values())))
    arrays, names = [], []
    for field in fields:
        kind = to_arrow_type(field.type)
        given = columns.get(field.name)
        arrays.append(pa.nulls(length, kind) if given is None else pa.array(given, kind))
        names.append(field.name)
    return pa.RecordBatch.from_arrays(arrays, names)
