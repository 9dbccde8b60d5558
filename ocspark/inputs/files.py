"""Read one small table (clusters, members) of any of the field's formats into pandas."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ocspark.errors import InputError

#: Suffix to astropy's name of the format.
ASTROPY_FORMATS = {
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".votable": "votable",
}


def read_table(path: str | os.PathLike[str], key: str) -> pd.DataFrame:
    """Read a table file into pandas, blank-padded strings stripped.

    Parameters
    ----------
    path : path
        CSV, Parquet (file or directory), ECSV, FITS or VOTable; ``.gz`` is understood.
    key : str
        The setting that named the file, for the error line.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, or cannot be read.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"{key}: {file}: no such file; expected a table of {_kinds()}")
    suffixes = [s.lower() for s in file.suffixes if s.lower() not in (".gz", ".bz2")]
    suffix = suffixes[-1] if suffixes else ""
    try:
        if suffix in (".parquet", ".pq") or file.is_dir():
            table = pd.read_parquet(file)
        elif suffix in (".csv", ".txt"):
            table = pd.read_csv(file, comment="#", skipinitialspace=True)
        elif suffix in ASTROPY_FORMATS:
            table = _read_astropy(file, ASTROPY_FORMATS[suffix])
        else:
            raise InputError(f"{key}: {file}: unknown kind of file; expected {_kinds()}")
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{key}: {file}: cannot be read as {suffix or 'a table'}: {error}"
        ) from None
    for column in table.columns:
        if table[column].dtype == object:
            table[column] = table[column].map(_clean)
    return table


def _kinds() -> str:
    return "CSV, Parquet, ECSV, FITS or VOTable"


def _clean(value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip() if isinstance(value, str) else value


def _read_astropy(file: Path, kind: str) -> pd.DataFrame:
    from astropy.table import Table

    table = Table.read(file, format=kind)
    flat = [name for name in table.colnames if len(table[name].shape) <= 1]
    return table[flat].to_pandas()


def canonical_columns(
    table: pd.DataFrame,
    column_map: Mapping[str, str],
    wanted: Sequence[str],
    path: str,
    key: str,
) -> pd.DataFrame:
    """Return the `wanted` columns of `table` under their canonical names.

    `column_map` gives the file's name for a canonical one; a column it does not mention is
    expected under its canonical name.

    Raises
    ------
    InputError
        If a column is missing, or `column_map` has a name that is not canonical.
    """
    unknown = sorted(set(column_map) - set(wanted))
    if unknown:
        raise InputError(f"{key}.columns: unknown name {unknown[0]}; expected {', '.join(wanted)}")
    picked = {}
    for name in wanted:
        source = column_map.get(name, name)
        if source not in table.columns:
            raise InputError(
                f"{key}: {path}: column {source} is missing (wanted as {name}); "
                f"the file has {', '.join(map(str, table.columns[:40]))}"
            )
        picked[name] = table[source]
    return pd.DataFrame(picked)


def numeric_column(table: pd.DataFrame, name: str, path: str, key: str) -> pd.Series:
    """Return a column as float64 with NaN for blanks.

    Raises
    ------
    InputError
        If a value is neither a number nor blank, or is infinite.
    """
    column = table[name]
    if column.dtype == object:
        column = column.replace("", np.nan)
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
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
    return numbers
