"""Match stars of two Gaia releases through a neighbourhood table (Spark)."""

from __future__ import annotations

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.files import is_parquet, read_table
from ocspark.inputs.neighbourhood import check_id_types, neighbourhood_columns
from ocspark.locations import TABLE_PREFIX, is_table
from ocspark.store.frames import read_frame

_KEY = "--neighbourhood"


def read_neighbourhood(spark: SparkSession, path: str) -> DataFrame:
    """Return the pairs of a neighbourhood table: old, new, near (distance, |Δ magnitude|).

    Parameters
    ----------
    spark : SparkSession
        Session that reads the table.
    path : str
        Parquet file or directory or ``table:NAME``, of any size, or a small table in another
        format, with the columns of ``gaiadr4.dr3_neighbourhood`` or ``gaiadr3.dr2_neighbourhood``.

    Raises
    ------
    InputError
        If it is missing or lacks a column.
    """
    if is_table(path):
        try:
            table = spark.table(path.removeprefix(TABLE_PREFIX))
            _ = table.columns  # Spark Connect resolves the name only here
        except AnalysisException as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{_KEY}: {path}: no table that can be read: {reason}") from None
    elif storage.is_directory(path) or is_parquet(path):
        if not storage.exists(path):
            raise InputError(f"{_KEY}: {path}: no such file")
        table = read_frame(spark, path)
    else:
        pairs = pa.Table.from_pandas(read_table(path, _KEY), preserve_index=False)
        table = spark.createDataFrame(pairs)
    old, new, distance, magnitude = neighbourhood_columns(table.columns, path, _KEY)
    check_id_types(to_arrow_schema(table.schema), (old, new), path, _KEY)
    size = F.coalesce(F.abs(F.col(magnitude)), F.lit(float("inf")))
    near = F.struct(F.col(distance).alias("distance"), size.alias("size"))
    return table.select(F.col(old).alias("old"), F.col(new).alias("new"), near.alias("near"))


def link(old: DataFrame, new: DataFrame, pairs: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Give stars of two releases a common identifier, that of the new release.

    The rules are those for member lists (method §3): the counterpart is the nearest neighbour, then
    the one with the smallest difference in magnitude, then the smallest identifier. If several old
    stars have the same counterpart, the nearest of them gets it. Repeated pairs change nothing.

    Parameters
    ----------
    old, new : DataFrame
        Stars, with a column source_id.
    pairs : DataFrame
        Pairs from `read_neighbourhood`.

    Returns
    -------
    tuple of DataFrame
        Both tables with two columns added: ``common``, the identifier, null for an old star
        without a counterpart of its own; and ``link``: own, merged (another old star has the
        counterpart) or none (the other release has no counterpart).
    """
    ids = old.select(F.col("source_id").alias("old")).distinct()
    chosen = pairs.join(ids, "old", "left_semi").groupBy("old").agg(_least("new").alias("best"))
    chosen = chosen.select("old", F.col("best.id").alias("new"), F.col("best.near").alias("near"))
    winners = chosen.groupBy("new").agg(_least("old").alias("best"))
    winners = winners.select("new", F.col("best.id").alias("winner"))
    matched = chosen.join(winners, "new").select(
        F.col("old").alias("source_id"),
        F.when(F.col("old") == F.col("winner"), F.col("new")).alias("common"),
        F.lit(True).alias("_paired"),
    )
    linked = old.join(matched, "source_id", "left")
    how = F.when(F.col("common").isNotNull(), "own").when(F.col("_paired"), "merged")
    known = new.select(F.col("source_id").alias("new")).distinct()
    known = pairs.join(known, "new", "left_semi").select("new").distinct()
    known = known.select(F.col("new").alias("source_id"), F.lit("own").alias("_known"))
    return (
        linked.withColumn("link", how.otherwise("none")).drop("_paired"),
        new.join(known, "source_id", "left")
        .withColumns({"common": F.col("source_id"), "link": F.coalesce("_known", F.lit("none"))})
        .drop("_known"),
    )


def _least(identifier: str) -> Column:
    return F.min(F.struct("near", F.col(identifier).alias("id")))
