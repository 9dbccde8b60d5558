"""Build a mirror: input files → staged files → one file per sky pixel → a HATS catalogue."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.build.assemble import Plan, plan_pixels, write_pixel
from ocspark.build.build_output import (
    LOCK,
    RECORD,
    SETTINGS,
    BuildOptions,
    check_output,
    finished_record,
    settings_to_record,
)
from ocspark.build.bulk import Bulk, list_bulk
from ocspark.build.ingest import Ingest, stage_file
from ocspark.build.parts import (
    Partition,
    write_catalogue_metadata,
)
from ocspark.build.wanted import wanted_columns
from ocspark.errors import InputError
from ocspark.mirror.hats import UNFINISHED, partition_path
from ocspark.release import Release, load_release
from ocspark.session import get_session
from ocspark.sky.healpix import HealpixPixel
from ocspark.store.lock import hold_lock
from ocspark.store.manifests import Manifest, TaskManifests
from ocspark.store.progress import Progress
from ocspark.store.tasks import run_tasks

log = logging.getLogger("ocspark")

QUARANTINE = "quarantine.json"
#: Faults shown one by one; the rest only in the list.
_SHOWN = 20
#: Staged files a pixel is made of, and rows read over rows placed, if the input is unsorted.
_MANY_PIECES = 8


@dataclass(frozen=True)
class BuildResult:
    """A finished mirror: its record, and whether it was finished before."""

    record: dict[str, Any]
    already_finished: bool


def build_mirror(options: BuildOptions, spark: SparkSession | None = None) -> BuildResult:
    """Build a HATS mirror; go on where an earlier call with the same options stopped.

    Parameters
    ----------
    options : BuildOptions
    spark : SparkSession, optional
        Classic or Connect; by default the active one, or a new one.

    Returns
    -------
    BuildResult

    Raises
    ------
    InputError
        For a wrong input or output, or if input files are damaged: then all others are staged
        and kept, nothing is published, and `QUARANTINE` in the unfinished build lists them.
    """
    release = load_release(options.release)
    finished = finished_record(options)
    if finished is None:
        bulk = list_bulk(options.input)
        check_output(options)
        storage.make_directory(options.output)
        with hold_lock(storage.join(options.output, LOCK)):
            finished = finished_record(options)  # another process may have been at it
            if finished is None:
                check_output(options)
                session = spark or get_session("ocspark: build mirror")
                record = _Build(options, release, bulk, session).execute()
                _clear(options)
                return BuildResult(record, False)
    _clear(options)  # stopped between publishing and this
    return BuildResult(finished, True)


def _clear(options: BuildOptions) -> None:
    storage.remove_directory(storage.join(options.output, UNFINISHED))


class _Build:
    """One execution: the steps share options, input and session."""

    def __init__(
        self, options: BuildOptions, release: Release, bulk: Bulk, spark: SparkSession
    ) -> None:
        self._options, self._release, self._bulk, self._spark = options, release, bulk, spark
        self._work = storage.join(options.output, UNFINISHED)
        names = {column: release.columns[column][0] for column in ("ra", "dec", "source_id")}
        self._ingest = Ingest(
            self._work, wanted_columns(release, options.columns == "all", options.table), **names
        )

    def execute(self) -> dict[str, Any]:
        """Do what is missing, publish, and return the record."""
        settings = storage.join(self._work, SETTINGS)
        for folder in ("items", "staged", "pixels"):
            storage.make_directory(storage.join(self._work, folder))
        if storage.read_json(settings) is None:
            storage.write_file(settings, json.dumps(settings_to_record(self._options), indent=1))
        staged = self._stage()
        plan = self._plan(staged)
        return self._publish(staged, plan, self._write_pixels(plan))

    def _stage(self) -> list[Manifest]:
        """Stage all input files; return their manifests in the order of the files."""
        files = {file.key: file for file in self._bulk.files}
        if self._bulk.unlisted:
            log.warning("%d files are not in the MD5 list", len(self._bulk.unlisted))
        sizes = self._sizes(storage.join(self._work, "staged"), 1)

        def counts(key: str, manifest: Manifest) -> bool:
            return (
                key in files
                and manifest["identity"] == files[key].identity
                and all(sizes.get(part["name"]) == part["bytes"] for part in manifest["parts"])
            )

        progress = Progress("reading", len(files), None, "files")
        manifests = TaskManifests(storage.join(self._work, "items"), progress)
        manifests.keep(counts)
        missing = [file for key, file in files.items() if key not in manifests.manifests]
        reasons = run_tasks(self._spark, partial(stage_file, self._ingest), missing, manifests.look)
        faults = {f.name: reason for f, reason in zip(missing, reasons, strict=True) if reason}
        faults |= dict.fromkeys(self._bulk.absent, "is listed, but not there")
        self._quarantine(faults)
        return [manifests.manifests[key] for key in files]

    def _quarantine(self, faults: Mapping[str, str]) -> None:
        """List the files that cannot be used, if any, and stop."""
        path = storage.join(self._work, QUARANTINE)
        if not faults:
            storage.remove_file(path)
            return
        listed = [{"file": name, "reason": reason} for name, reason in faults.items()]
        storage.write_file(path, json.dumps(listed, indent=1) + "\n")
        for name, reason in list(faults.items())[:_SHOWN]:
            log.warning("quarantined: %s: %s", name, reason)
        name, reason = next(iter(faults.items()))
        raise InputError(
            f"--input {self._options.input}: {len(faults)} of "
            f"{len({f.name for f in self._bulk.files} | set(faults))} files cannot be used, such "
            f"as {name}: {reason}; listed in {path}; expected whole files: the others are kept, "
            "replace these and run the same command again"
        )

    def _plan(self, staged: Sequence[Manifest]) -> Plan:
        rows = sum(m["rows"] for m in staged)
        nowhere = sum(m["without_position"] for m in staged)
        if nowhere:
            log.warning("%d of %d rows have no position and are left out", nowhere, rows)
        if rows == nowhere:
            raise InputError(f"--input {self._options.input}: no rows with a position in it")
        try:
            plan = plan_pixels(staged, self._options.max_rows)
        except pa.ArrowException as error:
            raise InputError(f"--input {self._options.input}: files disagree: {error}") from None
        pieces = sum(len(pixel.pieces) for pixel in plan.pixels) / len(plan.pixels)
        if pieces > _MANY_PIECES and plan.read_rows > _MANY_PIECES * rows:
            log.warning(
                "the input is in no order on the sky: %d rows will be read to place %d; sorting "
                "it by source_id first is faster if there are many rows",
                plan.read_rows,
                rows,
            )
        return plan

    def _write_pixels(self, plan: Plan) -> list[Manifest]:
        """Write all partition files; return their manifests in sky order."""
        sizes = self._sizes(storage.join(self._options.output, "dataset"), 3)
        pixels = {pixel.key: pixel for pixel in plan.pixels}

        def counts(key: str, manifest: Manifest) -> bool:
            return (
                key in pixels
                and manifest["plan"] == plan.fingerprint
                and sizes.get(_file_name(_pixel_of(manifest))) == manifest["n_bytes"]
            )

        progress = Progress("writing", len(pixels), sum(p.rows for p in plan.pixels), "pixels")
        manifests = TaskManifests(storage.join(self._work, "pixels"), progress)
        manifests.keep(counts)
        missing = [pixel for key, pixel in pixels.items() if key not in manifests.manifests]
        write = partial(
            write_pixel, self._ingest, self._options.output, plan.schema, plan.fingerprint
        )
        run_tasks(self._spark, write, missing, manifests.look)
        return [manifests.manifests[key] for key in pixels]

    def _publish(
        self, staged: Sequence[Manifest], plan: Plan, pixels: Sequence[Manifest]
    ) -> dict[str, Any]:
        """Check that all is there, write the record and, last, the catalogue's metadata."""
        output = self._options.output
        placed = sum(m["rows"] - m["without_position"] for m in staged)
        written = sum(m["rows"] for m in pixels)
        if written != placed:
            raise RuntimeError(f"{placed} rows were read, but {written} written")
        expected = {_file_name(_pixel_of(m)): m["n_bytes"] for m in pixels}
        for info in storage.list_infos(storage.join(output, "dataset")):
            if _tail(info.path, 3) not in expected:  # of an earlier plan, or half written
                storage.remove_file(info.path)
        if self._sizes(storage.join(output, "dataset"), 3) != expected:
            raise RuntimeError(f"{output}: partition files changed while they were written")
        record = {
            "settings": settings_to_record(self._options),
            "rows": written,
            "without_position": sum(m["without_position"] for m in staged),
            "columns": len(plan.schema),
            "files": [{key: m[key] for key in ("name", "rows", "seconds")} for m in staged],
            "partitions": [
                {key: m[key] for key in ("order", "pixel", "rows", "n_bytes", "sha256", "seconds")}
                for m in pixels
            ],
        }
        storage.write_file(storage.join(output, RECORD), json.dumps(record, indent=1) + "\n")
        name = f"gaia_{self._release.name}"
        write_catalogue_metadata(
            output,
            [Partition(_pixel_of(m), m["rows"], m["n_bytes"]) for m in pixels],
            plan.schema,
            catalogue_name=name,
            ra_column=self._ingest.ra,
            dec_column=self._ingest.dec,
            max_rows=self._options.max_rows,
        )
        return record

    def _sizes(self, folder: str, depth: int) -> dict[str, int]:
        """Return the bytes of a folder's files by the last `depth` parts of their paths."""
        infos = storage.list_infos(folder)
        return {_tail(info.path, depth): info.n_bytes for info in infos}


def _tail(path: str, depth: int) -> str:
    return "/".join(path.split("/")[-depth:])


def _pixel_of(manifest: Mapping[str, Any]) -> HealpixPixel:
    return HealpixPixel(manifest["order"], manifest["pixel"])


def _file_name(pixel: HealpixPixel) -> str:
    return _tail(partition_path("", pixel), 3)
