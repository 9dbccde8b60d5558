"""An earlier finished run, and what a new one takes over from it: rows of unchanged clusters.

A file none of whose clusters is dropped is copied as it is, above all those of `candidates`, which
have one cluster each; of others the rows to keep are written anew. run.json and `FILES` tell which
file has which cluster, so none is opened in vain.
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

#: In a run's directory: the `Dependence` of its clusters.
DEPENDENCE = "_dependence.json"
#: Bytes that one task copies.
_BYTES_PER_TASK = 1 << 26


@dataclass(frozen=True)
class BaseRun:
    """A finished run: its id, folder, what its clusters depended on, its files."""

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
        """Names of files that are not there, or not with their size (by listing)."""
        return frozenset(self.folder.missing_files(self.files))


def open_base(root: str, wanted: str | None, run_id: str) -> BaseRun | None:
    """Return the run to take over from, if there is one.

    Parameters
    ----------
    root : str
        Folder of the runs.
    wanted : str or None
        ``latest``, the id of a run, or None for none.
    run_id : str
        Of the new run, which is not its own base.

    Raises
    ------
    InputError
        If a run that is asked for by its id is not there or cannot be taken over from.
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
        log.info("run %s %s: nothing is taken over from it", name, reason)
        return None
    raise InputError(f"output.base: {storage.join(root, name)}: {reason}; expected a finished run")


def _open(path: str, run_id: str) -> BaseRun | str:
    """Return a finished run, or why it cannot be used."""
    if not storage.exists(storage.join(path, RECORD)):
        return "is not finished"
    damaged = "was made by another version, or its notes are damaged"
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
    """The clusters that a run does again, stage by stage, and why.

    Attributes
    ----------
    base : BaseRun or None
    redone : dict
        Stage to cluster_key to reasons.
    clusters : frozenset of int
        Keys of the clusters that have a cone.
    """

    base: BaseRun | None
    redone: dict[str, dict[int, list[str]]]
    clusters: frozenset[int]

    @property
    def base_id(self) -> str | None:
        """The id of the earlier run."""
        return self.base.run_id if self.base else None

    def kept(self, stage: str) -> frozenset[int]:
        """Return the clusters whose rows of a stage are taken over."""
        return self.clusters - self.redone[stage].keys()

    def reasons(self, stage: str) -> dict[str, int]:
        """Return how many clusters have each reason; a cluster may have several."""
        return dict(Counter(why for some in self.redone[stage].values() for why in some))

    def as_record(self) -> dict[str, object]:
        """Return what run.json tells of it."""
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
    """Decide which clusters each stage does again.

    Parameters
    ----------
    base : BaseRun or None
    now : Dependence
        Of the new run.
    tables : collection of str
        That the new run writes.
    damaged : collection of str
        Names of files of the base that are known to be damaged.
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
    """A file of the earlier run, and the clusters whose rows are kept."""

    file: TableFile
    keys: frozenset[int]


def plan_copies(reuse: Reuse, stage: Stage, tables: Collection[str]) -> list[Work]:
    """Return the work of taking over a stage's rows of unchanged clusters.

    Parameters
    ----------
    reuse : Reuse
    stage : Stage
    tables : collection of str
        That the new run writes.
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
    """Copy what is kept of some files of the earlier run, whose folder is `source`."""

    source: str

    def __call__(self, files: Sequence[_Kept], writers: TableWriters) -> Mapping[str, Any]:
        """Copy the rows to keep.

        Raises
        ------
        DamagedFile
            If a file is not as the earlier run wrote it.
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
