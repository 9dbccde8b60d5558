"""Units: a group of mirror files or a step, done once its manifest is there (never before)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.runs.write import StagedFile

Manifest = dict[str, Any]


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
        manifest: Manifest = json.loads(storage.read_text(path))
        for file in manifest["files"]:
            target = self.path(file["name"])
            if not storage.exists(target):
                return None
            if storage.size_and_sha256(target) != (file["bytes"], file["sha256"]):
                return None
        return manifest

    def land(
        self,
        unit: str,
        write: Callable[[str], Mapping[str, Sequence[StagedFile]]],
        facts: Mapping[str, Any] | None = None,
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

        Returns
        -------
        dict
            The manifest: unit, tables with row counts, files with bytes and SHA-256, seconds,
            and ``reused``.
        """
        done = self.manifest(unit)
        if done is not None:
            return {**done, "reused": True}
        started = time.monotonic()
        staging = self.path("_staging", unit)
        storage.remove_directory(staging)
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
            **(facts or {}),
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
            if old.rsplit("/", 1)[1].startswith(f"{unit}-"):
                storage.remove_file(old)
        landed = []
        for number, file in enumerate(staged):
            name = f"{table}/{unit}-{number:05d}.parquet"
            storage.move_file(file.path, self.path(name))
            landed.append(
                {"name": name, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
            )
        return landed

    def read_arrow(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Return a small table of the run, read on the driver without Spark."""
        filesystem, inner = storage.resolve(self.path(table))
        return pq.read_table(inner, filesystem=filesystem, columns=columns)
