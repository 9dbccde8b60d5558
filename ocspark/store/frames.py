"""Read and write Parquet tables as Spark DataFrames, wherever they lie.

Local disks and HDFS are read by Spark itself. For object stores it needs a client of its own
(hadoop-aws and the like) with credentials of its own, which few installations have; there, tasks
read and write the files as everything else does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from ocspark import storage
from ocspark.locations import for_spark
from ocspark.session import ship

#: Bytes and files that a task reads, at most, if its first file is not larger by itself.
_TASK_BYTES, _TASK_FILES = 32 << 20, 16
_BATCH_ROWS = 50_000


def read_frame(
    spark: SparkSession,
    paths: str | Sequence[str],
    schema: T.StructType | None = None,
    path_column: str | None = None,
) -> DataFrame:
    """Read Parquet files as a DataFrame.

    Parameters
    ----------
    spark : SparkSession
    paths : str or sequence of str
        A file, a folder of files, or several files.
    schema : StructType, optional
        The columns wanted; one that a file lacks is null. By default those of the first file.
    path_column : str, optional
        Name of one more column: the path of each row's file.

    Raises
    ------
    FileNotFoundError
        If there is no file and no schema.
    """
    given = [paths] if isinstance(paths, str) else list(paths)
    known = [for_spark(path) for path in given]
    if all(_is_sparks(path) for path in known):
        reader = spark.read if schema is None else spark.read.schema(schema)
        frame = reader.parquet(*known)
        if path_column is None:
            return frame
        return frame.select("*", F.col("_metadata.file_path").alias(path_column))
    files = [info for path in given for info in storage.list_infos(path) if _has_rows(info)]
    if schema is None:
        if not files:
            raise FileNotFoundError(f"{given[0]}: no Parquet files")
        filesystem, inner = storage.resolve(files[0].path)
        schema = from_arrow_schema(pq.read_schema(inner, filesystem=filesystem))
    if not files:
        return spark.createDataFrame([], schema)
    if path_column is not None:
        schema = T.StructType([*schema.fields, T.StructField(path_column, T.StringType())])
    parts = _parts(files)
    fetch, wanted = ship(spark, parts), to_arrow_schema(schema)

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                for path in fetch()[number]:
                    yield from _batches(path, wanted, path_column)

    return spark.range(0, len(parts), 1, len(parts)).mapInArrow(read, schema)


def write_frame(frame: DataFrame, path: str) -> None:
    """Write a DataFrame as Parquet files into a folder, in place of what is there."""
    known = for_spark(path)
    if _is_sparks(known):
        frame.write.mode("overwrite").parquet(known)
        return
    storage.remove_directory(path)
    storage.make_directory(path)
    fetch, schema = ship(frame.sparkSession, path), to_arrow_schema(frame.schema)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        first = next(batches, None)
        if first is None:
            return
        name = f"part-{uuid4().hex}.parquet"
        with (
            storage.open_whole(storage.join(fetch(), name)) as stream,
            pq.ParquetWriter(stream, first.schema, compression="zstd") as writer,
        ):
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        yield pa.RecordBatch.from_pydict({"name": [name]})

    written = {row["name"] for row in frame.mapInArrow(write, "name string").collect()}
    if not written:  # without a file the columns would be unknown
        with storage.open_whole(storage.join(path, "empty.parquet")) as stream:
            pq.write_table(schema.empty_table(), stream)
        return
    for file in storage.list_files(path):
        if file.rpartition("/")[2] not in written:  # of an attempt that was killed
            storage.remove_file(file)


def _is_sparks(path: str) -> bool:
    """Return whether every Spark has a client for a path, as `for_spark` gives it."""
    return path.startswith(("/", "file:", "hdfs:"))


def _has_rows(file: storage.FileInfo) -> bool:
    """Return whether a file in a table's folder is not a note, as Spark's ``_SUCCESS`` is."""
    return not file.path.rpartition("/")[2].startswith(("_", "."))


def _parts(files: Sequence[storage.FileInfo]) -> list[list[str]]:
    """Return the files that each task reads."""
    parts: list[list[str]] = []
    n_bytes = 0
    for file in files:
        n_bytes += file.n_bytes
        if not parts or n_bytes > _TASK_BYTES or len(parts[-1]) == _TASK_FILES:
            parts.append([])
            n_bytes = file.n_bytes
        parts[-1].append(file.path)
    return parts


def _batches(path: str, schema: pa.Schema, path_column: str | None) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows with the columns of a schema, of which one may be the file's path."""
    filesystem, inner = storage.resolve(path)
    with pq.ParquetFile(inner, filesystem=filesystem) as file:
        there = [name for name in schema.names if name in file.schema_arrow.names]
        for batch in file.iter_batches(_BATCH_ROWS, columns=there):
            columns = {name: batch[name] for name in there}
            if path_column is not None:
                columns[path_column] = pa.repeat(path, batch.num_rows)
            missing = pa.nulls(batch.num_rows)
            arrays = [columns.get(field.name, missing).cast(field.type) for field in schema]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
