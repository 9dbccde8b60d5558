"""Gaia's source ids, digit by digit: what has lost some on its way is refused."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.errors import InputError

#: Gaia's ids are multiples of this (but for components of multiple sources, which have ids of
#: their own): a double holds all of those below 2⁶⁰, and above it one in 2, 4 and 8.
STEP_BITS = 7
#: Ids are refused if by chance they were as they are less often than once in 2 to this power.
SUSPICIOUS_BITS = 20.0
#: The same for the rows of one cluster, of which a list has thousands.
SUSPICIOUS_BITS_OF_PART = 40.0
#: Digits that Excel keeps.
EXCEL_DIGITS = 15
_INTEGER = re.compile(r"[+-]?[0-9]+")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")


def id_column(table: pd.DataFrame, name: str, path: str, key: str) -> pd.Series:
    """Return a column of Gaia ids as int64.

    Raises
    ------
    InputError
        If a value is missing or no 64-bit integer, or if all have lost digits on their way here.
    """
    column = table[name]
    where = f"{key}: {path}: column {name}"
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0]) + 1
        raise InputError(f"{where}: expected 64-bit integers, row {row} has none")
    if pd.api.types.is_float_dtype(column):
        raise InputError(
            f"{where}: expected 64-bit integers, got floating point, which cannot hold a Gaia id"
        )
    ids = pd.Series(_exact(column, where), index=column.index)
    lost = digits_lost(ids.to_numpy())
    if lost:
        raise InputError(f"{where}: {lost}")
    return ids


def _exact(column: pd.Series, where: str) -> NDArray[np.int64]:
    """Return ids as int64; what none holds does not wrap round but is refused."""
    if pd.api.types.is_signed_integer_dtype(column.dtype):
        ids = column.to_numpy(dtype=np.int64)
        negative = np.flatnonzero(ids < 0)
        if not len(negative):
            return ids
        _refuse(where, int(negative[0]), ids[negative[0]])
    whole = []
    for row, value in enumerate(column):
        text = str(value)
        if isinstance(value, Decimal) and value == value.to_integral_value():
            text = str(int(value))
        if isinstance(value, bool) or not _INTEGER.fullmatch(text) or not 0 <= int(text) < 2**63:
            _refuse(where, row, value)
        whole.append(int(text))
    return np.array(whole, dtype=np.int64)


def _refuse(where: str, row: int, value: object) -> None:
    text = str(value)
    why = " (in scientific notation, which has lost digits)" if _SCIENTIFIC.fullmatch(text) else ""
    raise InputError(f"{where}, row {row + 1}: expected a 64-bit integer, got {text[:60]!r}{why}")


def digits_lost(ids: NDArray[np.int64], suspicious_bits: float = SUSPICIOUS_BITS) -> str:
    """Return what is wrong with ids that have lost digits, "" where nothing says so.

    Of Gaia's ids, which are multiples of 2⁷, a double holds every one below 2⁶⁰, one in two up to
    2⁶¹, one in four up to 2⁶², one in eight above; and one in ten thousand of those with nineteen
    digits has zeros for all beyond the fifteenth. All ids are refused where chance makes as many
    as rarely as once in 2 to the power of `suspicious_bits`.

    Parameters
    ----------
    ids : array of int64
    suspicious_bits : float
    """
    ids = np.unique(ids)
    ids = ids[ids >= 2**53]
    if not len(ids):
        return ""
    magnitude = np.frexp(ids.astype(float))[1] - 1  # of the highest bit; a double holds 53
    digits = np.floor(np.log10(ids.astype(float))).astype(int) + 1
    beyond = np.maximum(digits - EXCEL_DIGITS, 0)
    if (ids % 10**beyond == 0).all() and beyond.sum() * np.log2(10.0) >= suspicious_bits:
        return (
            f"the digits of all {len(ids)} ids beyond the fifteenth are zeros, as Excel makes "
            "them; expected all digits (import the column as text)"
        )
    lost = np.clip(magnitude - 52 - STEP_BITS, 0, None)
    fits = ids % 2 ** np.clip(magnitude - 52, 0, 10) == 0
    if fits.all() and lost.sum() >= suspicious_bits:
        return (
            f"all {len(ids)} ids fit a double exactly, as one in {2 ** round(float(lost.mean()))} "
            "of Gaia's own does: they have lost digits on the way through floating point; expected "
            "64-bit integers throughout"
        )
    return ""


def digits_lost_by_part(ids: NDArray[np.int64], parts: NDArray[np.int64]) -> tuple[int, str] | None:
    """Return the first part of a list whose ids have lost digits, and what is wrong with them.

    Parameters
    ----------
    ids : array of int64
    parts : array of int64
        A key for each id, such as its cluster's.
    """
    order = np.argsort(parts, kind="stable")
    keys, first = np.unique(parts[order], return_index=True)
    for key, own in zip(keys, np.split(ids[order], first[1:]), strict=True):
        lost = digits_lost(own, SUSPICIOUS_BITS_OF_PART)
        if lost:
            return int(key), lost
    return None
