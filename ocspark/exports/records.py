"""Pack record batches into fixed-length big-endian rows, for FITS and VOTable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import types as T

from ocspark.tables.fields import Field

#: FITS code, VOTable datatype and numpy type of each numeric type.
_NUMBERS: dict[T.DataType, tuple[str, str, str]] = {
    T.LongType(): ("K", "long", ">i8"),
    T.IntegerType(): ("J", "int", ">i4"),
    T.ShortType(): ("I", "short", ">i2"),
    T.ByteType(): ("I", "short", ">i2"),  # bytes are unsigned in both formats
    T.DoubleType(): ("D", "double", ">f8"),
    T.FloatType(): ("E", "float", ">f4"),
}
TEXT, BOOLEAN = T.StringType(), T.BooleanType()


class Packed(NamedTuple):
    """A packed column.

    Attributes
    ----------
    name : str
        Name of the column.
    fits, votable, numpy : str
        FITS code, VOTable datatype and numpy type.
    null : int or None
        Value of a missing integer or boolean.
    wide : bool
        Whether texts are UTF-16.
    """

    name: str
    fits: str
    votable: str
    numpy: str
    null: int | None
    wide: bool = False


def packed_column(field: Field, width: int, null: int | None, wide: bool = False) -> Packed:
    """Return the packed column of a field.

    Parameters
    ----------
    field : Field
        The field.
    width : int
        Largest length of a text [characters].
    null : int or None
        Value of a missing integer, by default the lowest of its type.
    wide : bool
        Whether texts are UTF-16.
    """
    if field.type == TEXT:
        n_bytes = 2 * width if wide else width
        return Packed(
            field.name, f"{width}A", "unicodeChar" if wide else "char", f"S{n_bytes}", None, wide
        )
    if field.type == BOOLEAN:
        return Packed(field.name, "L", "boolean", "u1", null if null is not None else 0)
    fits, votable, kind = _NUMBERS[field.type]
    if kind[1] == "i" and null is None:
        null = int(np.iinfo(kind).min)
    return Packed(field.name, fits, votable, kind, null)


def rows_of(batch: pa.RecordBatch, columns: Sequence[Packed]) -> NDArray[np.void]:
    """Return a batch as an array of packed rows, shape (rows,)."""
    rows = np.zeros(batch.num_rows, dtype=[(c.name, c.numpy) for c in columns])
    for column in columns:
        rows[column.name] = _values(batch[column.name], column)
    return rows


def _values(values: pa.Array, column: Packed) -> NDArray:
    """Return the packed values of a column."""
    if pa.types.is_string(values.type):
        return _texts(values, int(column.numpy[1:]), column.wide)
    if pa.types.is_boolean(values.type):
        truth = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
        letters = np.where(truth, ord("T"), ord("F")).astype(np.uint8)
        letters[pc.is_null(values).to_numpy(zero_copy_only=False)] = column.null or 0
        return letters
    if column.null is not None:
        values = pc.fill_null(values, column.null)
    return np.asarray(values.to_numpy(zero_copy_only=False))  # a missing float becomes NaN


def _texts(values: pa.Array, n_bytes: int, wide: bool) -> NDArray[np.bytes_]:
    """Return texts as bytes of a fixed length."""
    coded = values.dictionary_encode()  # each distinct name is encoded once
    words = [
        (word or "").encode("utf-16-be" if wide else "utf-8")
        for word in coded.dictionary.to_pylist()
    ]
    table = np.array([*words, b""], dtype=f"S{n_bytes}")
    places = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    return table[places]
