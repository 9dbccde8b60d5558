"""The Spark face of the mock: workers draw cells and clusters and write their files themselves."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.build.parts import Partition, write_catalogue_metadata
from ocspark.errors import InputError
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.clusters import Cluster, listed_cluster, plant_clusters
from ocspark.mock.dust import Dust
from ocspark.mock.extent import Extent, slice_around, whole
from ocspark.mock.frame import Array, Columns
from ocspark.mock.isochrone_table import isochrone_table
from ocspark.mock.observe import SOURCE_TYPES, Observatory
from ocspark.mock.plan import Plan
from ocspark.mock.planted import MAX_CLUSTERS
from ocspark.mock.tables import merge_tables, write_cluster_tables
from ocspark.mock.write import write_cells
from ocspark.release import load_release
from ocspark.sky.healpix import HealpixPixel
from ocspark.store.claim import Claim
from ocspark.store.progress import Progress
from ocspark.store.tasks import run_tasks

log = logging.getLogger(__name__)

#: Rises whenever the same parameters give other stars or other columns.
GENERATOR_VERSION = 4
#: Written last.
MARKER = "mock.json"
PARTS = ("mirror", "clusters.parquet", "members.parquet", "truth.parquet", "isochrones")
_STAGING = "_staging"
_MAX_SOURCES = 10**10
#: Rows and clusters of a Spark task, more or less.
_TASK_ROWS, _TASK_CLUSTERS = 500_000, 100


@dataclass(frozen=True)
class MockParameters:
    """What a mock depends on.

    Attributes
    ----------
    sources : int
        Field stars, at least.
    clusters : int
        Planted clusters.
    seed : int
    rows_per_partition : int
        Files hold no more, as expected; it changes no row.
    release : str
        That observes, by the name of its file in ``conf/releases``.
    cluster_table : str
        SHA-256 of the table that the clusters are from, empty where they are drawn.
    around : int
        Number of clusters around which files are made, 0 for the whole sky; see
        `ocspark.mock.extent.slice_around`.
    min_distance_pc : float
        They lie farther away.
    """

    sources: int
    clusters: int
    seed: int
    rows_per_partition: int = 500_000
    release: str = "dr3"
    cluster_table: str = ""
    around: int = 0
    min_distance_pc: float = 0.0
    generator: int = GENERATOR_VERSION

    def __post_init__(self) -> None:
        if not 1 <= self.sources <= _MAX_SOURCES:
            raise InputError(f"--sources {self.sources}: expected 1 to {_MAX_SOURCES}")
        if not 1 <= self.clusters <= MAX_CLUSTERS:
            raise InputError(f"--clusters {self.clusters}: expected 1 to {MAX_CLUSTERS}")
        if not 0 <= self.around <= self.clusters:
            raise InputError(
                f"--around {self.around}: expected at most the {self.clusters} clusters there are, "
                "or 0 for the whole sky"
            )
        if not self.min_distance_pc >= 0.0:
            raise InputError(f"--min-distance {self.min_distance_pc:g}: expected 0 pc or more")
        if self.min_distance_pc and not self.around:
            raise InputError(
                f"--min-distance {self.min_distance_pc:g}: expected with --around, whose clusters "
                "it chooses from"
            )


def build_catalogue(parameters: MockParameters, table: pd.DataFrame | None = None) -> MockCatalogue:
    """Return the catalogue of these parameters.

    Parameters
    ----------
    parameters : MockParameters
    table : DataFrame, optional
        Clusters to plant, in canonical columns without missing values; drawn by default.
    """

    def clusters(log_ages: Array, dust: Dust) -> list[Cluster]:
        if table is None:
            return plant_clusters(parameters.clusters, parameters.seed, log_ages, dust)
        rows = table.to_dict("records")
        return [listed_cluster(r, i, parameters.seed, log_ages) for i, r in enumerate(rows)]  # type: ignore[arg-type]

    observatory = Observatory.of(load_release(parameters.release))
    return MockCatalogue.build(parameters.sources, parameters.seed, observatory, clusters)


def extent_of(catalogue: MockCatalogue, parameters: MockParameters) -> Extent:
    """Return the files and clusters of a catalogue that these parameters ask for.

    Raises
    ------
    InputError
        For files smaller than a cell, or too few clusters to make files around.
    """
    rows = parameters.rows_per_partition
    if not parameters.around:
        return whole(catalogue, rows)
    return slice_around(catalogue, rows, parameters.around, parameters.min_distance_pc)


def finished_mock(output: str, parameters: MockParameters) -> dict[str, Any] | None:
    """Return the marker of a finished mock of the same parameters, None if it has to be made."""
    path = storage.join(output, MARKER)
    try:
        marker = json.loads(storage.read_text(path)) if storage.exists(path) else {}
    except ValueError:
        return None
    if marker.get("parameters") != asdict(parameters):
        return None
    whole = all(storage.exists(storage.join(output, part)) for part in PARTS)
    return dict(marker) if whole else None


def make_mock(
    spark: SparkSession,
    output: str,
    parameters: MockParameters,
    table: pd.DataFrame | None = None,
    n_tasks: int | None = None,
) -> dict[str, Any]:
    """Write a mock: mirror, cluster table, member list, truth, isochrones and, last, the marker.

    Parameters
    ----------
    spark : SparkSession
    output : str
        Folder, new or empty or an earlier mock, which is replaced.
    parameters : MockParameters
    table : DataFrame, optional
        Clusters to plant; see `build_catalogue`.
    n_tasks : int, optional
        Spark tasks over the sky. They change no row.

    Returns
    -------
    dict
        The marker: parameters, counts, seconds, and under ``around`` the names of the clusters
        that a slice was made around (none for a whole mock).

    Raises
    ------
    InputError
        If the folder holds something else.
    BusyError
        If another mock is being made there.
    """
    claim = mock_claim(output)
    claim.check()
    catalogue = build_catalogue(parameters, table)
    extent = extent_of(catalogue, parameters)
    log.info("mock %s", extent.describe())
    with claim.hold():
        return _write_mock(spark, output, catalogue, extent, parameters, n_tasks)


def _write_mock(
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
    n_rows = _write_mirror(spark, catalogue, extent.plan, mirror, n_tasks)
    seconds = time.monotonic() - started
    log.info("mirror of %d sources written in %.1f s", n_rows, seconds)
    counts = _write_tables(spark, catalogue, extent.clusters, output)
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
    """Return the claim on a mock's folder; an earlier mock in it is replaced."""
    return Claim(output, {"holds": "a mock"}, "a mock")


def _clear(output: str) -> None:
    """Remove what an earlier mock left, first what says that it is whole."""
    for part in (MARKER, *PARTS, _STAGING):
        storage.remove_file(storage.join(output, part))
        storage.remove_directory(storage.join(output, part))


def _write_mirror(
    spark: SparkSession, catalogue: MockCatalogue, plan: Plan, path: str, n_tasks: int | None
) -> int:
    """Write the sources of all files; return their number. Rows never leave a worker."""
    expected, n_files = int(plan.files.rows.sum()), len(plan.files)
    bounds = plan.tasks(n_tasks or max(4, expected // _TASK_ROWS))
    progress = Progress("mock", n_files, expected, "files")
    written = 0

    def look() -> None:
        nonlocal written
        files = storage.list_infos(storage.join(path, "dataset"))
        there = sum(file.path.endswith(".parquet") for file in files)
        new, written = there - written, there
        if new > 0:
            progress.done(expected * new // n_files, reused=False, units=new)

    runs = list(pairwise(bounds.tolist()))
    texts = run_tasks(spark, _FileWriter(catalogue, plan, path), runs, look)
    if written < n_files:  # pixels without rows have no file
        progress.done(0, reused=False, units=n_files - written)
    facts = [row for text in texts for row in json.loads(text)]
    partitions = [Partition(HealpixPixel(*row[:2]), *row[2:]) for row in facts]
    write_catalogue_metadata(
        path,
        partitions,
        mirror_schema(catalogue.observatory),
        catalogue_name="ocspark_mock",
        provenance={"obs_title": "Mock Galaxy with planted clusters (ocspark)"},
    )
    return sum(p.rows for p in partitions)


@dataclass(frozen=True)
class _FileWriter:
    """Write a run of a plan's files: the function of a task."""

    catalogue: MockCatalogue
    plan: Plan
    path: str

    def __call__(self, run: tuple[int, int]) -> str:
        schema = mirror_schema(self.catalogue.observatory)
        facts = []
        for file in range(*run):
            cells = (self.catalogue.cell(cell) for cell in self.plan.cells_of(file))
            tables = (_table(self.catalogue.observatory.native(c), schema) for c in cells)
            for done in write_cells(tables, self.path, self.plan.files.pixel_at(file)):
                facts.append((done.pixel.order, done.pixel.pixel, done.rows, done.n_bytes))
        return json.dumps(facts)


def mirror_schema(observatory: Observatory) -> pa.Schema:
    """Return the columns of a release's mirror."""
    types = {name: pa.from_numpy_dtype(SOURCE_TYPES[name]) for name in observatory.names}
    return pa.schema([(observatory.names[name], kind) for name, kind in types.items()])


def _table(columns: Columns, schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(columns[name], from_pandas=True) for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema)


def _write_tables(
    spark: SparkSession, catalogue: MockCatalogue, clusters: list[int], output: str
) -> dict[str, int]:
    """Write clusters, members and truth, one Parquet file each; return their rows."""
    staging = storage.join(output, _STAGING)
    groups = [
        (number, clusters[first : first + _TASK_CLUSTERS])
        for number, first in enumerate(range(0, len(clusters), _TASK_CLUSTERS))
    ]
    run_tasks(spark, _ClusterWriter(catalogue, staging), groups)
    rows = merge_tables(staging, output)
    storage.remove_directory(staging)
    return rows


@dataclass(frozen=True)
class _ClusterWriter:
    """Write the tables of some clusters: the function of a task."""

    catalogue: MockCatalogue
    staging: str

    def __call__(self, group: tuple[int, list[int]]) -> str:
        number, clusters = group
        planted = [self.catalogue.cluster(index) for index in clusters]
        write_cluster_tables(planted, self.staging, number)
        return ""
