"""The main job: mirror → cones → training members → candidates → probabilities → tables."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ocspark import storage
from ocspark.errors import InputError
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, evaluate_candidates, split_candidates
from ocspark.mirror.layout import group_by_rows
from ocspark.runs.fingerprint import default_run_id, environment, fingerprint_inputs
from ocspark.runs.inputs import APPLICATION, RunInputs, read_inputs
from ocspark.runs.lock import hold_lock
from ocspark.runs.passes import land_small, search_pass
from ocspark.runs.summary import cluster_rows, count_candidates, count_cones, to_spark
from ocspark.runs.units import Manifest, RunDirectory
from ocspark.selection.model import ClusterModel
from ocspark.selection.training import (
    Listed,
    characterise_clusters,
    find_training_members,
    model_from_row,
    training_members,
)
from ocspark.session import get_session
from ocspark.settings import Settings
from ocspark.tables import (
    CANDIDATES,
    CLUSTERS,
    NON_MEMBERS,
    SEARCH,
    TRAINING_MEMBERS,
    Field,
    struct,
)

log = logging.getLogger("ocspark")


@dataclass(frozen=True)
class RunResult:
    """A finished run: directory, content of run.json, whether it was finished before."""

    path: str
    record: dict[str, Any]
    already_finished: bool


def run_full_catalogue(settings: Settings, spark: SparkSession | None = None) -> RunResult:
    """Compute membership probabilities for all clusters of a table.

    Parameters
    ----------
    settings : Settings
        From `ocspark.settings.load_settings` or `make_settings`.
    spark : SparkSession, optional
        Classic or Connect; by default the active one, or a new one.

    Returns
    -------
    RunResult
        Tables and run.json are under its ``path``.

    Raises
    ------
    InputError
        For anything wrong with settings or inputs.
    """
    inputs = read_inputs(settings, spark)
    fingerprint = fingerprint_inputs(settings, inputs.release, inputs.network, inputs.files)
    run_id = settings.output.run_id or default_run_id(fingerprint)
    run = RunDirectory(storage.join(settings.output.path, run_id))
    latest = storage.join(settings.output.path, "latest")
    finished = _finished(run, fingerprint)
    if finished is not None:
        if not storage.exists(latest):  # stopped between run.json and this
            storage.write_file(latest, run_id + "\n")
        return RunResult(run.root, finished, True)
    inputs.log()
    storage.make_directory(run.root)
    with hold_lock(run.path("_lock")):
        _claim(run, fingerprint)
        session = spark or get_session(APPLICATION, settings.spark.config)
        record = _Job(inputs, run, session).execute(run_id, fingerprint)
    storage.write_file(latest, run_id + "\n")
    return RunResult(run.root, record, False)


def _finished(run: RunDirectory, fingerprint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return run.json if the run is finished; refuse a directory with another run in it."""
    for name, key in (("run.json", "inputs"), ("_inputs.json", None)):
        path = run.path(name)
        if storage.exists(path):
            record: dict[str, Any] = json.loads(storage.read_text(path))
            if (record[key] if key else record) != json.loads(json.dumps(fingerprint)):
                raise InputError(
                    f"output.run_id: {run.root} holds a run with other inputs or settings; "
                    "expected another run_id, or none"
                )
            if name == "run.json":
                return record
    return None


def _claim(run: RunDirectory, fingerprint: Mapping[str, Any]) -> None:
    if not storage.exists(run.path("_inputs.json")):
        storage.write_file(run.path("_inputs.json"), json.dumps(fingerprint, indent=1))


class _Job:
    """One execution: the steps share inputs, run directory and session."""

    def __init__(self, inputs: RunInputs, run: RunDirectory, spark: SparkSession) -> None:
        self._inputs, self._run, self._spark = inputs, run, spark
        self._units = group_by_rows(inputs.files, inputs.settings.spark.rows_per_unit)

    def execute(self, run_id: str, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        started, clock = datetime.now(UTC), time.monotonic()
        searched = self._search()
        found = self._read("_search", struct(SEARCH)).where("source_id is not null")
        barrier, models = self._characterise(found)
        evaluated = self._evaluate(models)
        rows = self._summarise(models)
        status = rows["status"].value_counts().to_dict()
        record = {
            "run_id": run_id,
            "inputs": json.loads(json.dumps(fingerprint)),
            "settings": self._inputs.settings.model_dump(mode="json"),
            "release": self._inputs.release.name,
            "warnings": self._inputs.warnings(),
            "model": {
                "name": self._inputs.network.name,
                "sha256": self._inputs.network.sha256,
                "trained_on_release": self._inputs.network.release,
            },
            "seed": self._inputs.settings.membership.seed,
            "members": self._inputs.members.counts,
            "clusters": {"done": status.get("done", 0), "skipped": status.get("skipped", 0)},
            "totals": {
                name: int(rows[name].fillna(0).sum())
                for name in ("n_cone", "n_candidates", "n_p10", "n_p50", "n_p90")
            },
            "environment": environment(),
            "units": [*searched, *barrier, *evaluated],
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 1),
        }
        storage.remove_directory(self._run.path("_staging"))
        storage.write_file(self._run.path("run.json"), json.dumps(record, indent=1))
        return record

    def _read(self, table: str, schema: Any) -> DataFrame:
        return self._spark.read.schema(schema).parquet(storage.for_spark(self._run.path(table)))

    def _search(self) -> list[Manifest]:
        """Pass 1: listed members in the cones, and counts."""
        units = {f"search-{number:05d}": files for number, files in enumerate(self._units)}
        process = find_training_members(self._spark, Listed(self._inputs.listed()))
        return search_pass(
            self._spark,
            self._run,
            "pass 1 (search)",
            units,
            self._inputs.release.columns,
            self._inputs.cones,
            process,
            ["_search"],
        )

    def _characterise(self, found: DataFrame) -> tuple[list[Manifest], dict[int, ClusterModel]]:
        """Pass the barrier: cluster models and training members."""
        rules = self._inputs.training_rules()
        first = land_small(
            self._run, "models", "_models", lambda: characterise_clusters(self._spark, found, rules)
        )
        names = self._inputs.clusters.table.set_index("cluster_key")["cluster"]
        models = {
            key: model_from_row(row, names[key])
            for key, row in self._characterised().items()
            if row["reason"] is None
        }
        log.info("%d clusters characterised", len(models))
        calibration = self._inputs.calibration
        second = land_small(
            self._run,
            "training",
            "training_members",
            lambda: training_members(self._spark, found, models, calibration),
        )
        return [first, second], models

    def _characterised(self) -> dict[int, dict[str, Any]]:
        rows = self._run.read_arrow("_models").to_pylist()
        return {row["cluster_key"]: row for row in sorted(rows, key=lambda r: r["cluster_key"])}

    def _evaluate(self, models: dict[int, ClusterModel]) -> list[Manifest]:
        """Pass 2: candidates and their probabilities."""
        inputs = self._inputs
        cones = inputs.cones.only(list(models))
        touched = set(inputs.mirror.touched_by(cones.cover)) if models else set()
        units = {
            f"membership-{number:05d}": [f for f in files if f.file in touched]
            for number, files in enumerate(self._units)
        }
        membership = inputs.settings.membership
        sampling = Sampling(**membership.model_dump(exclude={"device"}))
        evaluation = Evaluation(
            models, inputs.network, sampling, inputs.calibration, membership.device
        )
        wanted = inputs.settings.output.non_members
        process = evaluate_candidates(self._spark, evaluation, wanted)
        return search_pass(
            self._spark,
            self._run,
            "pass 2 (membership)",
            {unit: files for unit, files in units.items() if files},
            inputs.release.columns,
            cones,
            process,
            ["candidates", "non_members"] if wanted else ["candidates"],
            split_candidates if wanted else None,
        )

    def _land_empty(self, table: str, fields: list[Field]) -> None:
        land_small(
            self._run,
            f"empty-{table}",
            table,
            lambda: self._spark.createDataFrame([], struct(fields)),
        )

    def _summarise(self, models: Mapping[int, ClusterModel]) -> Any:
        """Write the clusters table from what has landed, and tables that got no rows at all."""
        empty = {"candidates": CANDIDATES, "training_members": TRAINING_MEMBERS}
        if self._inputs.settings.output.non_members:
            empty["non_members"] = NON_MEMBERS
        for table, fields in empty.items():
            if not storage.list_files(self._run.path(table)):
                self._land_empty(table, fields)
        rows = cluster_rows(
            self._inputs,
            count_cones(self._read("_search", struct(SEARCH))),
            self._characterised(),
            models,
            count_candidates(self._read("candidates", struct(CANDIDATES))),
        )
        storage.remove_file(self._run.path("_units", "clusters.json"))
        land_small(self._run, "clusters", "clusters", lambda: to_spark(self._spark, rows, CLUSTERS))
        return rows
