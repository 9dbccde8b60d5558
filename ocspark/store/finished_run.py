"""Read a finished run back: its record, settings, release and tables, wherever it lies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from ocspark import storage
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.names import cluster_key
from ocspark.release import Release, release_of_run
from ocspark.session import get_session
from ocspark.settings import Settings, make_settings
from ocspark.store.catalogue_tables import CatalogueTables
from ocspark.store.claim import NOTE
from ocspark.store.files import TableFile
from ocspark.store.frames import read_frame
from ocspark.store.pieces import files_by_cluster, read_rows_of_clusters
from ocspark.tables.candidates import carried_fields
from ocspark.tables.fields import Field, struct
from ocspark.tables.member_rule import MemberRule, member_rules
from ocspark.tables.run_tables import RESULT_TABLES, fields_of

#: In a run's folder: its record, written last, and its files with their rows by cluster.
RECORD, FILES = "run.json", "_files.json"
#: In a folder of runs: the id of the newest finished one.
LATEST = "latest"


@dataclass(frozen=True, repr=False)
class FinishedRun:
    """A finished run.

    Attributes
    ----------
    path : str
        Its folder.
    record : dict
        The content of run.json.
    catalogue : CatalogueTables or None
        The catalogue that its results are read from, if it was opened as ``table:…``.
    option : str
        Its name in errors.
    """

    path: str
    record: dict[str, Any]
    catalogue: CatalogueTables | None = None
    option: str = "--run"

    @cached_property
    def settings(self) -> Settings:
        """Return the settings it ran with."""
        return make_settings(self.record["settings"], storage.join(self.path, RECORD))

    @cached_property
    def release(self) -> Release:
        """Return the data release it was made of, from its own record."""
        return release_of_run(self.record, f"{self.option}: {self.path}/{RECORD}")

    @cached_property
    def files(self) -> list[TableFile]:
        """Return its files but those of the clusters table, with their rows by cluster.

        Raises
        ------
        InputError
            If it was made by another version, or the file that lists them is damaged.
        """
        path = storage.join(self.path, FILES)
        try:
            found = [TableFile.from_json(file) for file in storage.read_json(path)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            found = None
        if found is None or any(file.clusters is None for file in found):
            raise InputError(f"{self.option}: {path}: damaged, or made by another version")
        return found

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """Return the clusters table with ``cluster_key``, sorted by name (a row per cluster)."""
        table = self.read_arrow("clusters").to_pandas()
        table["cluster_key"] = [cluster_key(name) for name in table["cluster"]]
        return table.sort_values("cluster", ignore_index=True)

    @cached_property
    def cluster_names(self) -> dict[int, str]:
        """Return the names of the clusters by their keys."""
        table = self.clusters
        return dict(zip(table["cluster_key"].tolist(), table["cluster"].tolist(), strict=True))

    def member_rules(
        self, min_posterior: float | None = None, min_probability: float | None = None
    ) -> dict[str, MemberRule]:
        """Return the rule for the members of each cluster that is done, by its name.

        See `ocspark.tables.member_rule.member_rule`.
        """
        done = self.clusters[self.clusters["status"] == "done"]
        return member_rules(done, min_posterior, min_probability)

    def has(self, table: str) -> bool:
        """Return whether there is a table (non_members only where it was asked for)."""
        if self._is_published(table):
            return table in self.record["tables"]
        return storage.is_directory(storage.join(self.path, table))

    def fields(self, table: str) -> list[Field]:
        """Return the columns of a table, with those of the mirror that the run carries along."""
        return fields_of(table, carried_fields(self.record))

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return a table as Spark reads it."""
        if self.catalogue is not None and self._is_published(table):
            return self.catalogue.read(spark, table, self.fields(table), self.record["run_id"])
        path = storage.join(self.path, table)
        return read_frame(spark, path, struct(self.fields(table)))

    def read_arrow(self, table: str) -> pa.Table:
        """Return a small table, which only a run in a catalogue needs Spark for.

        Raises
        ------
        InputError
            If it is not there, or lacks a column.
        """
        if self._is_published(table):
            return self.read(get_session("ocspark"), table).toArrow()
        path = storage.join(self.path, table)
        if not storage.is_directory(path):
            raise InputError(f"{self.option}: {path}: no such table; expected it in a finished run")
        filesystem, inner = storage.resolve(path)
        found = pq.read_table(inner, filesystem=filesystem)
        self._check_columns(table, found.schema, path)
        return found

    def read_cluster(self, table: str, key: int) -> pa.Table:
        """Return the rows of one cluster, sorted by ``source_id`` where there is one.

        Only the files that have such rows are opened: for candidates, one.

        Parameters
        ----------
        table : str
        key : int
            The cluster's key.
        """
        fields = self.fields(table)
        order = [field.name for field in fields if field.name == "source_id"]
        if self._is_published(table):
            rows = self.read(get_session("ocspark"), table)
            mine = rows.where(rows["cluster"] == self.cluster_names[key]).toArrow()
            return mine.sort_by([(name, "ascending") for name in order])
        names = [file.name for file in files_by_cluster(self.files, table).get(key, [])]
        for name in names:
            path = storage.join(self.path, name)
            filesystem, inner = storage.resolve(path)
            self._check_columns(table, pq.read_schema(inner, filesystem=filesystem), path)
        return read_rows_of_clusters(self.path, names, [key], fields, order)

    def data_files(self, table: str) -> list[str]:
        """Return the paths of a table's files.

        Raises
        ------
        InputError
            If there are none, or they lack a column.
        """
        folder = storage.join(self.path, table)
        files = [file for file in storage.list_files(folder) if file.endswith(".parquet")]
        if not files:
            raise InputError(f"{self.option}: {folder}: no such table in this run")
        filesystem, inner = storage.resolve(files[0])
        try:
            schema = pq.read_schema(inner, filesystem=filesystem)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.option}: {files[0]}: cannot be read: {error}") from None
        self._check_columns(table, schema, files[0])
        return files

    def _is_published(self, table: str) -> bool:
        return self.catalogue is not None and table in RESULT_TABLES

    def _check_columns(self, table: str, schema: pa.Schema, path: str) -> None:
        missing = [field.name for field in self.fields(table) if field.name not in schema.names]
        if missing:
            raise InputError(
                f"{self.option}: {path}: has no column {missing[0]}, as an older ocspark wrote it; "
                "expected a run of this one: the job's command makes it"
            )


def latest_run(root: str) -> str | None:
    """Return the id of the newest finished run in a folder of runs, None if there is none.

    The file that has it may be empty while it is written; see `ocspark.storage.read_json`.
    """
    latest = storage.join(root, LATEST)
    return (storage.read_text(latest).strip() or None) if storage.exists(latest) else None


def open_run(path: str, option: str = "--run") -> FinishedRun:
    """Open a finished run.

    Parameters
    ----------
    path : str
        Its folder; a folder of runs, whose newest finished one is meant; or
        ``table:CATALOG.SCHEMA.PREFIX``, as its ``output.path`` was, for the newest one there.
    option : str
        Its name on the command line, for errors.

    Raises
    ------
    InputError
        If there is no finished run.
    """
    if is_table(path):
        catalogue = CatalogueTables.parse(path, option)
        content = catalogue.newest_record(get_session("ocspark"), option)
        record = json.loads(content)
        work = record["settings"]["output"]["work"]
        return FinishedRun(storage.join(work, record["run_id"]), record, catalogue, option)
    record_path = storage.join(path, RECORD)
    latest = None if storage.exists(record_path) else latest_run(path)
    if latest is not None:
        path = storage.join(path, latest)
        record_path = storage.join(path, RECORD)
    record = storage.read_json(record_path)
    if record is None:
        if storage.exists(storage.join(path, NOTE)):
            raise InputError(
                f"{option}: {path}: the run there has not finished; the command that began it "
                "goes on with it"
            )
        found = "not JSON" if storage.exists(record_path) else "no such file"
        raise InputError(
            f"{option}: {record_path}: {found}; expected the directory of a finished run, or "
            f"one with a file `{LATEST}` that names it"
        )
    if not isinstance(record, dict):
        raise InputError(f"{option}: {record_path}: expected the record of a run")
    return FinishedRun(path, record, None, option)
