"""An earlier finished run, from which a new one takes over what has not changed."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ocspark import storage
from ocspark.catalogue.dependence import STAGES, Dependence, changes
from ocspark.errors import InputError
from ocspark.store.folder import RunDirectory

log = logging.getLogger("ocspark")

#: In a run's directory: the `Dependence` of its clusters.
DEPENDENCE = "_dependence.json"


@dataclass(frozen=True)
class BaseFile:
    """A file of a finished run; `clusters` has its rows by cluster_key; see `StagedFile`."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str
    clusters: dict[int, int]
    device: str | None


@dataclass(frozen=True)
class BaseRun:
    """A finished run: its id, what its clusters depended on, its files."""

    run_id: str
    finished: str
    dependence: Dependence
    files: list[BaseFile]

    @cached_property
    def lost(self) -> frozenset[str]:
        """Paths of files that are not there, or not with their size (by listing)."""
        folders = {file.path.rsplit("/", 1)[0] for file in self.files}
        sizes = {
            f"{folder}/{info.path.rsplit('/', 1)[1]}": info.n_bytes
            for folder in folders
            for info in storage.list_infos(folder)
        }
        return frozenset(f.path for f in self.files if sizes.get(f.path) != f.bytes)


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
    name = wanted
    if wanted == "latest":
        latest = storage.join(root, "latest")
        if not storage.exists(latest):
            return None
        name = storage.read_text(latest).strip()
    reason = "is the run itself" if name == run_id else None
    if reason is None:
        base = _open(RunDirectory(storage.join(root, name)), name)
        if isinstance(base, BaseRun):
            return base
        reason = base
    if wanted == "latest":
        log.info("run %s %s: nothing is taken over from it", name, reason)
        return None
    raise InputError(f"output.base: {storage.join(root, name)}: {reason}; expected a finished run")


def _open(run: RunDirectory, run_id: str) -> BaseRun | str:
    """Return a finished run, or why it cannot be used."""
    if not storage.exists(run.path("run.json")):
        return "is not finished"
    try:
        record = json.loads(storage.read_text(run.path("run.json")))
        dependence = Dependence.from_json(json.loads(storage.read_text(run.path(DEPENDENCE))))
        files = {
            file["name"]: _file(run, file)
            for manifest in run.manifests()
            for file in manifest["files"]
        }
        landed = {file["name"] for unit in record["units"] for file in unit["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "was made by another version, or its notes are damaged"
    if dependence is None or landed != files.keys():
        return "was made by another version, or its notes are damaged"
    rows = [file for file in files.values() if file.table != "clusters"]  # that is made anew
    return BaseRun(run_id, str(record["finished"]), dependence, rows)


def _file(run: RunDirectory, file: dict[str, Any]) -> BaseFile:
    clusters = {int(key): rows for key, rows in file["clusters"].items()}
    facts = (file["rows"], file["bytes"], file["sha256"], clusters, file.get("device"))
    return BaseFile(file["name"].split("/")[0], run.path(file["name"]), *facts)


@dataclass(frozen=True)
class Reuse:
    """What a run does again, stage by stage and cluster by cluster, and why.

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


def decide(
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
        Paths of files of the base that are known to be damaged.
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
            harmed = [f.clusters for f in base.files if f.path in bad and f.table in wanted]
            again, why = keys & set().union(*harmed), "earlier run's file damaged"
        for key in again:
            redone[stage.name].setdefault(key, []).append(why)
    return Reuse(base, redone, keys)
