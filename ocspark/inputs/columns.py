"""Columns of a table that was read, by canonical name: chosen, as names, as numbers in a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.units import to_unit

#: A unit at the end of a column's name; [Fe/H] is none.
_UNIT_IN_NAME = re.compile(r".\[(?![A-Z][a-z]?/H\])([^\[\]]+)\]$")
#: What errors call the choice of columns, where it is not a setting of the same section.
_CHOICES = {
    **dict.fromkeys(("--members", "--clusters"), "--columns"),
    **dict.fromkeys(("--input", "--fill"), "MAP"),
    "table": "columns",
}
#: Columns of a file that an error names.
_SHOWN = 40


def canonical_columns(
    table: pd.DataFrame,
    column_map: Mapping[str, str],
    wanted: Sequence[str],
    path: str,
    key: str,
    optional: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the `wanted` columns of `table`, and the `optional` ones it has, by canonical name.

    `column_map` gives the file's name for a canonical one; a column it does not mention is
    expected under its canonical name. Letter case does not matter where just one column differs
    by it alone from a wanted one, as in archives' SOURCE_ID. A unit in brackets at the end of a
    column's name, as in ``Dist_[kpc]``, is its unit if the file gives no other.

    Raises
    ------
    InputError
        If columns are missing, naming all of them, or one is there twice, or `column_map` has a
        name that is not canonical.
    """
    setting = columns_setting(key)
    unknown = sorted(set(column_map) - {*wanted, *optional})
    if unknown:
        known = ", ".join([*wanted, *optional])
        raise InputError(f"{setting}: unknown name {unknown[0]}; expected {known}")
    picked, units, missing = {}, {}, []
    for name in [*wanted, *optional]:
        source = column_map.get(name, name)
        if name in wanted and source not in table.columns:
            alike = [c for c in table.columns if str(c).lower() == source.lower()]
            source = alike[0] if len(alike) == 1 else source
        if (table.columns == source).sum() > 1:
            raise InputError(f"{key}: {path}: column {source} is there twice; expected it once")
        if source in table.columns:
            picked[name] = table[source]
            in_brackets = _UNIT_IN_NAME.search(str(source))
            units[name] = table.attrs.get("units", {}).get(source, "") or (
                in_brackets[1] if in_brackets else ""
            )
        elif name in wanted or name in column_map:
            missing.append(source if source == name else f"{source} ({setting}: {name})")
    if missing:
        raise InputError(f"{key}: {path}: {missing_columns(missing, list(table.columns))}")
    canonical = pd.DataFrame(picked)
    canonical.attrs["units"] = units
    return canonical


def columns_setting(key: str) -> str:
    """Return what errors call the choice of columns of a table, named by setting or option."""
    return _CHOICES.get(key, f"{key}.columns")


def missing_columns(missing: Sequence[str], there: Sequence[str]) -> str:
    """Return the part of an error line that names missing columns, and those that are there."""
    shown = [str(name) for name in there[:_SHOWN]] + (["…"] if len(there) > _SHOWN else [])
    which = f"column {missing[0]} is" if len(missing) == 1 else f"columns {', '.join(missing)} are"
    return f"{which} missing; the file has {', '.join(shown)}"


def name_column(table: pd.DataFrame, name: str, path: str, key: str) -> pd.Series:
    """Return a column of names as texts.

    Raises
    ------
    InputError
        If a row has none.
    """
    column = table[name]
    texts = column.astype(str).str.strip()
    blank = column.isna() | (texts == "")
    if blank.any():
        row = int(np.flatnonzero(blank)[0]) + 1
        raise InputError(f"{key}: {path}: column {name}, row {row}: expected a name, got nothing")
    return texts


def numeric_column(
    table: pd.DataFrame, name: str, path: str, key: str, unit: str = ""
) -> pd.Series:
    """Return a column as float64 with NaN for blanks, converted to `unit` from the file's.

    Raises
    ------
    InputError
        If a value is neither a number nor blank, or is infinite, or the file gives a unit that is
        not known or of another kind.
    """
    column = table[name]
    if column.dtype == object:
        column = column.replace("", np.nan)
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    if column.dtype == object:  # to_numeric may miss the nearest double to a text
        told = numbers.notna()
        numbers.loc[told] = np.array([float(value) for value in column[told]])
    bad = (
        numbers.isna()
        & column.notna()
        & ~column.astype(str).str.lower().isin(["nan", "null", "none", "--"])
    )
    bad |= np.isinf(numbers)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{key}: {path}: column {name}, row {row + 1}: expected a number, "
            f"got {column.iloc[row]!r}"
        )
    given = table.attrs.get("units", {}).get(name, "")
    try:
        return pd.Series(to_unit(numbers.to_numpy(), given, unit), index=numbers.index)
    except ValueError as error:
        raise InputError(f"{key}: {path}: column {name} {error}") from None
