"""The format of a Spark table and the version at which it is read."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import Row, SparkSession

from ocspark.store.table_version import TableVersion, current_version, table_format


class Answers:
    """A session that knows the answers to some statements, and no others.

    The columns are those of Delta's and Iceberg's own documents: docs.delta.io/delta-utility and
    iceberg.apache.org/docs/latest/spark-queries.
    """

    def __init__(self, answers: dict[str, list[Row]], columns: list[str]) -> None:
        self._answers, self.columns = answers, columns

    def sql(self, statement: str) -> Any:
        if statement not in self._answers:
            raise AnalysisException(f"[PARSE_SYNTAX_ERROR] {statement}")
        return type("Frame", (), {"collect": lambda _: self._answers[statement]})()

    def table(self, _: str) -> Answers:
        return self


def described(kind: str) -> list[Row]:
    return [Row(col_name="Provider", data_type=kind, comment="")]


def delta(columns: list[str], **detail: Any) -> Answers:
    facts = {"id": "6ca8-1c", "clusteringColumns": [], "properties": {}, **detail}
    answers = {
        "DESCRIBE TABLE EXTENDED gaia": described("delta"),
        "DESCRIBE DETAIL gaia": [Row(**facts)],
        "DESCRIBE HISTORY gaia LIMIT 1": [Row(version=12, operation="OPTIMIZE")],
    }
    return Answers(answers, columns)


def version_of(session: Any) -> TableVersion | None:
    return current_version(session, "gaia")


def test_the_version_of_a_delta_table_names_the_table_too() -> None:
    one, other = version_of(delta(["a"])), version_of(delta(["a"], id="another"))
    assert one is not None and other is not None
    assert one.number == other.number == 12 and one.identity != other.identity


@pytest.mark.parametrize(
    ("detail", "has_statistics"),
    [
        ({}, False),
        ({"clusteringColumns": ["_healpix_29"]}, True),
        ({"properties": {"delta.dataSkippingNumIndexedCols": "153"}}, True),
        ({"properties": {"delta.dataSkippingNumIndexedCols": "-1"}}, True),
        ({"properties": {"delta.dataSkippingStatsColumns": "ra, `_healpix_29`"}}, True),
        ({"properties": {"delta.dataSkippingStatsColumns": "ra,dec"}}, False),
    ],
)
def test_columns_behind_the_first_32_have_statistics_only_where_delta_was_told(
    detail: dict[str, Any], has_statistics: bool
) -> None:
    columns = [*(f"column_{i}" for i in range(152)), "_healpix_29"]
    version = version_of(delta(columns, **detail))
    assert version is not None and version.indexed is not None
    assert ("_healpix_29" in version.indexed) == has_statistics


def test_a_snapshot_is_the_version_of_an_iceberg_table() -> None:
    answers = {
        "DESCRIBE TABLE EXTENDED gaia": described("iceberg"),
        "SELECT snapshot_id FROM gaia.refs WHERE name = 'main'": [Row(snapshot_id=8235603094)],
    }
    assert version_of(Answers(answers, [])) == (8235603094, "iceberg 8235603094", None)
    answers.popitem()
    assert version_of(Answers(answers, [])) is None  # it does not say: read for its content


def test_views_and_tables_of_plain_files_have_no_version(spark: SparkSession) -> None:
    spark.range(3).createOrReplaceTempView("a_view")
    spark.range(3).write.mode("overwrite").saveAsTable("of_files")
    try:
        assert [table_format(spark, name) for name in ("a_view", "of_files")] == ["", "parquet"]
        assert current_version(spark, "a_view") is current_version(spark, "of_files") is None
    finally:
        spark.sql("DROP TABLE of_files")
