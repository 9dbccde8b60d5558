"""Read one small table (clusters, members) of any of the field's formats into pandas."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.content import TableFault, read_content
from ocspark.inputs.fits_votable import (
    ASTROPY_FORMATS,
    SeveralTables,
    check_single,
    frame_of,
    read_astropy,
)
from ocspark.inputs.text import read_text_table
from ocspark.locations import TABLE_PREFIX, is_table
from ocspark.session import get_session
from ocspark.tables.arrow import apply_masks
from ocspark.units import units_of_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Suffixes of text; the separator is found by what is in the file.
TEXT = (".csv", ".txt", ".tsv", ".tab", ".dat")
#: Begins a table of the AAS journals, machine readable, in columns of fixed width.
_MRT = b"Title:"
#: What files of some kinds begin with.
_MARKS = {b"SIMPLE  =": ".fits", b"PAR1": ".parquet", b"<?xml": ".vot", b"<VOTABLE": ".vot"}
_OTHERS = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"pk\x03\x04": "an Excel workbook or another ZIP archive",
    b"\x89hdf": "an HDF5 file",
}
_KINDS = "CSV or other text, Parquet, ECSV, FITS or VOTable"
#: What may stand for a table: a path, ``table:NAME``, or a table in memory.
AnyTable = Any


def is_parquet(path: str) -> bool:
    """Whether the name of a file says that it is Parquet."""
    return path.endswith((".parquet", ".pq"))


def name_of(source: AnyTable) -> str:
    """Return what error lines call a table: its path, or its kind if it is in memory."""
    return os.fspath(source) if is_path(source) else f"the {type(source).__name__} given"


def is_path(source: AnyTable) -> bool:
    """Whether a table is given by its path or name."""
    return isinstance(source, str | os.PathLike)


def read_table(
    source: AnyTable, key: str, chosen: str | int | None = None, chooser: str = ""
) -> pd.DataFrame:
    """Read a small table into pandas, blank-padded strings stripped.

    Parameters
    ----------
    source : path or table
        Text with a header line, Parquet (file or directory), ECSV, FITS or VOTable, also with
        ``.gz`` or ``.bz2``; ``table:NAME``, a table that the Spark session knows; or a table in
        memory: of pandas, Arrow or astropy (``Table``, ``QTable``), a ``SkyCoord``, a mapping of
        columns.
    key : str
        The setting that named the table, for the error line.
    chosen : str or int, optional
        Which table of a file with several: its name, or its number from 1.
    chooser : str, optional
        The setting that chooses it, for the error line.

    Returns
    -------
    DataFrame
        ``attrs["units"]`` has the units that the file gives, by column. Named levels of the index
        of a pandas table are columns.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, cut, has several tables of which none is
        chosen, or cannot be read.
    """
    if not is_path(source):
        return _plain(_in_memory(source, key))
    path = os.fspath(source)
    if is_table(path):
        return _plain(read_spark_table(path, key))
    if not storage.exists(path):
        raise InputError(f"{key}: {path}: no such file; expected a table of {_KINDS}")
    suffixes = [s.lower() for s in PurePath(path).suffixes if s.lower() not in (".gz", ".bz2")]
    suffix = suffixes[-1] if suffixes else ""
    try:
        table = _read_file(path, suffix, chosen)
    except SeveralTables as fault:
        expected = f"one of them chosen by {chooser}" if chooser else "a file with one"
        raise InputError(f"{key}: {path}: {fault}; expected {expected}") from None
    except TableFault as fault:
        raise InputError(f"{key}: {path}: cannot be read as a {_kind(suffix)}: {fault}") from None
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InputError(
            f"{key}: {path}: cannot be read as a {_kind(suffix)} (damaged or cut short?): {reason}"
        ) from None
    if table is None:
        raise InputError(f"{key}: {path}: unknown kind of file; expected {_KINDS}")
    return _plain(table)


def _kind(suffix: str) -> str:
    return f"{suffix.lstrip('.') or 'Parquet'} table"


def _read_file(path: str, suffix: str, chosen: str | int | None) -> pd.DataFrame | None:
    """Return the table of a file; None for an unknown kind."""
    if storage.is_directory(path):
        check_single(chosen)
        filesystem, inner = storage.resolve(path)
        return _frame(pq.read_table(inner, filesystem=filesystem))
    content = read_content(path)
    suffix = _suffix_of(content) or suffix
    if suffix in (".parquet", ".pq"):
        check_single(chosen)
        return _frame(pq.read_table(io.BytesIO(content)))
    if suffix in ASTROPY_FORMATS:
        return frame_of(read_astropy(content, ASTROPY_FORMATS[suffix], chosen))
    if suffix in TEXT:
        if content.startswith(_MRT):
            return frame_of(read_astropy(content, "ascii.mrt", chosen))
        check_single(chosen)
        return read_text_table(content)
    return None


def _suffix_of(content: bytes) -> str:
    """Return the suffix of the kind that a file says it is, whatever its name; "" if it does not.

    Raises
    ------
    TableFault
        If it is something else than a table.
    """
    beginning = content[:200].removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, what in _OTHERS.items():
        if beginning.lower().startswith(mark):
            raise TableFault(f"it is {what}; expected {_KINDS}")
    return next((suffix for mark, suffix in _MARKS.items() if beginning.startswith(mark)), "")


def _frame(table: Any) -> pd.DataFrame:
    """Return an Arrow table as pandas: an index of pandas is columns, integers stay exact."""
    frame = apply_masks(table).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame.attrs["units"] = units_of_schema(table.schema)
    return frame


def _in_memory(source: AnyTable, key: str) -> pd.DataFrame:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable, Table

    if isinstance(source, pd.DataFrame):
        levels = [name for name in source.index.names if name is not None]
        own = source.reset_index([name for name in levels if name not in source.columns])
        return own.reset_index(drop=True)
    if isinstance(source, pa.Table):
        return _frame(source)
    if isinstance(source, SkyCoord):
        return _positions(source)
    try:
        table = source if isinstance(source, Table) else QTable(dict(source))
    except Exception:
        raise InputError(
            f"{key}: got {type(source).__name__}; expected a path or a table: of pandas, Arrow or "
            "astropy, a SkyCoord, or a mapping of columns"
        ) from None
    frame = frame_of(table[[n for n in table.colnames if not isinstance(table[n], SkyCoord)]])
    for name in table.colnames:
        if isinstance(table[name], SkyCoord) and not {"ra", "dec"} & set(frame.columns):
            places = _positions(table[name])
            units = {**frame.attrs["units"], **places.attrs["units"]}
            frame = pd.concat([frame, places], axis=1)
            frame.attrs["units"] = units
    return frame


def _positions(places: Any) -> pd.DataFrame:
    """Return ra and dec [deg, ICRS] of a SkyCoord."""
    at = places.icrs
    frame = pd.DataFrame({"ra": np.atleast_1d(at.ra.deg), "dec": np.atleast_1d(at.dec.deg)})
    frame.attrs["units"] = {"ra": "deg", "dec": "deg"}
    return frame


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with texts as stripped objects, whatever type they had."""
    columns = [_plain_column(table.iloc[:, n]) for n in range(table.shape[1])]
    if not columns:
        return table
    plain = pd.concat(columns, axis=1)
    plain.attrs = table.attrs
    return plain


def _plain_column(column: pd.Series) -> pd.Series:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype | pd.StringDtype):
        column = column.astype(object)
    return column.map(_clean) if column.dtype == object else column


def _clean(value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip() if isinstance(value, str) else value


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
