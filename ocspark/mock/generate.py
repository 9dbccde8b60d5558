"""Write a mock with Spark: mirror, cluster table, member list, truth and isochrones."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.mock.catalogue import MockCatalogue, build_catalogue
from ocspark.mock.extent import Extent, extent_of
from ocspark.mock.isochrone_table import isochrone_table
from ocspark.mock.mirror import write_mirror
from ocspark.mock.parameters import MockParameters
from ocspark.mock.tables import write_tables
from ocspark.store.claim import Claim

log = logging.getLogger(__name__)

#: File of a finished mock, written last: parameters and counts.
MARKER = "mock.json"
_STAGING = "_staging"
PARTS = ("mirror", "clusters.parquet", "members.parquet", "truth.parquet", "isochrones")


def finished_mock(output: str, parameters: MockParameters) -> dict[str, Any] | None:
    """Return the marker of a finished mock.

    Parameters
    ----------
    output : str
        The mock's folder.
    parameters : MockParameters
        Parameters that the mock must have been written with.

    Returns
    -------
    dict or None
        See `write_mock`; None if there is no such mock or a part of it is missing.
    """
    path = storage.join(output, MARKER)
    marker = storage.read_json(path) or {}
    if marker.get("parameters") != asdict(parameters):
        return None
    whole = all(storage.exists(storage.join(output, part)) for part in PARTS)
    return dict(marker) if whole else None


def write_mock(
    spark: SparkSession,
    output: str,
    parameters: MockParameters,
    table: pd.DataFrame | None = None,
    n_tasks: int | None = None,
) -> dict[str, Any]:
    """Write a mock: mirror, tables, isochrones and, last, the marker.

    Parameters
    ----------
    spark : SparkSession
        Session whose tasks draw the stars and write the files.
    output : str
        Folder, which is new, empty or holds an earlier mock, which is replaced.
    parameters : MockParameters
        Size, seed, release and extent.
    table : DataFrame, optional
        Clusters to plant; see `ocspark.mock.catalogue.build_catalogue`.
    n_tasks : int, optional
        Number of Spark tasks over the sky; it changes no row.

    Returns
    -------
    dict
        The marker: parameters, counts, seconds, and under ``around`` the names of the clusters
        that a slice was written around (none for a whole mock).

    Raises
    ------
    InputError
        If the folder holds something other than a mock.
    BusyError
        If another process is writing a mock there.
    """
    claim = mock_claim(output)
    claim.check()
    catalogue = build_catalogue(parameters, table)
    extent = extent_of(catalogue, parameters)
    log.info("mock %s", extent.describe())
    with claim.hold():
        return _write_all(spark, output, catalogue, extent, parameters, n_tasks)


def _write_all(
    spark: SparkSession,
    output: str,
    catalogue: MockCatalogue,
    extent: Extent,
    parameters: MockParameters,
    n_tasks: int | None,
) -> dict[str, Any]:
    started = time.monotonic()
    _clear(output)
    mirror = storage.join(output, "mirror")
    n_rows = write_mirror(spark, catalogue, extent.plan, mirror, n_tasks)
    seconds = time.monotonic() - started
    log.info("mirror of %d sources written in %.1f s", n_rows, seconds)
    staging = storage.join(output, _STAGING)
    counts = write_tables(spark, catalogue, extent.clusters, output, staging)
    name, content = isochrone_table()
    storage.make_directory(storage.join(output, "isochrones"))
    storage.write_file(storage.join(output, "isochrones", name), content)

    marker = {
        "parameters": asdict(parameters),
        "around": extent.around,
        "rows": {"mirror": n_rows, **counts},
        "mirror_files": len(extent.plan.files),
        "seconds": {"mirror": round(seconds, 2), "all": round(time.monotonic() - started, 2)},
    }
    storage.write_file(storage.join(output, MARKER), json.dumps(marker, indent=1) + "\n")
    return marker


def mock_claim(output: str) -> Claim:
    """Return the claim on a folder for a mock, which may replace an earlier mock in it."""
    return Claim(output, {"holds": "a mock"}, "a mock")


def _clear(output: str) -> None:
    """Delete an earlier mock, its marker first, so that no half of it passes for a whole mock."""
    for part in (MARKER, *PARTS, _STAGING):
        storage.remove_file(storage.join(output, part))
        storage.remove_directory(storage.join(output, part))
