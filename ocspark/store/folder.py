"""Units: a group of mirror files or a step, done once its manifest is there (never before).

Nothing here needs a rename to be atomic: a file is moved into its table's folder, whole or not, and
counts only when a manifest, written after it as one object, tells its size and checksum.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from ocspark import storage
from ocspark.errors import OutputError
from ocspark.store.files import StagedFile
from ocspark.tables.fields import Field, struct

Manifest = dict[str, Any]
#: What the messages of a full disk, a used-up quota and a limit on files say, wherever they come
#: from: Python, Arrow, or Spark's JVM.
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


class RunDirectory:
    """The directory of one run.

    Tables are flat folders of Parquet files named after the unit that wrote them; ``_units`` has
    the manifests, ``_staging`` what is not landed yet.

    Parameters
    ----------
    root : str
        ``<output.path>/<run_id>``.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        """Return a path below the run directory."""
        return storage.join(self.root, *parts)

    def manifest(self, unit: str) -> Manifest | None:
        """Return the manifest of a unit that is done, its files still as they were written."""
        path = self.path("_units", f"{unit}.json")
        if not storage.exists(path):
            return None
        manifest = _manifest_in(storage.read_text(path))
        if manifest is None:
            return None
        for file in manifest["files"]:
            target = self.path(file["name"])
            if not storage.exists(target):
                return None
            if storage.size_and_sha256(target) != (file["bytes"], file["sha256"]):
                return None
        return manifest

    def manifests(self) -> list[Manifest]:
        """Return all manifests by name of unit, without a look at the files."""
        paths = [p for p in storage.list_files(self.path("_units")) if p.endswith(".json")]
        with ThreadPoolExecutor(8) as pool:
            found = map(_manifest_in, pool.map(storage.read_text, paths))
            return [manifest for manifest in found if manifest is not None]

    def land(
        self,
        unit: str,
        write: Callable[[str], Mapping[str, Sequence[StagedFile]]],
        facts: Mapping[str, Any] | None = None,
        work: str | None = None,
    ) -> Manifest:
        """Do a unit, unless its manifest says that it is done.

        Parameters
        ----------
        unit : str
            Its name, which its files carry.
        write : callable
            Given a staging folder, writes files into it and returns them by table.
        facts : mapping, optional
            More to record in the manifest.
        work : str, optional
            Digest of what the unit does: a manifest that tells another one does not count.

        Returns
        -------
        dict
            The manifest: unit, work, tables with row counts, files with bytes, SHA-256 and rows
            by cluster, seconds, and ``reused``.

        Raises
        ------
        OutputError
            If there is no room for it.
        """
        done = self.manifest(unit)
        if done is not None and done.get("work") == work:
            return {**done, "reused": True}
        with telling_full_disk(self.root):
            return self._do(unit, write, {"work": work, **(facts or {})})

    def _do(
        self,
        unit: str,
        write: Callable[[str], Mapping[str, Sequence[StagedFile]]],
        facts: Mapping[str, Any],
    ) -> Manifest:
        started = time.monotonic()
        staging = self.path("_staging", unit)
        storage.remove_directory(staging)
        storage.remove_file(self.path("_units", f"{unit}.json"))  # its files are about to go
        tables, files = {}, []
        for table, staged in write(staging).items():
            landed = self._move(unit, table, staged)
            tables[table] = sum(file["rows"] for file in landed)
            files += landed
        manifest = {
            "unit": unit,
            "tables": tables,
            "files": files,
            "seconds": round(time.monotonic() - started, 3),
            **facts,
        }
        storage.make_directory(self.path("_units"))
        storage.write_file(self.path("_units", f"{unit}.json"), json.dumps(manifest, indent=1))
        storage.remove_directory(staging)
        return {**manifest, "reused": False}

    def _move(self, unit: str, table: str, staged: Sequence[StagedFile]) -> list[dict[str, Any]]:
        """Move staged files into the table's folder, in place of an earlier attempt's."""
        folder = self.path(table)
        storage.make_directory(folder)
        for old in storage.list_files(folder):
            if _unit_of(old) == unit:
                storage.remove_file(old)
        landed = []
        for number, file in enumerate(staged):
            name = f"{table}/{unit}-{number:05d}.parquet"
            storage.move_file(file.path, self.path(name))
            facts = {"rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
            if file.device is not None:
                facts["device"] = file.device
            if file.clusters is not None:
                facts["clusters"] = dict(file.clusters)
            landed.append({"name": name, **facts})
        return landed

    def sweep(self, manifests: Iterable[Manifest], tables: Iterable[str]) -> None:
        """Remove what is of none of these units: another plan's, or of an attempt that died.

        Parameters
        ----------
        manifests : iterable of dict
        tables : iterable of str
            Folders to look into; ``_units`` may be among them.
        """
        manifests = list(manifests)
        known = {file["name"] for manifest in manifests for file in manifest["files"]}
        known |= {f"_units/{manifest['unit']}.json" for manifest in manifests}
        for folder in tables:
            for path in storage.list_files(self.path(folder)):
                if f"{folder}/{path.rsplit('/', 1)[1]}" not in known:
                    storage.remove_file(path)

    def lost(self, manifests: Iterable[Manifest]) -> list[str]:
        """Return the landed files that are not there with their size any more, by listing."""
        files = {f["name"]: f["bytes"] for manifest in manifests for f in manifest["files"]}
        found = {}
        for folder in {name.split("/")[0] for name in files}:
            for info in storage.list_infos(self.path(folder)):
                found[f"{folder}/{info.path.rsplit('/', 1)[1]}"] = info.n_bytes
        return sorted(name for name, size in files.items() if found.get(name) != size)

    def read(self, spark: SparkSession, table: str, fields: list[Field]) -> DataFrame:
        """Return a table of the run as Spark reads it, which must have a file."""
        # files, not their folder: Spark warns of one whose name begins with _
        files = map(storage.for_spark, storage.list_files(self.path(table)))
        return spark.read.schema(struct(fields)).parquet(*files)

    def read_arrow(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Return a small table of the run, read on the driver without Spark."""
        filesystem, inner = storage.resolve(self.path(table))
        return pq.read_table(inner, filesystem=filesystem, columns=columns)


@contextmanager
def telling_full_disk(place: str) -> Iterator[None]:
    """Turn an error of the block that means "no room" into an `OutputError` that names `place`."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        for words in _FULL:
            if words in str(error):
                raise OutputError(
                    f"output: {place}: {words}; make room, and the same command goes on"
                ) from error
        raise


def _manifest_in(text: str) -> Manifest | None:
    """Return a manifest, or None for half of one."""
    try:
        manifest = json.loads(text)
    except ValueError:
        return None
    return manifest if isinstance(manifest, dict) and "files" in manifest else None


def _unit_of(path: str) -> str:
    """Return the unit that wrote a landed file."""
    return path.rsplit("/", 1)[1].rsplit("-", 1)[0]
