"""A Spark table as a mirror: ``table:NAME``, whatever the session knows under that name.

It is cut into ranges that stand where files stand: each has its rows and a hash that stands for its
content, and is read by literal bounds, which Parquet, Delta and Iceberg use to skip files and row
groups. A Delta or Iceberg table is read at one version.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema, to_arrow_type

from ocspark.errors import InputError
from ocspark.locations import TABLE_PREFIX
from ocspark.mirror.columns import (
    MirrorColumns,
    carry,
    check_type,
    check_unit,
    find_columns,
    find_optional,
)
from ocspark.mirror.footers import CheckedFile
from ocspark.mirror.layout import Mirror, MirrorFile
from ocspark.release import Release
from ocspark.sky.healpix import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    HealpixPixel,
    n_pixels,
    source_id_shift,
)
from ocspark.store.table_version import current_version, table_at
from ocspark.tables.source_columns import matching

log = logging.getLogger("ocspark")

#: HEALPix order of the ranges: 12,288, on average 150,000 of DR3's sources each.
_ORDER = 5


@dataclass(frozen=True)
class TableRange(MirrorFile):
    """Rows of a table whose `column` lies between `low` and `high`, both inclusive.

    `version` is the version of the table that they are of, where it has any.
    """

    column: str
    low: int
    high: int
    version: int | None = None

    @property
    def in_table(self) -> bool:
        """Whether it is a range of a table, which Spark reads."""
        return True


def open_table(
    spark: SparkSession,
    path: str,
    release: Release,
    carried: Sequence[str] = (),
) -> tuple[Mirror, dict[MirrorFile, CheckedFile]]:
    """Cut a Spark table into ranges, which are counted and hashed.

    With a bigint column ``_healpix_29`` the ranges are HEALPix pixels, and only those that a cone
    touches are searched. Without it they are ranges of source_id, which is only nearly a position
    (ESA's data model), so all are searched, as in a plain directory.

    Where the table has versions (Delta, Iceberg), the current one stands for the content, and only
    the column of the ranges is read. Otherwise, as of a view, the hash is of the values of all
    needed columns, in whatever order the rows come: it notices any change that could change a
    result, and nothing else.

    Parameters
    ----------
    spark : SparkSession
    path : str
        ``table:NAME``; NAME as in SQL, such as ``gaia.dr3`` or ``main.gaia.`dr 3```.
    release : Release
    carried : sequence of str
        Further columns that are wanted; see `ocspark.mirror.columns.carry`.

    Returns
    -------
    Mirror
    dict
        Rows, hash and columns of each range.

    Raises
    ------
    InputError
        If there is no such table, it is empty, or lacks a column or has one of a wrong type.
    """
    types, columns = _find(spark, path, release, carried)
    table_name = path.removeprefix(TABLE_PREFIX)
    version = current_version(spark, table_name)
    at = version.number if version is not None else None
    table = table_at(spark, table_name, at)
    by_pixel = HEALPIX_COLUMN in types
    column, shift = HEALPIX_COLUMN, 2 * (HEALPIX_ORDER - _ORDER)
    if not by_pixel:
        column, shift = columns.names["source_id"], source_id_shift(_ORDER)
    if version is not None and version.indexed is not None and column not in version.indexed:
        log.warning(
            "%s: the table has no statistics of column %s, so that each part of a search reads all "
            "of its files; ALTER TABLE %s CLUSTER BY (%s) and OPTIMIZE %s FULL make them",
            path,
            column,
            table_name,
            column,
            table_name,
        )
    checked: dict[MirrorFile, CheckedFile] = {}
    also = {c.column for c in columns.carried} - set(columns.names.values())
    needed = {name: kind for name, kind in types.items() if name not in also}
    if version is not None:
        ranges = _counts(table, column, shift)
    else:
        ranges = _summaries(table, column, shift, list(needed), sorted(also))
    for row in ranges:
        if row["range"] is None:
            if by_pixel:
                raise InputError(f"mirror.path: {path}: column {column} has nulls; expected none")
            continue  # rows without source_id are nobody's: no reading keeps them
        number = int(row["range"])
        if by_pixel and not 0 <= number < n_pixels(_ORDER):
            raise InputError(f"mirror.path: {path}: column {column} has values of no HEALPix pixel")
        low, high = number << shift, (number + 1 << shift) - 1
        name = f"{column} {low} {high}"
        pixel = HealpixPixel(_ORDER, number) if by_pixel else None
        piece = TableRange(path, pixel, column, low, high, at, name=name)
        content = [version.identity] if version is not None else [row["low"], row["high"]]
        checked[piece] = CheckedFile(
            piece,
            row["rows"],
            _digest(row["rows"], *content, sorted(needed.items())),
            types,
            columns,
            [],
            HEALPIX_COLUMN if by_pixel else None,
            carried_sha256=_digest(row["also_low"], row["also_high"])
            if also and version is None
            else "",
        )
    if not checked:
        raise InputError(f"mirror.path: {path}: the table has no rows; expected sources")
    return Mirror(list(checked), HEALPIX_COLUMN if by_pixel else None), checked


def read_ranges(spark: SparkSession, ranges: Sequence[TableRange], columns: list[str]) -> DataFrame:
    """Return some ranges of a table, in these columns."""
    bounds: list[list[int]] = []
    for piece in sorted(ranges, key=lambda r: r.low):
        if bounds and bounds[-1][1] + 1 == piece.low:
            bounds[-1][1] = piece.high
        else:
            bounds.append([piece.low, piece.high])
    key = _quoted(ranges[0].column)
    wanted = [key.between(low, high) for low, high in bounds]
    while len(wanted) > 1:  # by pairs, since a message of Connect's holds no chain of hundreds
        wanted = [reduce(or_, wanted[i : i + 2]) for i in range(0, len(wanted), 2)]
    table = table_at(spark, ranges[0].path.removeprefix(TABLE_PREFIX), ranges[0].version)
    return table.where(wanted[0]).select([_quoted(c) for c in columns])


def table_schema(spark: SparkSession, path: str) -> T.StructType:
    """Return the schema of a Spark table.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return spark.table(path.removeprefix(TABLE_PREFIX)).schema  # where Connect asks for it
    except AnalysisException as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"mirror.path: {path}: no table that this Spark session can read: {reason}"
        ) from None


def _find(
    spark: SparkSession, path: str, release: Release, carried: Sequence[str]
) -> tuple[dict[str, pa.DataType], MirrorColumns]:
    schema = table_schema(spark, path)
    table = spark.table(path.removeprefix(TABLE_PREFIX))
    columns, warning = find_columns(
        schema.names, release, path, _epochs(table, schema.names, release)
    )
    if warning:
        log.warning("%s", warning)
    types = {}
    for canonical, column in columns.names.items():
        types[column] = to_arrow_type(schema[column].dataType)
        check_type(canonical, column, types[column], path)
        check_unit(canonical, column, str(schema[column].metadata.get("unit", "")), path)
    chosen = [schema[c] for c in schema.names if matching([c], carried)]
    columns = replace(columns, carried=carry(carried, to_arrow_schema(T.StructType(chosen)), path))
    types |= {c.column: to_arrow_type(schema[c.column].dataType) for c in columns.carried}
    if HEALPIX_COLUMN in schema.names and schema[HEALPIX_COLUMN].dataType.typeName() == "long":
        types[HEALPIX_COLUMN] = pa.int64()
    return types, columns


def _epochs(table: DataFrame, names: Sequence[str], release: Release) -> tuple[float, float] | None:
    """Return the reference epoch of one row as least and greatest, where it is known."""
    column = find_optional(names, release, "ref_epoch")
    row = table.select(_quoted(column).alias("epoch")).first() if column else None
    return None if row is None or row["epoch"] is None else (row["epoch"], row["epoch"])


def _counts(table: DataFrame, column: str, shift: int) -> list[dict[str, Any]]:
    """Return rows per range."""
    ranges = table.groupBy(_range(column, shift)).agg(F.count("*").alias("rows"))
    return [row.asDict() for row in ranges.orderBy("range").collect()]


def _range(column: str, shift: int) -> Column:
    return F.shiftright(_quoted(column), shift).alias("range")


def _summaries(
    table: DataFrame, column: str, shift: int, hashed: list[str], also: list[str]
) -> list[dict[str, Any]]:
    """Return rows per range, its content hash, and the content hash of the columns `also`."""
    number = _range(column, shift)
    ranges = (
        table.select(number, _hash(hashed).alias("digest"), _hash(also).alias("also"))
        .groupBy("range")
        .agg(F.count("*").alias("rows"), *_sums("digest", ""), *_sums("also", "also_"))
    )
    return [row.asDict() for row in ranges.orderBy("range").collect()]


def _digest(*facts: Any) -> str:
    return hashlib.sha256(" ".join(map(str, facts)).encode()).hexdigest()


def summarised(table: DataFrame) -> DataFrame:
    """Return one row: number of rows, content hash and column names of a whole table."""
    columns = sorted(table.columns)
    names = F.lit(" ".join(map(repr, columns))).alias("columns")
    return table.select(_hash(columns).alias("digest")).agg(
        F.count("*").alias("rows"), *_sums("digest", ""), names
    )


def _hash(columns: list[str]) -> Column:
    # a hash skips nulls: numbers between the values keep them from changing places unnoticed
    parts = [part for i, c in enumerate(columns) for part in (F.lit(i), _quoted(c))]
    return F.xxhash64(*parts) if parts else F.lit(0).cast("bigint")


def _sums(digest: str, prefix: str) -> list[Column]:
    # the sums of a hash's halves are exact, and the same in any order
    return [
        F.sum(F.col(digest).bitwiseAND(0xFFFFFFFF)).alias(f"{prefix}low"),
        F.sum(F.shiftright(digest, 32)).alias(f"{prefix}high"),
    ]


def _quoted(column: str) -> Column:
    return F.col("`" + column.replace("`", "``") + "`")
