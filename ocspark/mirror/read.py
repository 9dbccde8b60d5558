"""Mirror files and tables as a Spark DataFrame, with the needed columns only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ocspark.mirror.columns import HEALPIX, MirrorColumns, carried_name, spark_type
from ocspark.mirror.footers import CheckedFile
from ocspark.mirror.table import TableRange, read_ranges
from ocspark.sky.healpix import index_or_zero
from ocspark.store.frames import read_frame

#: Without these a source is in no cone, whatever else it lacks.
_PLACED = ("source_id", "ra", "dec", "parallax", "pmra", "pmdec")


def read_rows(
    spark: SparkSession, files: Sequence[CheckedFile], columns: MirrorColumns
) -> DataFrame:
    """Read the rows of some files, or ranges of a table, that have a place and a motion.

    Parameters
    ----------
    spark : SparkSession
    files : sequence of CheckedFile
        All with the same column types.
    columns : MirrorColumns

    Returns
    -------
    DataFrame
        The mirror's columns under their canonical names, as they are (`canonical_sources` makes
        sources of them with `MirrorColumns.canonical`); carried columns under `carried_name`;
        ``healpix_29``, computed from ra and dec where the files do not have it.
    """
    rows = read_raw_rows(spark, files)
    for name in _PLACED:
        value = _column(columns.names[name])
        kind = str(files[0].types[columns.names[name]])
        there = value.isNotNull()
        rows = rows.where(there & ~F.isnan(value) if kind in ("float", "double") else there)
    picked = [_column(column).alias(name) for name, column in columns.names.items()]
    picked += [_column(c.column).alias(carried_name(c.field.name)) for c in columns.carried]
    return rows.select(*picked, _index(files, columns))


def read_places(
    spark: SparkSession, files: Sequence[CheckedFile], columns: MirrorColumns
) -> DataFrame:
    """Read ``healpix_29`` and ``parallax`` of all rows of some pieces of a mirror.

    The parameters are those of `read_rows`; a row without a position has the index 0.
    """
    parallax = _column(columns.names["parallax"]).alias("parallax")
    return read_raw_rows(spark, files).select(_index(files, columns), parallax)


def read_raw_rows(spark: SparkSession, files: Sequence[CheckedFile]) -> DataFrame:
    """Read all rows of some pieces of a mirror, in its own columns of those needed."""
    types = files[0].types
    ranges = [f.file for f in files if isinstance(f.file, TableRange)]
    if ranges:
        return read_ranges(spark, ranges, list(types))
    schema = T.StructType()
    for column, kind in types.items():
        schema.add(column, spark_type(kind) or T.DoubleType())
    return read_frame(spark, [f.file.path for f in files], schema)


def _index(files: Sequence[CheckedFile], columns: MirrorColumns) -> Column:
    """Return the order-29 index of rows in the mirror's own columns."""
    column = files[0].healpix_column
    if column is not None:
        return _column(column).cast("bigint").alias(HEALPIX)
    ra, dec = (_column(columns.names[name]) for name in ("ra", "dec"))
    return _index_udf()(ra, dec).alias(HEALPIX)


def _index_udf() -> Callable[[Column, Column], Column]:
    """Return a UDF of right ascension and declination [deg] that gives the order-29 index.

    It is made at the call, since an UDF made at import would ask for a Spark session.
    """

    @F.pandas_udf("bigint")  # type: ignore[call-overload]
    def index(ra: pd.Series, dec: pd.Series) -> pd.Series:
        return pd.Series(index_or_zero(ra.to_numpy(), dec.to_numpy()))

    udf: Callable[[Column, Column], Column] = index
    return udf


def _column(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")
