"""Rows of unchanged clusters, taken over from the files of an earlier run.

A file none of whose clusters is dropped is copied as it is; of others the rows to keep are written
anew. Manifests tell each file's rows by cluster, so no file is opened in vain. Tasks do the work.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.base import BaseFile, Reuse
from ocspark.catalogue.dependence import Stage
from ocspark.catalogue.fingerprint import digest
from ocspark.errors import OutputError
from ocspark.mirror.layout import group_by_rows
from ocspark.names import cluster_key
from ocspark.store.files import (
    FileWriter,
    HashedStream,
    StagedFile,
    UnwritableFile,
    cluster_column,
    naming_unwritable,
)
from ocspark.store.folder import Manifest, RunDirectory
from ocspark.store.tasks import run_tasks


class DamagedBase(Exception):
    """Files of the earlier run that are not as it wrote them."""

    def __init__(self, paths: Collection[str]) -> None:
        super().__init__(", ".join(sorted(paths)))
        self.paths = frozenset(paths)


@dataclass(frozen=True)
class _Piece:
    """A file to take over from, the clusters whose rows are kept, its number."""

    file: BaseFile
    keep: frozenset[int]
    number: int


def taken_over(
    reuse: Reuse, table: str, stage: Stage, rows_per_unit: int
) -> dict[str, list[BaseFile]]:
    """Return the units that take over a table, each with the files it takes rows from."""
    if reuse.base is None:
        return {}
    kept = reuse.kept(stage.name)
    files = [f for f in reuse.base.files if f.table == table and not kept.isdisjoint(f.clusters)]
    groups = group_by_rows(files, rows_per_unit)
    return {f"kept-{table.strip('_')}-{n:05d}": files for n, files in enumerate(groups)}


def take_over(
    spark: SparkSession,
    run: RunDirectory,
    reuse: Reuse,
    stage: Stage,
    tables: Collection[str],
    rows_per_unit: int,
) -> list[Manifest]:
    """Take over the rows of a stage's unchanged clusters, unit by unit.

    Parameters
    ----------
    spark : SparkSession
    run : RunDirectory
    reuse : Reuse
    stage : Stage
    tables : collection of str
        That the run writes.
    rows_per_unit : int

    Raises
    ------
    DamagedBase
        If a file is not as the earlier run wrote it.
    """
    kept = reuse.kept(stage.name)
    manifests = []
    for table in stage.tables:
        if table not in tables:
            continue
        for unit, files in taken_over(reuse, table, stage, rows_per_unit).items():
            pieces = [_Piece(file, kept & file.clusters.keys(), n) for n, file in enumerate(files)]

            def write(
                staging: str, pieces: list[_Piece] = pieces, table: str = table
            ) -> dict[str, list[StagedFile]]:
                return {table: _take(spark, pieces, storage.join(staging, table))}

            work = digest([[piece.file.sha256, sorted(piece.keep)] for piece in pieces])
            manifests.append(run.land(unit, write, {"base": reuse.base_id}, work))
    return manifests


def _take(spark: SparkSession, pieces: list[_Piece], folder: str) -> list[StagedFile]:
    results = run_tasks(spark, partial(_take_one, folder=folder), pieces, lambda: None)
    staged, damaged = [], []
    for piece, text in zip(pieces, results, strict=True):
        result = json.loads(text)
        if "unwritable" in result:
            raise OutputError(f"output: {result['unwritable']}")
        if "damaged" in result:
            damaged.append(piece.file.path)
        else:
            staged.append(StagedFile(**result))
    if damaged:
        raise DamagedBase(damaged)
    return sorted(staged, key=lambda file: file.path)


def _take_one(piece: _Piece, folder: str) -> str:
    """Write the rows to keep of one file; return the `StagedFile`, or the fault, as JSON."""
    try:
        if piece.keep == piece.file.clusters.keys():
            staged = _copy(piece, folder)
        else:
            staged = _filter(piece, folder)
    except UnwritableFile as fault:
        return json.dumps({"unwritable": str(fault)})
    except (OSError, pa.ArrowException):
        staged = None
    return json.dumps({"damaged": True} if staged is None else staged._asdict())


def _copy(piece: _Piece, folder: str) -> StagedFile | None:
    """Copy a file; None if it is not as it was written."""
    file = piece.file
    target = storage.join(folder, f"{piece.number:06d}-{uuid.uuid4().hex}.parquet")
    with naming_unwritable(target):
        storage.make_directory(folder)
        filesystem, inner = storage.resolve(target)
        stream = HashedStream(filesystem.open_output_stream(inner, compression=None))
    for chunk in storage.chunks(file.path):
        with naming_unwritable(target):
            stream.write(chunk)
    with naming_unwritable(target):
        stream.close()
    if (stream.bytes, stream.sha256.hexdigest()) != (file.bytes, file.sha256):
        return None
    clusters = {str(key): rows for key, rows in file.clusters.items()}
    return StagedFile(target, file.rows, file.bytes, file.sha256, clusters, file.device)


def _filter(piece: _Piece, folder: str) -> StagedFile | None:
    """Write the rows to keep of a file; None if it is not as it was written."""
    file = piece.file
    if storage.size_and_sha256(file.path) != (file.bytes, file.sha256):
        return None
    filesystem, inner = storage.resolve(file.path)
    parquet = pq.ParquetFile(inner, filesystem=filesystem)
    column = cluster_column(parquet.schema_arrow)
    writer = FileWriter(folder, parquet.schema_arrow, piece.number)
    for batch in parquet.iter_batches():
        keys = batch.column(column)
        values = [
            value
            for value in pc.unique(keys).to_pylist()
            if (cluster_key(value) if isinstance(value, str) else value) in piece.keep
        ]
        rows = batch.filter(pc.is_in(keys, pa.array(values, keys.type)))
        if rows.num_rows:
            writer.add(rows.replace_schema_metadata(parquet.schema_arrow.metadata))
    return writer.close()
