"""Convert between Arrow record batches and columns of numpy arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_type

from ocspark.tables.fields import Field
from ocspark.tables.stars import Stars

_Known = TypeVar("_Known")
_Stars = TypeVar("_Stars", bound=Stars)


def columns_of(batch: pa.RecordBatch, names: Iterable[str]) -> dict[str, NDArray]:
    """Return columns of a record batch as numpy arrays."""
    return {name: batch.column(name).to_numpy(zero_copy_only=False) for name in names}


def to_batch(
    columns: Mapping[str, NDArray], fields: Sequence[Field], absent: Collection[str] = ()
) -> pa.RecordBatch:
    """Return columns as a record batch of the table `fields`.

    Parameters
    ----------
    columns : mapping of arrays, each shape (n,)
        Columns by name.
    fields : sequence of Field
        Columns of the table.
    absent : collection of str
        Columns of the table that may be missing from `columns`; they are null then.

    Raises
    ------
    ValueError
        If another column is missing, or the table does not have a given one.
    """
    names = [field.name for field in fields]
    missing = [name for name in names if name not in columns and name not in absent]
    unknown = [name for name in columns if name not in names]
    if missing or unknown:
        raise ValueError(f"columns missing: {missing}; not of this table: {unknown}")
    length = len(next(iter(columns.values())))
    arrays = []
    for field in fields:
        kind = to_arrow_type(field.type)
        given = columns.get(field.name)
        arrays.append(pa.nulls(length, kind) if given is None else pa.array(given, kind))
    return pa.RecordBatch.from_arrays(arrays, names)


def apply_masks(table: pa.Table) -> pa.Table:
    """Return a table with nulls where a column ``NAME.mask`` is true, which astropy writes."""
    for mask in table.column_names:
        name = mask.removesuffix(".mask")
        if mask == name or name not in table.column_names or table[mask].type != pa.bool_():
            continue
        number = table.schema.get_field_index(name)
        values = pc.if_else(table[mask], pa.scalar(None, table[name].type), table[name])
        table = table.set_column(number, table.schema.field(number), values).drop_columns(mask)
    return table


def stars_of_batch(batch: pa.RecordBatch, kind: type[_Stars]) -> _Stars:
    """Return the rows of a record batch as stars of a kind."""
    return kind(columns_of(batch, batch.schema.names))


def stars_to_batch(
    stars: Stars, fields: Sequence[Field], absent: Collection[str] = ()
) -> pa.RecordBatch:
    """Return stars as a record batch of the table `fields`, which need not have all columns.

    Parameters
    ----------
    stars : Stars
        Any kind.
    fields : sequence of Field
        Columns of the table.
    absent : collection of str
        Those of them that the stars may lack; they are null.

    Raises
    ------
    ValueError
        If the stars lack another column of the table.
    """
    names = {field.name for field in fields}
    some = {name: column for name, column in stars.columns.items() if name in names}
    return to_batch(some, fields, absent)


def split_by_key(batch: pa.RecordBatch, kind: type[_Stars]) -> Iterator[tuple[int, _Stars]]:
    """Yield each cluster_key of a batch with its rows, in the order of the keys.

    Parameters
    ----------
    batch : RecordBatch
        Rows of stars, with a column cluster_key.
    kind : type
        `RawStars` or `CalibratedStars`, as the rows are, or `Stars` where it does not matter.
    """
    stars = stars_of_batch(batch, kind)
    keys = stars["cluster_key"]
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    for rows in np.split(order, edges):
        if len(rows):
            yield int(keys[rows[0]]), stars.take(rows)


def split_by_cluster(
    batch: pa.RecordBatch, known: Mapping[int, _Known], kind: type[_Stars]
) -> Iterator[tuple[_Known, _Stars]]:
    """Yield for each cluster_key of a batch what is known of it, with its rows.

    Parameters
    ----------
    batch, kind
        As `split_by_key` takes them.
    known : mapping
        By cluster_key; rows of other keys are left out.
    """
    for key, stars in split_by_key(batch, kind):
        if key in known:
            yield known[key], stars
