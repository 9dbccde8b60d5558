"""Tables as Spark reads and writes them, the same on a disk and on an object store."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from ocspark import storage
from ocspark.store import frames
from ocspark.store.frames import read_frame, write_frame

ROWS = [(i, f"cluster {i % 3}", None if i % 5 == 0 else i / 7) for i in range(1000)]
SCHEMA = (
    T.StructType()
    .add("source_id", T.LongType())
    .add("cluster", T.StringType())
    .add("probability", T.DoubleType())
)


def rows_of(spark: SparkSession, path: str, schema: T.StructType | None = None) -> list[object]:
    return sorted(map(tuple, read_frame(spark, path, schema).collect()))


def test_a_table_comes_back_and_is_replaced_as_a_whole(
    spark: SparkSession, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_TASK_FILES", 1)
    path = f"{root}/table"
    frame = spark.createDataFrame(ROWS, SCHEMA)
    for wanted in (ROWS, ROWS[:10]):
        write_frame(frame.where(f"source_id < {len(wanted)}").repartition(3), path)
        assert rows_of(spark, path, SCHEMA) == sorted(wanted)
        assert rows_of(spark, path) == sorted(wanted)
        assert rows_of(spark, path, SCHEMA[1:2]) == sorted((r[1],) for r in wanted)
    for row in read_frame(spark, path, SCHEMA, path_column="path").collect():
        assert row["path"].rpartition("/")[2] in storage.list_names(path)
    filesystem, inner = storage.resolve(path)
    assert pq.read_table(inner, filesystem=filesystem).num_rows == 10


def test_a_table_without_rows_has_its_columns(spark: SparkSession, root: str) -> None:
    write_frame(spark.createDataFrame(ROWS, SCHEMA).where("source_id < 0"), f"{root}/table")
    found = read_frame(spark, f"{root}/table")
    assert found.count() == 0 and found.columns == SCHEMA.names


def test_notes_in_a_folder_are_no_rows_and_a_column_that_is_not_there_is_null(
    spark: SparkSession, root: str
) -> None:
    storage.make_directory(f"{root}/table")
    storage.write_file(f"{root}/table/_SUCCESS", "")
    for name in ("a", "b"):
        with storage.open_whole(f"{root}/table/{name}.parquet") as stream:
            pq.write_table(pa.table({"source_id": [1, 2]}), stream)
    assert rows_of(spark, f"{root}/table", SCHEMA[:2]) == [
        (1, None),
        (1, None),
        (2, None),
        (2, None),
    ]
