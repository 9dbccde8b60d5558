"""Read one small table (clusters, members) of any of the field's formats into pandas."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.errors import InputError
from ocspark.session import get_session
from ocspark.units import to_unit, units_of_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: What a path starts with that names a table of the Spark session.
TABLE_PREFIX = "table:"

#: Suffix to astropy's name of the format.
ASTROPY_FORMATS = {
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".votable": "votable",
}


def is_spark_table(path: str) -> bool:
    """Whether a path names a table of the Spark session."""
    return path.startswith(TABLE_PREFIX)


def is_parquet(path: str) -> bool:
    """Whether the name of a file says that it is Parquet."""
    return path.endswith((".parquet", ".pq"))


def read_content(path: str) -> bytes:
    """Return a file's content, unpacked where its name ends in ``.gz`` or ``.bz2``."""
    content = storage.read_bytes(path)
    unpack = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(PurePath(path).suffix.lower())
    return unpack(content) if unpack else content


def read_table(path: str | os.PathLike[str], key: str) -> pd.DataFrame:
    """Read a small table into pandas, blank-padded strings stripped.

    Parameters
    ----------
    path : path
        CSV, Parquet (file or directory), ECSV, FITS or VOTable, also with ``.gz`` or ``.bz2``;
        or ``table:NAME``, a table that the Spark session knows.
    key : str
        The setting that named the file, for the error line.

    Returns
    -------
    DataFrame
        ``attrs["units"]`` has the units that the file gives, by column.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, or cannot be read.
    """
    path = os.fspath(path)
    if is_spark_table(path):
        table = read_spark_table(path, key)
    else:
        table = _read_file(path, key)
    for column in table.columns:
        if table[column].dtype == object:
            table[column] = table[column].map(_clean)
    return table


def _read_file(path: str, key: str) -> pd.DataFrame:
    if not storage.exists(path):
        raise InputError(f"{key}: {path}: no such file; expected a table of {_kinds()}")
    suffixes = [s.lower() for s in PurePath(path).suffixes if s.lower() not in (".gz", ".bz2")]
    suffix = suffixes[-1] if suffixes else ""
    try:
        if storage.is_directory(path):
            filesystem, inner = storage.resolve(path)
            return _with_units(pq.read_table(inner, filesystem=filesystem))
        if suffix in (".parquet", ".pq"):
            return _with_units(pq.read_table(io.BytesIO(read_content(path))))
        if suffix in (".csv", ".txt"):
            return _read_csv(read_content(path))
        if suffix in ASTROPY_FORMATS:
            return _read_astropy(read_content(path), ASTROPY_FORMATS[suffix])
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InputError(
            f"{key}: {path}: cannot be read as a {suffix.lstrip('.') or 'Parquet'} table (damaged "
            f"or cut short?): {reason}"
        ) from None
    raise InputError(f"{key}: {path}: unknown kind of file; expected {_kinds()}")


def _with_units(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    frame.attrs["units"] = units_of_schema(table.schema)
    return frame


def _kinds() -> str:
    return "CSV, Parquet, ECSV, FITS or VOTable"


def _clean(value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip() if isinstance(value, str) else value


def _read_csv(content: bytes) -> pd.DataFrame:
    """Read CSV; a row longer than the header, or a last one cut short, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        source = io.BytesIO(content)
        table = pd.read_csv(source, comment="#", skipinitialspace=True, index_col=False)
    if not content.endswith((b"\n", b"\r")):
        line = content.decode().splitlines()[-1]
        last = next(csv.reader([line]))
        if len(last) < len(table.columns) and not line.startswith("#"):
            raise ValueError(f"the last row has {len(last)} of {len(table.columns)} columns")
    return table


def _read_astropy(content: bytes, kind: str) -> pd.DataFrame:
    from astropy.table import Table

    # lines, since a text might be taken for the name of a file or an address
    text = kind.startswith("ascii")
    source = content.decode().splitlines() if text else io.BytesIO(content)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="File may have been truncated")
        # VizieR's ids are its names with what no XML id may hold replaced: pmRA* is pmRA_
        named = {"use_names_over_ids": True} if kind == "votable" else {}
        table = Table.read(source, format=kind, **named)
    flat = [name for name in table.colnames if len(table[name].shape) <= 1]
    frame = table[flat].to_pandas()
    frame.attrs["units"] = {n: str(table[n].unit) for n in flat if table[n].unit}
    return frame


def read_spark_table(
    path: str, key: str, narrow: Callable[[DataFrame], DataFrame] | None = None
) -> pd.DataFrame:
    """Read a Spark table, as `narrow` leaves it; integers with nulls stay exact, as objects.

    Raises
    ------
    InputError
        If the session knows no such table, or cannot read it.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession() or get_session("ocspark")
    try:
        table = spark.table(path.removeprefix(TABLE_PREFIX))
        rows = (narrow(table) if narrow else table).toArrow()
        units = {f.name: f.metadata["unit"] for f in table.schema if f.metadata.get("unit")}
    except PySparkException as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{key}: {path}: no table that this Spark session can read: {reason}"
        ) from None
    frame = rows.to_pandas(integer_object_nulls=True)
    frame.attrs["units"] = units
    return frame


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
    expected under its canonical name.

    Raises
    ------
    InputError
        If a column is missing, or `column_map` has a name that is not canonical.
    """
    unknown = sorted(set(column_map) - {*wanted, *optional})
    if unknown:
        raise InputError(
            f"{key}.columns: unknown name {unknown[0]}; expected {', '.join([*wanted, *optional])}"
        )
    picked, units = {}, {}
    for name in [*wanted, *optional]:
        source = column_map.get(name, name)
        if source not in table.columns:
            if name in optional and name not in column_map:
                continue
            raise InputError(
                f"{key}: {path}: column {source} is missing (wanted as {name}); "
                f"the file has {', '.join(map(str, table.columns[:40]))}"
            )
        picked[name] = table[source]
        units[name] = table.attrs.get("units", {}).get(source, "")
    canonical = pd.DataFrame(picked)
    canonical.attrs["units"] = units
    return canonical


def id_column(table: pd.DataFrame, name: str, path: str, key: str) -> pd.Series:
    """Return a column of Gaia ids as int64.

    Raises
    ------
    InputError
        If a value is missing or no 64-bit integer.
    """
    column = table[name]
    expected = f"{key}: {path}: column {name}: expected 64-bit integers"
    if column.isna().any():
        raise InputError(f"{expected}, row {int(np.flatnonzero(column.isna())[0]) + 1} has none")
    if pd.api.types.is_float_dtype(column):
        raise InputError(f"{expected}, got floating point, which cannot hold a Gaia id")
    try:
        ids = [int(value) for value in column]  # exact, where astype would wrap round silently
        return pd.Series(np.array(ids, dtype=np.int64), index=column.index)
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"{expected}, got {column.iloc[0]!r}") from None


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
