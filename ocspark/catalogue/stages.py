"""The stages of a run: pass 1, the barrier, pass 2, the clusters table; each also takes over."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.catalogue.base import Reuse
from ocspark.catalogue.dependence import STAGES
from ocspark.catalogue.fingerprint import digest
from ocspark.catalogue.inputs import RunInputs
from ocspark.catalogue.passes import land_small, search_pass
from ocspark.catalogue.summary import cluster_rows, count_candidates, count_cones, to_spark
from ocspark.catalogue.takeover import take_over
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import (
    Evaluation,
    evaluate_candidates,
    expected_device,
    split_candidates,
)
from ocspark.mirror.layout import CheckedFile, group_by_rows
from ocspark.selection.characterise_clusters import characterise_clusters, training_members
from ocspark.selection.cone import Cones
from ocspark.selection.listed_members import Listed, find_training_members
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.store.folder import Manifest, RunDirectory
from ocspark.tables.candidates import CANDIDATES, NON_MEMBERS
from ocspark.tables.characterised import MODELS, TRAINING_MEMBERS
from ocspark.tables.clusters import CLUSTERS
from ocspark.tables.fields import struct
from ocspark.tables.run import SEARCH

log = logging.getLogger("ocspark")

_FIELDS = {
    "_search": SEARCH,
    "_models": MODELS,
    "training_members": TRAINING_MEMBERS,
    "candidates": CANDIDATES,
    "non_members": NON_MEMBERS,
}


def mirror_units(inputs: RunInputs, step: str, cones: Cones) -> dict[str, list[CheckedFile]]:
    """Return the units that search for some cones: of each group the files that they touch."""
    groups = group_by_rows(inputs.files, inputs.settings.spark.rows_per_unit)
    if len(cones.table) < len(inputs.cones.table):
        touched = set(inputs.mirror.touched_by(cones.cover)) if len(cones.table) else set()
        groups = [[file for file in files if file.file in touched] for files in groups]
    units = {f"{step}-{number:05d}": files for number, files in enumerate(groups)}
    return {unit: files for unit, files in units.items() if files}


class Stages:
    """One execution: the stages share inputs, run directory, session and what is taken over.

    Parameters
    ----------
    inputs : RunInputs
    run : RunDirectory
    spark : SparkSession
    reuse : Reuse
    tables : sequence of str
        That the run writes.
    """

    def __init__(
        self,
        inputs: RunInputs,
        run: RunDirectory,
        spark: SparkSession,
        reuse: Reuse,
        tables: Sequence[str],
    ) -> None:
        self._inputs, self._run, self._spark, self._reuse = inputs, run, spark, reuse
        self._tables = tables
        self._units: list[Manifest] = []

    def execute(self) -> tuple[list[Manifest], pd.DataFrame]:
        """Do all that is not done; return the units and the clusters table.

        Raises
        ------
        InputError
            If a mirror file cannot be read.
        OutputError
            If there is no room.
        DamagedBase
            If a file of the earlier run is damaged.
        """
        self._search()
        self._characterise()
        self._evaluate()
        self._run.sweep(self._units, ["_units", "clusters"])
        return self._units, self._summarise()

    def _again(self, stage: str) -> list[int]:
        return sorted(self._reuse.redone[stage])

    def _take_over(self, stage: int) -> None:
        rows = self._inputs.settings.spark.rows_per_unit
        self._units += take_over(
            self._spark, self._run, self._reuse, STAGES[stage], self._tables, rows
        )

    def _settle(self, *tables: str) -> None:
        """Leave in tables the files of this run's units alone; an empty one where there are none.

        Nothing may be read of a table before: an attempt that died may have left files there.
        """
        self._run.sweep(self._units, tables)
        for table in tables:
            if not storage.list_files(self._run.path(table)):
                fields = _FIELDS[table]
                self._small(
                    f"empty-{table.strip('_')}",
                    table,
                    lambda fields=fields: self._spark.createDataFrame([], struct(fields)),
                )

    def _small(self, unit: str, table: str, frame: Any, keys: Sequence[int] = ()) -> None:
        self._units.append(land_small(self._run, unit, table, frame, digest(list(keys))))

    def _read(self, table: str) -> DataFrame:
        return self._run.read(self._spark, table, _FIELDS[table])

    def _search(self) -> None:
        """Pass 1: listed members in the cones, and counts."""
        self._take_over(0)
        cones = self._inputs.cones.only(self._again("search"))
        if len(cones.table):
            process = find_training_members(self._spark, Listed(self._inputs.listed()))
            self._units += search_pass(
                self._spark,
                self._run,
                "pass 1 (search)",
                mirror_units(self._inputs, "search", cones),
                self._inputs.release.columns,
                cones,
                process,
                ["_search"],
            )
        self._settle("_search")

    def _characterise(self) -> None:
        """Pass the barrier: cluster models and training members."""
        self._take_over(1)
        again = self._again("characterise")
        if again:
            found = self._read("_search").where("source_id is not null")
            if self._reuse.kept("characterise"):
                found = found.where(F.col("cluster_key").isin(again))
            rules = self._inputs.training_rules()
            self._small(
                "models",
                "_models",
                lambda: characterise_clusters(self._spark, found, rules),
                again,
            )
            self._settle("_models")
            models = self._models(again)
            log.info("%d clusters characterised", len(models))
            calibration = self._inputs.calibration
            self._small(
                "training",
                "training_members",
                lambda: training_members(self._spark, found, models, calibration),
                again,
            )
        self._settle("_models", "training_members")

    def _characterised(self) -> dict[int, dict[str, Any]]:
        rows = self._run.read_arrow("_models").to_pylist()
        return {row["cluster_key"]: row for row in sorted(rows, key=lambda r: r["cluster_key"])}

    def _models(self, keys: Sequence[int]) -> dict[int, ClusterModel]:
        """Return the models of some clusters, where they have one."""
        names, wanted = self._inputs.clusters.table.set_index("cluster_key")["cluster"], set(keys)
        return {
            key: model_from_row(row, names[key])
            for key, row in self._characterised().items()
            if row["reason"] is None and key in wanted
        }

    def _evaluate(self) -> None:
        """Pass 2: candidates and their probabilities."""
        inputs = self._inputs
        tables = [table for table in STAGES[2].tables if table in self._tables]
        self._take_over(2)
        again = self._again("membership")
        if again:
            models = self._models(again)
            cones = inputs.cones.only(models)
            membership = inputs.settings.membership
            sampling = Sampling(**membership.model_dump(exclude={"device"}))
            evaluation = Evaluation(
                models, inputs.network, sampling, inputs.calibration, membership.device
            )
            wanted = inputs.settings.output.non_members
            self._units += search_pass(
                self._spark,
                self._run,
                "pass 2 (membership)",
                mirror_units(inputs, "membership", cones),
                inputs.release.columns,
                cones,
                evaluate_candidates(self._spark, evaluation, wanted),
                tables,
                split_candidates if wanted else None,
                expected_device(membership.device, self._spark),
            )
        self._settle(*tables)

    def _summarise(self) -> pd.DataFrame:
        """Write the clusters table from what has landed."""
        rows = cluster_rows(
            self._inputs,
            count_cones(self._read("_search")),
            self._characterised(),
            self._models([int(key) for key in self._inputs.clusters.table["cluster_key"]]),
            count_candidates(self._read("candidates")),
        )
        storage.remove_file(self._run.path("_units", "clusters.json"))
        self._units.append(
            land_small(
                self._run, "clusters", "clusters", lambda: to_spark(self._spark, rows, CLUSTERS)
            )
        )
        return rows


def devices(units: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many rows each device evaluated."""
    rows: dict[str, int] = {}
    for file in (file for unit in units for file in unit["files"]):
        if file["name"].startswith("candidates/") and "device" in file:
            rows[file["device"]] = rows.get(file["device"], 0) + file["rows"]
    return rows
