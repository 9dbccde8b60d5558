"""Run the main job: from the mirror to tables of candidates with their probabilities."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.fingerprint import software_environment
from ocspark.catalogue.input_report import input_warnings, log_inputs
from ocspark.catalogue.inputs import APPLICATION
from ocspark.catalogue.listed_ids import id_warnings
from ocspark.catalogue.request import BASE, Request, catalogue_tables, open_request
from ocspark.catalogue.reuse import DEPENDENCE, Reuse
from ocspark.catalogue.stages import RunStages
from ocspark.catalogue.step_files import TEMPORARY
from ocspark.catalogue.summary import lacking_in_all, lacking_warnings, member_warnings
from ocspark.catalogue.unchanged import check_unchanged
from ocspark.errors import NoClusterError, OutputError
from ocspark.session import get_session
from ocspark.settings import Settings
from ocspark.store.files import TableFile
from ocspark.store.finished_run import FILES, LATEST, RECORD
from ocspark.store.folder import RunFolder
from ocspark.store.lock import Lock
from ocspark.store.preflight import check_workers
from ocspark.store.tasks import DamagedFiles
from ocspark.tables.candidates import carried_record

log = logging.getLogger("ocspark")

#: File in a run's directory that says that `latest` does not name the run yet.
_UNANNOUNCED = "_unannounced"


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes
    ----------
    path : str
        Its directory.
    record : dict
        Content of run.json.
    already_finished : bool
        Whether it was finished before, so that nothing was done now.
    """

    path: str
    record: dict[str, Any]
    already_finished: bool


def run_full_catalogue(
    settings: Settings, spark: SparkSession | None = None, overlay: str | None = None
) -> RunResult:
    """Compute membership probabilities for all clusters of a table.

    Rows of clusters for which nothing has changed since an earlier finished run in the same folder
    are copied from it (`ocspark.catalogue.dependence` says what counts as a change). The tables are
    the same, bit by bit, as those of a run without an earlier one.

    Parameters
    ----------
    settings : Settings
        From `ocspark.settings.load_settings` or `make_settings`.
    spark : SparkSession, optional
        Classic or Connect; by default the active one, or a new one.
    overlay : str, optional
        Files that are searched in addition to the mirror's; see `open_mirror`.

    Returns
    -------
    RunResult
        Its ``path`` is the directory with the tables and run.json.

    Raises
    ------
    InputError
        For anything wrong with settings or inputs.
    NoClusterError
        If no cluster can be evaluated; the run stays unfinished.
    OutputError
        If there is no space left, the storage cannot be reached, or written files are missing.
    BusyError
        If another run is at work in the folder.
    """
    request = open_request(settings, spark, overlay)
    run = request.run
    finished = request.finished()
    if finished is None:
        log_inputs(request.inputs)
        request.inputs.check_listed()
        with request.claim.hold() as lock:
            finished = request.finished()  # another process may have finished it meanwhile
            if finished is None:
                storage.write_file(run.path(_UNANNOUNCED), "")
                session = spark or get_session(APPLICATION, settings.spark.config)
                record = _execute(request, session, lock)
                _announce(request)
                _remove_temporary(run)
                return RunResult(run.root, record, False)
    _announce(request)
    _remove_temporary(run)  # if the process that finished the run was stopped before this
    return RunResult(run.root, finished, True)


def _announce(request: Request) -> None:
    """Let `latest` name the run, if that has not been done since it was finished."""
    run, latest = request.run, storage.join(request.root, LATEST)
    if storage.exists(run.path(_UNANNOUNCED)) or not storage.exists(latest):
        storage.write_file(latest, request.run_id + "\n")
        storage.remove_file(run.path(_UNANNOUNCED))


def _execute(request: Request, spark: SparkSession, lock: Lock) -> dict[str, Any]:
    started, clock = datetime.now(UTC), time.monotonic()
    run = request.run
    if request.catalogue is not None:
        request.catalogue.check(spark, catalogue_tables(request), request.inputs.carried)
    first = request.inputs.files[0].file
    check_workers(spark, run.root, [] if first.in_table else [first.path])
    now, base = request.dependence(spark), request.base()
    storage.write_file(run.path(DEPENDENCE), json.dumps(now.as_json()))
    storage.write_file(run.path(BASE), base.run_id if base else "")
    damaged: frozenset[str] = frozenset()
    while True:
        reuse = request.reuse(base, now, damaged)
        _log(reuse)
        try:
            stages = RunStages(request.inputs, run, spark, reuse, request.tables)
            rows = stages.execute()
            if not (rows["status"] == "done").any():
                reasons = dict(zip(rows["cluster"], rows["reason"], strict=True))
                raise NoClusterError(reasons, run.path("clusters"))
            break
        except DamagedFiles as fault:
            log.warning(
                "changed since run %s wrote it, so computed again: %s", reuse.base_id, fault
            )
            damaged |= fault.names
    missing = run.missing_files(stages.files.tables)
    if missing:
        raise OutputError(
            f"output: {run.path(missing[0])}: gone or changed since it was written; the same "
            "command makes it again"
        )
    check_unchanged(request.inputs, request.fingerprint)
    lock.confirm()
    storage.write_file(
        run.path(FILES),
        json.dumps([file.as_json() for file in stages.files.tables if file.table != "clusters"]),
    )
    record = {
        **_record(request, reuse, stages, rows),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 1),
    }
    if request.catalogue is not None:
        request.catalogue.publish(spark, run, record)
    storage.write_file(run.path(RECORD), json.dumps(record, indent=1))
    return record


def _remove_temporary(run: RunFolder) -> None:
    """Remove the pieces and manifests of a finished run."""
    for folder in TEMPORARY:
        storage.remove_directory(run.path(folder))


def _log(reuse: Reuse) -> None:
    if reuse.base is not None:
        log.info(
            "%d of %d clusters are unchanged: their rows are copied from run %s",
            len(reuse.kept("membership")),
            len(reuse.clusters),
            reuse.base_id,
        )


def _record(
    request: Request, reuse: Reuse, stages: RunStages, rows: pd.DataFrame
) -> dict[str, Any]:
    portions = stages.files.portions
    inputs, status = request.inputs, rows["status"].value_counts().to_dict()
    lacking = lacking_in_all(stages.lacking)
    searched = rows[rows["n_cone"].notna()]
    warnings = lacking_warnings(lacking, int(searched["n_cone"].sum()))
    not_in_cones = (searched["n_listed"] - searched["n_training_members"]).sum()
    members = {
        **inputs.members.counts,
        "table_clusters_not_listed": len(inputs.not_listed),
        "not_in_cones": int(not_in_cones),
    }
    warnings += id_warnings(inputs, rows)
    if inputs.settings.members.neighbourhood:  # else a list's ids are this release's
        warnings += member_warnings(members, int(searched["n_listed"].sum()))
    for warning in warnings:
        log.warning("WARNING: %s", warning)
    return {
        "run_id": request.run_id,
        "inputs": json.loads(json.dumps(request.fingerprint)),
        "settings": inputs.settings.model_dump(mode="json"),
        "overlay": request.overlay,
        "release": inputs.release.name,
        "warnings": [*input_warnings(inputs), *warnings],
        "model": {
            "name": inputs.network.name,
            "sha256": inputs.network.sha256,
            "trained_on_release": inputs.network.release,
        },
        "seed": inputs.settings.membership.seed,
        "members": members,
        "clusters": {"done": status.get("done", 0), "skipped": status.get("skipped", 0)},
        "totals": {
            name: int(pd.to_numeric(rows[name]).sum())
            for name in ("n_cone", "n_candidates", "n_p10", "n_p50", "n_p90", "n_members")
        },
        "posterior": {
            "clusters": int(rows["n_members"].notna().sum()),
            "seconds": round(sum(p.get("posterior_seconds", 0.0) for p in portions), 1),
        },
        "lacking": lacking,
        "column_maps": {
            "clusters": inputs.clusters.columns.name or None,
            "members": inputs.members.columns.name or None,
        },
        "mirror_columns": dict(inputs.columns.names),
        "carried_columns": carried_record(inputs.carried),
        "base": reuse.as_record(),
        "devices": stages.files.rows_by_device(),
        "environment": software_environment(),
        "tables": _sizes(stages.files.tables),
        "portions": portions,
    }


def _sizes(files: Sequence[TableFile]) -> dict[str, dict[str, int]]:
    """Return files, rows and bytes of each table."""
    tables: dict[str, dict[str, int]] = {}
    for file in files:
        size = tables.setdefault(file.table, {"files": 0, "rows": 0, "bytes": 0})
        size["files"] += 1
        size["rows"] += file.rows
        size["bytes"] += file.bytes
    return tables
