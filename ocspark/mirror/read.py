"""Mirror files as a Spark DataFrame in canonical columns, only those needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_type

from ocspark import storage
from ocspark.mirror.columns import INTEGERS
from ocspark.mirror.healpix import healpix_29
from ocspark.mirror.layout import CheckedFile
from ocspark.mirror.table import TableRange, read_ranges

#: Canonical name of the order-29 nested HEALPix index.
HEALPIX = "healpix_29"
_INTEGER_TYPES = {"source_id": "bigint"}
#: Columns a kept source may lack (it needs one of them).
COLOURS = ("nu_eff", "pseudocolour")
#: Columns it may lack altogether: they are NaN then.
MAY_LACK = (*COLOURS, "parallax_bias")
#: Columns of a kept source that must be above zero.
POSITIVE = (
    "parallax_error",
    "pmra_error",
    "pmdec_error",
    "phot_g_n_obs",
    "phot_bp_n_obs",
    "phot_rp_n_obs",
)


def read_sources(
    spark: SparkSession, files: Sequence[CheckedFile], columns: Mapping[str, str]
) -> DataFrame:
    """Read the kept sources (method §1) of some files, or ranges of a table, of a mirror.

    Parameters
    ----------
    spark : SparkSession
    files : sequence of CheckedFile
        All with the same column types.
    columns : mapping
        Canonical name to the release's column.

    Returns
    -------
    DataFrame
        Canonical columns (float64, integers as int, source_id as int64), missing colours and
        parallax biases as NaN, and ``healpix_29``, computed from ra and dec where the files do
        not have it.
    """
    types = files[0].types
    rows = read_rows(spark, files)
    picked = []
    for name, column in columns.items():
        value = F.col(f"`{column}`")
        if pa.types.is_floating(types[column]):
            if name in MAY_LACK:
                value = F.coalesce(value, F.lit(float("nan")))
            else:
                rows = rows.where(value.isNotNull() & ~F.isnan(value))
        elif name not in MAY_LACK:
            rows = rows.where(value.isNotNull())
        target = _INTEGER_TYPES.get(name, "int" if name in INTEGERS else "double")
        picked.append(value.cast(target).alias(name))
    extra = [c for c in types if c not in columns.values()]
    picked += [F.col(f"`{c}`").cast("bigint").alias(HEALPIX) for c in extra]
    sources = rows.select(*picked)
    sources = sources.where(_is_kept())
    if not extra:
        sources = sources.withColumn(HEALPIX, healpix_29()(F.col("ra"), F.col("dec")))
    return sources


def read_rows(spark: SparkSession, files: Sequence[CheckedFile]) -> DataFrame:
    """Read all rows of some pieces of a mirror, in the needed columns as the mirror has them."""
    types = files[0].types
    ranges = [f.file for f in files if isinstance(f.file, TableRange)]
    if ranges:
        return read_ranges(spark, ranges, list(types))
    schema = T.StructType([T.StructField(c, _spark_type(kind)) for c, kind in types.items()])
    return spark.read.schema(schema).parquet(*[storage.for_spark(f.file.path) for f in files])


def _is_kept() -> Column:
    kept = ~(F.isnan("nu_eff") & F.isnan("pseudocolour"))
    for name in POSITIVE:
        kept &= F.col(name) > 0
    return kept


def _spark_type(kind: pa.DataType) -> T.DataType:
    return from_arrow_type(kind)
