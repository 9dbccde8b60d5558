"""A finished run, read back: its record, its tables and its cluster models."""

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
from ocspark.names import cluster_key
from ocspark.release import Release, release_of_run
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.settings import Settings, make_settings
from ocspark.tables.candidates import CANDIDATES, NON_MEMBERS, carried_fields
from ocspark.tables.characterised import MODELS, TRAINING_MEMBERS
from ocspark.tables.clusters import CLUSTERS
from ocspark.tables.fields import Field, struct

_TABLES = {
    "candidates": CANDIDATES,
    "training_members": TRAINING_MEMBERS,
    "clusters": CLUSTERS,
    "non_members": NON_MEMBERS,
    "_models": MODELS,
}


@dataclass(frozen=True)
class LandedRun:
    """A finished run.

    Attributes
    ----------
    path : str
        Its directory.
    record : dict
        The content of run.json.
    """

    path: str
    record: dict[str, Any]

    @cached_property
    def settings(self) -> Settings:
        """The settings it ran with."""
        return make_settings(self.record["settings"], storage.join(self.path, "run.json"))

    @cached_property
    def release(self) -> Release:
        """The release it was made of, as the run carries it."""
        return release_of_run(self.record, f"--run: {self.path}/run.json")

    def has(self, table: str) -> bool:
        """Whether a table has landed (non_members does only when asked for)."""
        return storage.is_directory(storage.join(self.path, table))

    def fields(self, table: str) -> list[Field]:
        """Return the columns of a table of the run, with those that it carries along."""
        carried = carried_fields(self.record) if table == "candidates" else []
        return [*_TABLES[table], *carried]

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return a table of the run as Spark reads it."""
        path = storage.for_spark(storage.join(self.path, table))
        return spark.read.schema(struct(self.fields(table))).parquet(path)

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """The clusters table with ``cluster_key``, sorted by name (a row per cluster, no stars)."""
        table = self._read_arrow("clusters").to_pandas()
        table["cluster_key"] = [cluster_key(name) for name in table["cluster"]]
        return table.sort_values("cluster", ignore_index=True)

    @cached_property
    def models(self) -> dict[int, ClusterModel]:
        """The characterised clusters by key: means, Δs, apparent isochrone, training members."""
        names = self.clusters.set_index("cluster_key")["cluster"]
        return {
            row["cluster_key"]: model_from_row(row, names[row["cluster_key"]])
            for row in self._read_arrow("_models").to_pylist()
            if row["reason"] is None and row["cluster_key"] in names.index
        }

    def _read_arrow(self, table: str) -> pa.Table:
        path = storage.join(self.path, table)
        if not storage.is_directory(path):
            raise InputError(f"--run: {path}: no such table; expected it in a finished run")
        filesystem, inner = storage.resolve(path)
        found = pq.read_table(inner, filesystem=filesystem)
        missing = [f.name for f in _TABLES[table] if f.name not in found.column_names]
        if missing:
            raise InputError(
                f"--run: {path}: has no column {missing[0]}, as an older ocspark wrote it; "
                "expected a run of this one: the job's command makes it"
            )
        return found


@dataclass(frozen=True)
class LandedTables:
    """What a comparison wrote: its `path`, and its JSON file as `record`."""

    path: str
    record: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Return a table (of clusters, cuts or counts, not of stars) as pandas."""
        filesystem, inner = storage.resolve(storage.join(self.path, name))
        return pq.read_table(inner, filesystem=filesystem).to_pandas()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a small table as dictionaries."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def open_run(path: str, option: str = "--run") -> LandedRun:
    """Open a run directory, or the newest finished run of a directory with a ``latest`` file.

    `option` is what the command line calls it, for errors.

    Raises
    ------
    InputError
        If there is no finished run.
    """
    record, latest = storage.join(path, "run.json"), storage.join(path, "latest")
    if not storage.exists(record) and storage.exists(latest):
        path = storage.join(path, storage.read_text(latest).strip())
        record = storage.join(path, "run.json")
    if not storage.exists(record):
        if storage.exists(storage.join(path, "_inputs.json")):
            raise InputError(
                f"{option}: {path}: the run there has not finished; the command that began it "
                "goes on with it"
            )
        raise InputError(
            f"{option}: {record}: no such file; expected the directory of a finished run, or one "
            "with a file `latest` that names it"
        )
    try:
        content = json.loads(storage.read_text(record))
    except ValueError as error:
        raise InputError(f"{option}: {record}: not JSON: {error}") from None
    return LandedRun(path, content)
