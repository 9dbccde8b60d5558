"""Keep the tables that a job's steps write, task by task, so that the job goes on after a stop.

::

    <root>/<table>/<name>-<attempt>.parquet    files, each written once under a name of its own
    <root>/_tasks/<step>/<key>.json            the manifest of a task: what it did, which files

A file counts if the manifest of a task lists it, and a manifest, written last and as one object,
counts while its files are as they were written and the task would still do the same work. Nothing
here needs a rename, or two files to appear at the same time.
"""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.store.files import TableFile, TableWriters, telling_full_disk
from ocspark.store.frames import read_frame
from ocspark.store.manifests import Manifest, TaskManifests
from ocspark.store.progress import Progress
from ocspark.store.tasks import attempt_number, run_tasks
from ocspark.tables.fields import Field, struct

#: Folder of the manifests.
TASKS = "_tasks"


@dataclass(frozen=True)
class Work:
    """The work of one task of a step.

    Attributes
    ----------
    key : str
        Name of the task within its step; begins the names of its files.
    digest : str
        Digest of everything that determines the result.
    rows : int
        Rows that it reads, for progress.
    item : object
        Argument of the step's function; picklable.
    cost : float
        Estimated cost in any unit: the costliest tasks begin first.
    """

    key: str
    digest: str
    rows: int
    item: Any
    cost: float = 0.0


#: Does the work of a task: writes rows into the tables' files, returns facts for the manifest.
TaskFunction = Callable[[Any, TableWriters], Mapping[str, Any]]


class RunFolder:
    """The folder of one run of a job.

    Parameters
    ----------
    root : str
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        """Return a path below the folder."""
        return storage.join(self.root, *parts)

    def run_step(
        self,
        spark: SparkSession,
        step: str,
        title: str,
        function: TaskFunction,
        works: Sequence[Work],
        noun: str = "portions",
        counted: str = "sources",
    ) -> list[Manifest]:
        """Do the works that have no valid manifest, in one Spark job, the costliest first.

        Parameters
        ----------
        spark : SparkSession
        step : str
            Name of the step, and of the folder of its manifests.
        title : str
            Of the step, for progress.
        function : callable
            See `TaskFunction`; picklable.
        works : sequence of Work
        noun, counted : str
            Words for tasks and rows in lines of progress.

        Returns
        -------
        list of dict
            The manifests in the order of `works`: key, work (its digest), rows, files, seconds,
            retries, peak_mb (greatest memory of the task's process so far) and the function's
            facts, with ``reused`` for those of an earlier attempt.

        Raises
        ------
        InputError, OutputError, DamagedFiles
            See `run_tasks`.
        """
        manifests = self.kept_manifests(step, title, works, noun, counted)
        missing = [work for work in works if work.key not in manifests.manifests]
        missing.sort(key=lambda work: -work.cost)
        do = partial(do_work, self.root, step, function)
        run_tasks(spark, do, missing, manifests.look, self.path(TASKS, step, "_stop"))
        return [manifests.manifests[work.key] for work in works]

    def kept_manifests(
        self,
        step: str,
        title: str,
        works: Sequence[Work],
        noun: str = "portions",
        counted: str = "sources",
    ) -> TaskManifests:
        """Return the valid manifests of an earlier attempt at a step; remove the others."""
        progress = Progress(title, len(works), sum(work.rows for work in works), noun, counted)
        folder = self.path(TASKS, step)
        storage.make_directory(folder)
        manifests = TaskManifests(folder, progress)
        digests = {work.key: work.digest for work in works}
        manifests.keep(
            lambda key, manifest: (
                digests.get(key) == manifest.get("work") is not None and self._has_files(manifest)
            )
        )
        return manifests

    def _has_files(self, manifest: Manifest) -> bool:
        for file in files_of([manifest]):
            path = self.path(file.name)
            if storage.file_size(path) != file.bytes:
                return False
            if storage.size_and_sha256(path)[1] != file.sha256:
                return False
        return True

    def done_keys(self, step: str) -> set[str]:
        """Return the keys of the tasks of a step that left a manifest, valid or not."""
        names = [path.rsplit("/", 1)[1] for path in storage.list_files(self.path(TASKS, step))]
        return {name.removesuffix(".json") for name in names if name.endswith(".json")}

    def write_table(self, table: str, rows: pa.Table, name: str = "all") -> TableFile:
        """Write a small table from the driver, as one file."""
        writers = TableWriters(self.root, name)
        writers.write(table, name, rows)
        return writers.close()[0]

    def finish_tables(
        self, files: Iterable[TableFile], tables: Mapping[str, list[Field]]
    ) -> list[TableFile]:
        """Give each table that has no file an empty one, and delete files that do not count.

        Parameters
        ----------
        files : iterable of TableFile
            That count; those of other tables are left alone.
        tables : mapping
            Table to its columns.

        Returns
        -------
        list of TableFile
            The files of these tables.
        """
        whole = [file for file in files if file.table in tables]
        written = {file.table for file in whole}
        for table, fields in tables.items():
            if table not in written:
                whole.append(self.write_table(table, empty_table(fields), "empty"))
        self.delete_unlisted_files(whole, tables)
        return whole

    def delete_unlisted_files(self, files: Iterable[TableFile], tables: Iterable[str]) -> None:
        """Delete files of tables that are not listed (of an older plan or a killed attempt)."""
        known = {file.name for file in files}
        for table in tables:
            for path in storage.list_files(self.path(table)):
                if f"{table}/{path.rsplit('/', 1)[1]}" not in known:
                    storage.remove_file(path)

    def missing_files(self, files: Iterable[TableFile]) -> list[str]:
        """Return the names of files that are gone or have another size, by listing the tables."""
        sizes = {file.name: file.bytes for file in files}
        found = {}
        for table in {name.split("/")[0] for name in sizes}:
            for info in storage.list_infos(self.path(table)):
                found[f"{table}/{info.path.rsplit('/', 1)[1]}"] = info.n_bytes
        return sorted(name for name, size in sizes.items() if found.get(name) != size)

    def read(self, spark: SparkSession, table: str, fields: list[Field]) -> DataFrame:
        """Return a table as Spark reads it, which must have a file."""
        # files, not their folder: Spark warns of one whose name begins with _
        return read_frame(spark, storage.list_files(self.path(table)), struct(fields))

    def read_arrow(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Return a small table, read on the driver without Spark."""
        filesystem, inner = storage.resolve(self.path(table))
        return pq.read_table(inner, filesystem=filesystem, columns=columns)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def do_work(root: str, step: str, function: TaskFunction, work: Work) -> str:
    """Do the work of one task: write its files, then its manifest. Runs in the task."""
    started, writers = time.monotonic(), TableWriters(root, work.key)
    try:
        facts = function(work.item, writers)
        files = writers.close()
    except BaseException:
        writers.discard()
        raise
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    listed = [file.as_json() for file in files]
    own = {"retries": attempt_number(), "peak_mb": peak_mb}
    write_manifest(root, step, work, listed, time.monotonic() - started, {**own, **facts})
    return ""


def write_manifest(
    root: str,
    step: str,
    work: Work,
    files: Sequence[Mapping[str, Any]],
    seconds: float,
    facts: Mapping[str, Any],
) -> None:
    """Write the manifest of a task, which makes its result count.

    Parameters
    ----------
    root : str
        Folder of the run.
    step : str
    work : Work
    files : sequence of mapping
        The files it wrote, as `TableFile.as_json` gives them.
    seconds : float
    facts : mapping
        More to record; JSON can hold it.
    """
    done = {"key": work.key, "work": work.digest, "rows": work.rows, "files": list(files)}
    manifest = {**done, "seconds": round(seconds, 3), **facts}
    path = storage.join(root, TASKS, step, f"{work.key}.json")
    with telling_full_disk(path):
        storage.write_file(path, json.dumps(manifest))


def files_of(manifests: Iterable[Mapping[str, Any]]) -> list[TableFile]:
    """Return the files that manifests list."""
    return [TableFile.from_json(file) for manifest in manifests for file in manifest["files"]]


def empty_table(fields: list[Field]) -> pa.Table:
    """Return a table without rows."""
    return to_arrow_schema(struct(fields)).empty_table()
