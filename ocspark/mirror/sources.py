"""From a mirror's rows to sources in canonical columns, and why some are not kept (method §1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.mirror.columns import MirrorColumns
from ocspark.tables.fields import struct
from ocspark.tables.run import CONE_COLUMNS
from ocspark.tables.source_columns import BY_NAME, COLOURS
from ocspark.tables.stars import RawStars

_TYPES = to_arrow_schema(struct(CONE_COLUMNS))


def canonical_sources(
    table: pa.Table, columns: MirrorColumns
) -> tuple[RawStars, NDArray[np.int64]]:
    """Return rows of a mirror in canonical columns, and what each lacks.

    Parameters
    ----------
    table : pa.Table
        n rows with the mirror's columns.
    columns : MirrorColumns

    Returns
    -------
    stars : RawStars
        By canonical name, in the types of `CONE_COLUMNS`; missing values are NaN, of whole
        numbers 0.
    lost : array of int64, shape (n,)
        0 for a source that is kept; else a bit for each of `columns.reasons` that holds.
    """
    lost = np.zeros(table.num_rows, dtype=np.int64)
    bits = {reason: np.int64(1) << bit for bit, reason in enumerate(columns.reasons)}
    values = {}
    for name, column in columns.names.items():
        values[name], missing = _canonical(name, table.column(column))
        if name in columns.optional:
            continue
        if missing is not None:
            lost[missing] |= bits[f"{name} is missing"]
        if BY_NAME[name].demand == "positive":
            bad = ~(values[name] > 0)
            if missing is not None:
                bad &= ~missing
            lost[bad] |= bits[f"{name} is not positive"]
    if set(COLOURS) <= columns.names.keys():
        missing = np.isnan(values[COLOURS[0]]) & np.isnan(values[COLOURS[1]])
        lost[missing] |= bits[f"{' and '.join(COLOURS)} are missing"]
    return RawStars(values), lost


def _canonical(name: str, column: pa.ChunkedArray) -> tuple[NDArray, NDArray[np.bool_] | None]:
    """Return a column in its canonical type, and where it has no value (None: nowhere)."""
    floating = pa.types.is_floating(column.type)
    missing = None
    if column.null_count:
        missing = ~column.is_valid().to_numpy()
        column = column.fill_null(float("nan") if floating else 0)
    values = column.to_numpy()
    if floating:
        missing = np.isnan(values)
        if not missing.any():
            missing = None
    kind = _TYPES.field(name).type
    if missing is not None and pa.types.is_integer(kind):
        values = np.where(missing, 0, values)
    elif missing is not None and not floating:
        values = np.where(missing, np.nan, values)  # whole numbers where others have fractions
    return np.asarray(values.astype(kind.to_pandas_dtype())), missing


def kept_sources(
    batch: pa.RecordBatch, columns: MirrorColumns, also: Sequence[str] = ()
) -> pa.RecordBatch:
    """Return the kept sources of rows from `read_rows`, and some of the other columns with them."""
    stars, lost = canonical_sources(pa.Table.from_batches([batch]), columns.canonical())
    arrays = {name: pa.array(column) for name, column in stars.columns.items()}
    arrays |= {name: batch.column(name) for name in also}
    return pa.RecordBatch.from_pydict(arrays).filter(pa.array(lost == 0))
