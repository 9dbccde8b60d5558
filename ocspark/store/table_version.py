"""The format of a Spark table, and its versions: Delta's and Iceberg's, which never change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger("ocspark")


class TableVersion(NamedTuple):
    """A version of a table.

    Attributes
    ----------
    number : int
        That ``VERSION AS OF`` takes: Delta's version, Iceberg's snapshot.
    identity : str
        Names the table and the version, so that no other content ever has the same identity.
    indexed : frozenset of str or None
        Columns of whose values the table keeps the range in each file, where that is known.
    """

    number: int
    identity: str
    indexed: frozenset[str] | None = None


def table_format(spark: SparkSession, name: str) -> str:
    """Return the format of a table, such as ``delta`` or ``parquet``; nothing for a view.

    Parameters
    ----------
    spark : SparkSession
    name : str
        As in SQL.
    """
    facts = {row[0]: row[1] for row in spark.sql(f"DESCRIBE TABLE EXTENDED {name}").collect()}
    return str(facts.get("Provider", "")).lower()


def default_format(spark: SparkSession) -> str:
    """Return the format of tables that the session creates where none is named."""
    try:
        return str(spark.conf.get("spark.sql.sources.default", "parquet")).lower()
    except PySparkException:
        return "delta"  # of Databricks' serverless compute, which does not show this option


def current_version(spark: SparkSession, name: str) -> TableVersion | None:
    """Return the current version of a table; None where its format or kind has no versions.

    Parameters
    ----------
    spark : SparkSession
    name : str
        As in SQL; of a table or view that is there.
    """
    try:
        find = _FINDERS.get(table_format(spark, name))
        return find(spark, name) if find is not None else None
    except PySparkException as error:
        reason = str(error).splitlines()[0]
        log.info("%s: its version is not known (%s); it is read for its content", name, reason)
        return None


def table_at(spark: SparkSession, name: str, version: int | None) -> DataFrame:
    """Return a table at a version, or as it is now where there is none."""
    if version is None:
        return spark.table(name)
    return spark.sql(f"SELECT * FROM {name} VERSION AS OF {version}")


def _delta(spark: SparkSession, name: str) -> TableVersion:
    detail = spark.sql(f"DESCRIBE DETAIL {name}").collect()[0].asDict()
    version = int(spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").collect()[0]["version"])
    indexed = _with_statistics(detail, spark.table(name).columns)
    return TableVersion(version, f"delta {detail['id']} {version}", indexed)


def _with_statistics(detail: Mapping[str, Any], columns: Sequence[str]) -> frozenset[str]:
    """Return the columns of which Delta keeps statistics: the first 32, unless it was set."""
    properties = detail.get("properties") or {}
    named = properties.get("delta.dataSkippingStatsColumns")
    number = int(properties.get("delta.dataSkippingNumIndexedCols", 32))
    first = columns if number < 0 else columns[:number]
    chosen = [column.strip(" `") for column in named.split(",")] if named else first
    return frozenset([*chosen, *(detail.get("clusteringColumns") or [])])


def _iceberg(spark: SparkSession, name: str) -> TableVersion | None:
    branches = spark.sql(f"SELECT snapshot_id FROM {name}.refs WHERE name = 'main'").collect()
    if not branches:
        return None  # nothing was ever written
    snapshot = int(branches[0]["snapshot_id"])
    return TableVersion(snapshot, f"iceberg {snapshot}")


_FINDERS: dict[str, Callable[[SparkSession, str], TableVersion | None]] = {
    "delta": _delta,
    "iceberg": _iceberg,
}
