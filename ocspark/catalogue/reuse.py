"""Copy rows of unchanged clusters from an earlier finished run.

A file is copied as it is if all its clusters are unchanged; above all those of `candidates`, which
have one cluster each. Of other files the rows to keep are written to a new file. The list of files
of the earlier run (`FILES`) names the clusters in each, so no file is opened needlessly.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow.parquet as pq

from ocspark import storage
from ocspark.catalogue.dependence import STAGES, Dependence, Stage, changes
from ocspark.errors import InputError
from ocspark.store.files import DamagedFile, TableFile, TableWriters, rows_of_clusters
from ocspark.store.finished_run import RECORD, latest_run, open_run
from ocspark.store.folder import RunFolder, Work, digest

log = logging.getLogger("ocspark")

#: File in a run's directory with the `Dependence` of its clusters.
DEPENDENCE = "_dependence.json"
#: Bytes that one task copies.
_BYTES_PER_TASK = 1 << 26


@dataclass(frozen=True)
class BaseRun:
    """A finished run to copy from.

    Attributes
    ----------
    run_id : str
        Id of the run.
    folder : RunFolder
        Its directory.
    finished : str
        When it finished.
    dependence : Dependence
        What its clusters depended on.
    files : list of TableFile
        Its files.
    """

    run_id: str
    folder: RunFolder
    finished: str
    dependence: Dependence
    files: list[TableFile]

    def files_of(self, table: str) -> list[TableFile]:
        """Return the files of a table."""
        return [file for file in self.files if file.table == table]

    @cached_property
    def lost(self) -> frozenset[str]:
        """Names of files that are missing or have another size, as a listing shows."""
        return frozenset(self.folder.missing_files(self.files))


def open_base(root: str, wanted: str | None, run_id: str) -> BaseRun | None:
    """Return the run to copy from, or None.

    Parameters
    ----------
    root : str
        Folder of the runs.
    wanted : str or None
        ``latest``, the id of a run, or None for none.
    run_id : str
        Id of the new run, which cannot copy from itself.

    Raises
    ------
    InputError
        If a run is asked for by its id and does not exist or cannot be used.
    """
    if wanted is None:
        return None
    name = latest_run(root) if wanted == "latest" else wanted
    if name is None:
        return None
    reason = "is the run itself" if name == run_id else None
    if reason is None:
        base = _open(storage.join(root, name), name)
        if isinstance(base, BaseRun):
            return base
        reason = base
    if wanted == "latest":
        log.info("run %s %s: nothing is copied from it", name, reason)
        return None
    raise InputError(f"output.base: {storage.join(root, name)}: {reason}; expected a finished run")


def _open(path: str, run_id: str) -> BaseRun | str:
    """Return a finished run, or the reason why it cannot be used."""
    if not storage.exists(storage.join(path, RECORD)):
        return "is not finished"
    damaged = "was made by another version, or its record is damaged"
    try:
        run = open_run(path)
        dependence = Dependence.from_json(storage.read_json(storage.join(path, DEPENDENCE)))
        finished, files = str(run.record["finished"]), run.files
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return damaged
    if dependence is None:
        return damaged
    return BaseRun(run_id, RunFolder(path), finished, dependence, files)


@dataclass(frozen=True)
class Reuse:
    """Decision which clusters each stage computes again, and which rows are copied.

    Attributes
    ----------
    base : BaseRun or None
        The earlier run.
    redone : dict
        Stage to cluster_key to the reasons why it is computed again.
    clusters : frozenset of int
        Keys of the clusters that have a cone.
    """

    base: BaseRun | None
    redone: dict[str, dict[int, list[str]]]
    clusters: frozenset[int]

    @property
    def base_id(self) -> str | None:
        """Id of the earlier run."""
        return self.base.run_id if self.base else None

    def kept(self, stage: str) -> frozenset[int]:
        """Return the clusters whose rows of a stage are copied."""
        return self.clusters - self.redone[stage].keys()

    def reasons(self, stage: str) -> dict[str, int]:
        """Return the number of clusters by reason; a cluster may have several."""
        return dict(Counter(why for some in self.redone[stage].values() for why in some))

    def as_record(self) -> dict[str, object]:
        """Return the section ``base`` of run.json."""
        return {
            "run_id": self.base_id,
            "stages": {
                stage.name: {
                    "reused": len(self.kept(stage.name)),
                    "redone": len(self.redone[stage.name]),
                    "reasons": self.reasons(stage.name),
                }
                for stage in STAGES
            },
        }


def decide_reuse(
    base: BaseRun | None, now: Dependence, tables: Collection[str], damaged: Collection[str] = ()
) -> Reuse:
    """Decide which clusters each stage computes again.

    Parameters
    ----------
    base : BaseRun or None
        The earlier run.
    now : Dependence
        What clusters of the new run depend on.
    tables : collection of str
        Tables that the new run writes.
    damaged : collection of str
        Names of files of the earlier run that are known to be damaged.
    """
    keys = frozenset(int(key) for key in now.clusters)
    if base is None:
        redone = {stage.name: {key: ["no earlier run"] for key in keys} for stage in STAGES}
        return Reuse(None, redone, keys)
    redone = changes(base.dependence, now)
    there = {file.table for file in base.files}
    bad = base.lost | set(damaged)
    for stage in STAGES:
        wanted = [table for table in stage.tables if table in tables]
        absent = [table for table in wanted if table not in there]
        if absent:
            again, why = keys, f"{absent[0]} not in the earlier run"
        else:
            harmed = [f.clusters or {} for f in base.files if f.name in bad and f.table in wanted]
            again, why = keys & set().union(*harmed), "earlier run's file damaged"
        for key in again:
            redone[stage.name].setdefault(key, []).append(why)
    return Reuse(base, redone, keys)


@dataclass(frozen=True)
class _Kept:
    """A file of the earlier run, and the clusters whose rows are copied."""

    file: TableFile
    keys: frozenset[int]


def plan_copies(reuse: Reuse, stage: Stage, tables: Collection[str]) -> list[Work]:
    """Return the tasks that copy a stage's rows of unchanged clusters.

    Parameters
    ----------
    reuse : Reuse
        Decision which clusters are copied.
    stage : Stage
        The stage.
    tables : collection of str
        Tables that the new run writes.
    """
    if reuse.base is None:
        return []
    kept = reuse.kept(stage.name)
    works = []
    for table in (table for table in stage.tables if table in tables):
        files = [_Kept(f, kept & (f.clusters or {}).keys()) for f in reuse.base.files_of(table)]
        for number, group in enumerate(_group_by_bytes([f for f in files if f.keys])):
            work = digest([[f.file.sha256, sorted(f.keys)] for f in group])
            rows = sum(f.file.rows for f in group)
            cost = float(sum(f.file.bytes for f in group))
            works.append(Work(f"{table.strip('_')}-{number:05d}", work, rows, group, cost))
    return works


def _group_by_bytes(files: Sequence[_Kept]) -> list[list[_Kept]]:
    groups: list[list[_Kept]] = []
    total = 0
    for file in files:
        if not groups or total + file.file.bytes > _BYTES_PER_TASK:
            groups.append([])
            total = 0
        groups[-1].append(file)
        total += file.file.bytes
    return groups


@dataclass(frozen=True)
class CopyUnchanged:
    """Copy rows from files of an earlier run, whose folder is `source`: the function of a task."""

    source: str

    def __call__(self, files: Sequence[_Kept], writers: TableWriters) -> Mapping[str, Any]:
        """Copy the rows to keep.

        Raises
        ------
        DamagedFile
            If a file has changed since the earlier run wrote it.
        """
        for kept in files:
            try:
                if kept.keys == (kept.file.clusters or {}).keys():
                    writers.copy(kept.file, self.source)
                else:
                    self._filter(kept, writers)
            except FileNotFoundError:
                raise DamagedFile(kept.file.name) from None
        return {}

    def _filter(self, kept: _Kept, writers: TableWriters) -> None:
        path = storage.join(self.source, kept.file.name)
        if storage.size_and_sha256(path) != (kept.file.bytes, kept.file.sha256):
            raise DamagedFile(kept.file.name)
        filesystem, inner = storage.resolve(path)
        for batch in pq.ParquetFile(inner, filesystem=filesystem).iter_batches():
            writers.add(kept.file.table, rows_of_clusters(batch, kept.keys))
