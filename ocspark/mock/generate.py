"""The Spark face of the mock: cells and clusters are generated on the workers and written."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.isochrones import default_isochrones
from ocspark.mirror.hats import Partition, write_catalogue_metadata
from ocspark.mock.catalogue import MAX_CLUSTERS, MockCatalogue, PlantedCluster
from ocspark.mock.frame import Columns
from ocspark.mock.isochrone_table import isochrone_table
from ocspark.mock.observe import SOURCE_TYPES
from ocspark.mock.plan import Plan
from ocspark.mock.write import write_cells
from ocspark.physics.photometry import MagnitudeErrorModel
from ocspark.release import load_release
from ocspark.runs.progress import Progress
from ocspark.session import ship

log = logging.getLogger(__name__)

#: Rises whenever the same parameters give other stars.
GENERATOR_VERSION = 2
#: Completion marker, and what stands there until then.
MARKER, UNFINISHED = "mock.json", "mock.unfinished"
PARTS = ("mirror", "clusters.parquet", "members.parquet", "truth.parquet", "isochrones")
_STAGING = "_staging"
_MAX_SOURCES = 10**10
#: Rows a Spark task generates, more or less, and tasks between two lines of progress.
_TASK_ROWS, _TASKS_PER_ROUND = 500_000, 48

_MIRROR_SCHEMA = pa.schema(
    [(name, pa.from_numpy_dtype(kind)) for name, kind in SOURCE_TYPES.items()]
)
_PARTITION_SCHEMA = ", ".join(f"{field.name} bigint" for field in fields(Partition))
#: The cluster table: canonical columns and units.
_ROW_TYPE = pa.struct(
    [("cluster", pa.string())]
    + [
        (name, pa.float64())
        for name in "ra dec pmra pmdec pmra_dispersion pmdec_dispersion parallax "
        "parallax_dispersion log_age a0 distance".split()
    ]
)
#: True values, without errors or zero point: [pc], [mas], [mas/yr], [mag], [M_sun].
_TRUTH_SCHEMA = (
    "source_id bigint, cluster string, distance double, parallax double, pmra double, "
    "pmdec double, phot_g_mean_mag double, phot_bp_mean_mag double, phot_rp_mean_mag double, "
    "initial_mass double, companion_mass double, is_binary boolean, radius double"
)
#: One pass over the clusters makes all their tables; `row` is null but in a cluster's first star.
_STARS_SCHEMA = (
    f"{_TRUTH_SCHEMA}, is_member boolean, probability double, row struct<"
    + ", ".join(f"{f.name}: {'string' if f.name == 'cluster' else 'double'}" for f in _ROW_TYPE)
    + ">"
)


@dataclass(frozen=True)
class MockParameters:
    """What a mock depends on: expected field stars, planted clusters, seed; how it is divided."""

    sources: int
    clusters: int
    seed: int
    rows_per_partition: int = 500_000
    generator: int = GENERATOR_VERSION

    def __post_init__(self) -> None:
        if not 1 <= self.sources <= _MAX_SOURCES:
            raise InputError(f"--sources {self.sources}: expected 1 to {_MAX_SOURCES}")
        if not 1 <= self.clusters <= MAX_CLUSTERS:
            raise InputError(f"--clusters {self.clusters}: expected 1 to {MAX_CLUSTERS}")


def build_catalogue(parameters: MockParameters, release: str = "dr3") -> MockCatalogue:
    """Return the catalogue of these parameters, with the photometric errors of a Gaia release."""
    chosen = load_release(release)
    source = chosen.magnitude_errors
    errors = MagnitudeErrorModel.from_csv(
        str(chosen.magnitude_errors_path), source.base_n_obs, source.mag_range
    )
    return MockCatalogue.build(
        parameters.sources, parameters.clusters, parameters.seed, default_isochrones(), errors
    )


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
    spark: SparkSession, output: str, parameters: MockParameters, n_tasks: int | None = None
) -> dict[str, Any]:
    """Write a mock: mirror, cluster table, member list, truth, isochrones and, last, the marker.

    Parameters
    ----------
    spark : SparkSession
    output : str
        Folder, new or empty or an earlier mock, which is replaced.
    parameters : MockParameters
    n_tasks : int, optional
        Spark tasks over the sky. They change no row.

    Returns
    -------
    dict
        The marker: parameters, counts, seconds.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    started = time.monotonic()
    check_output(output)
    _claim(output)
    catalogue = build_catalogue(parameters)
    fetch = ship(spark, catalogue)
    plan = Plan.build(catalogue.expected, parameters.rows_per_partition)
    n_rows = _write_mirror(spark, fetch, plan, storage.join(output, "mirror"), n_tasks)
    seconds = time.monotonic() - started
    log.info("mirror of %d sources written in %.1f s", n_rows, seconds)
    counts = _write_tables(spark, fetch, parameters.clusters, output)
    name, content = isochrone_table()
    storage.make_directory(storage.join(output, "isochrones"))
    storage.write_file(storage.join(output, "isochrones", name), content)

    marker = {
        "parameters": asdict(parameters),
        "rows": {"mirror": n_rows, **counts},
        "mirror_files": len(plan.files),
        "seconds": {"mirror": round(seconds, 2), "all": round(time.monotonic() - started, 2)},
    }
    storage.write_file(storage.join(output, MARKER), json.dumps(marker, indent=1) + "\n")
    storage.remove_file(storage.join(output, UNFINISHED))
    return marker


def check_output(output: str) -> None:
    """Refuse a folder that holds something else than a mock; needs no Spark.

    Raises
    ------
    InputError
        If `output` is a file, or a folder with other things in it.
    """
    if storage.is_file(output):
        raise InputError(f"--output {output}: is a file; expected a folder")
    ours = any(storage.exists(storage.join(output, name)) for name in (MARKER, UNFINISHED))
    if not ours and not storage.is_empty(output):
        raise InputError(
            f"--output {output}: is not empty and not a mock; expected a new or empty "
            f"folder, or an earlier mock (with {MARKER}) to replace"
        )


def _claim(output: str) -> None:
    """Mark the folder as an unfinished mock and clear what an earlier one left."""
    storage.make_directory(output)
    storage.write_file(storage.join(output, UNFINISHED), "")
    for part in (MARKER, *PARTS, _STAGING):
        storage.remove_file(storage.join(output, part))
        storage.remove_directory(storage.join(output, part))


def _write_mirror(
    spark: SparkSession,
    fetch: Callable[[], MockCatalogue],
    plan: Plan,
    path: str,
    n_tasks: int | None,
) -> int:
    """Write the sources of the whole sky; return their number. Rows never leave a worker."""
    expected = plan.files.rows.sum()
    bounds = plan.tasks(n_tasks or max(4, int(expected / _TASK_ROWS)))
    fetch_plan = ship(spark, plan)
    progress = Progress("mock", len(bounds) - 1, int(expected))
    partitions: list[Partition] = []
    for start in range(0, len(bounds) - 1, _TASKS_PER_ROUND):
        runs = bounds[start : start + _TASKS_PER_ROUND + 1].tolist()
        tasks = spark.range(0, len(runs) - 1, 1, len(runs) - 1)
        written = tasks.mapInArrow(_file_writer(fetch, fetch_plan, runs, path), _PARTITION_SCHEMA)
        new = [Partition(*row) for row in written.collect()]  # a few numbers per file
        partitions += new
        progress.done(sum(p.rows for p in new), reused=False, units=len(runs) - 1)
    write_catalogue_metadata(
        path,
        partitions,
        _MIRROR_SCHEMA,
        catalogue_name="ocspark_mock",
        provenance={"obs_title": "Mock Galaxy with planted clusters (ocspark)"},
    )
    return sum(p.rows for p in partitions)


def _file_writer(
    fetch: Callable[[], MockCatalogue], fetch_plan: Callable[[], Plan], runs: list[int], path: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue, plan = fetch(), fetch_plan()
        for batch in batches:
            for task in batch.column(0).to_pylist():
                for file in range(runs[task], runs[task + 1]):
                    order, pixel = int(plan.files.order[file]), int(plan.files.pixel[file])
                    tables = (_table(catalogue.cell(*cell)) for cell in plan.cells_of(file))
                    written = write_cells(tables, path, order, pixel)
                    yield pa.RecordBatch.from_pylist([asdict(p) for p in written])

    return write


def _table(columns: Columns) -> pa.Table:
    arrays = [pa.array(columns[name], from_pandas=True) for name in SOURCE_TYPES]
    return pa.Table.from_arrays(arrays, schema=_MIRROR_SCHEMA)


def _cluster_batches(
    fetch: Callable[[], MockCatalogue],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def generate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue = fetch()
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield _star_batch(catalogue.cluster(index))

    return generate


def _star_batch(planted: PlantedCluster) -> pa.RecordBatch:
    true, n = planted.true, len(planted.probability)
    columns = {
        "source_id": planted.sources["source_id"],
        "cluster": pa.array([planted.row["cluster"]] * n, pa.string()),
        **{name: true[name] for name in ("distance", "parallax", "pmra", "pmdec")},
        **{f"phot_{band}_mean_mag": true[band] for band in ("g", "bp", "rp")},
        **{name: true[name] for name in ("initial_mass", "companion_mass")},
        "is_binary": true["companion_mass"] > 0,
        "radius": true["radius"],
        "is_member": true["is_member"],
        "probability": planted.probability,
        "row": pa.array([planted.row] + [None] * (n - 1), _ROW_TYPE)[:n],
    }
    return pa.RecordBatch.from_pydict(columns)


def _write_tables(
    spark: SparkSession, fetch: Callable[[], MockCatalogue], n_clusters: int, output: str
) -> dict[str, int]:
    """Write clusters, members and truth, one Parquet file each; return their rows."""
    tasks = int(np.clip(n_clusters // 250, 2, 1000))
    staging = storage.join(output, _STAGING)
    staged = storage.for_spark(storage.join(staging, "stars"))
    drawn = spark.range(0, n_clusters, 1, tasks).mapInArrow(_cluster_batches(fetch), _STARS_SCHEMA)
    drawn.write.parquet(staged)
    stars = spark.read.schema(_STARS_SCHEMA).parquet(staged)
    truth_names = [part.split()[0] for part in _TRUTH_SCHEMA.split(", ")]
    tables = {
        "clusters": stars.filter("row is not null").select("row.*"),
        "members": stars.filter("probability > 0").select("cluster", "source_id", "probability"),
        "truth": stars.filter("is_member").select(*truth_names),
    }
    rows = {}
    for table, frame in tables.items():
        by = [F.col(name) for name in ("cluster", "source_id") if name in frame.columns]
        one_file = frame.repartition(1).sortWithinPartitions(*by)
        folder = storage.join(staging, table)
        one_file.write.parquet(storage.for_spark(folder))
        part = next(file for file in storage.list_files(folder) if file.endswith(".parquet"))
        target = storage.join(output, f"{table}.parquet")
        storage.move_file(part, target)
        rows[table] = storage.parquet_rows(target)
    storage.remove_directory(staging)
    return rows
