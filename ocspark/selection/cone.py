"""Cone searches of all clusters in one reading of the mirror (method §1).

Each task reads its own portion of the mirror by pyarrow, pairs sources and cones in numpy
(`ocspark.selection.match`) and goes on with what it found in the same process, so that only results
pass through the JVM. A table, whose rows come from the JVM, meets the same kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from ocspark.mirror.layout import CheckedFile
from ocspark.mirror.portions import cut_by_rows
from ocspark.mirror.read import HEALPIX, read_sources
from ocspark.mirror.scan import Scan
from ocspark.selection.match import Cuts, match, within_cone
from ocspark.session import ship
from ocspark.settings import SearchSettings
from ocspark.sky.cover import Cover, cover_cones
from ocspark.tables.arrow import to_batch
from ocspark.tables.fields import Field, struct
from ocspark.tables.run import CONE, CONE_COLUMNS

#: What is done with the sources found, in the task that found them: `CONE` rows to any rows.
Process = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
#: Rows that a task gathers of a table before it searches them.
_GATHERED_ROWS = 250_000


@dataclass(frozen=True)
class Cones:
    """The cones of some clusters and the sky they cover.

    Attributes
    ----------
    table : DataFrame
        A row per cone: the columns of `Cuts`, radius_deg, radius_bounded.
    cover : Cover
    """

    table: pd.DataFrame
    cover: Cover

    @cached_property
    def cuts(self) -> Cuts:
        """The centres and cuts as arrays."""
        return Cuts(**{f.name: self.table[f.name].to_numpy() for f in fields(Cuts)})

    def only(self, cluster_keys: Collection[int]) -> Cones:
        """Return the cones of some clusters."""
        keep = self.table["cluster_key"].isin(list(cluster_keys)).to_numpy()
        if keep.all():
            return self
        cover = self.cover.take(keep[self.cover.cone])
        renumbered = (np.cumsum(keep) - 1)[cover.cone]
        table = self.table[keep].reset_index(drop=True)
        return Cones(table, Cover(cover.start, cover.end, renumbered, cover.inner))


def make_cones(clusters: pd.DataFrame, search: SearchSettings) -> Cones:
    """Return the cones and cuts of clusters.

    Parameters
    ----------
    clusters : DataFrame
        Canonical cluster table, every value present.
    search : SearchSettings
        Radius [pc] (50 pc / d, in rad, bounded by max_radius_deg) and number of dispersions.
    """
    radius = search.radius_pc / clusters["distance"].to_numpy()
    bound = np.radians(search.max_radius_deg)
    dispersion = np.sqrt((clusters["pmra_dispersion"] ** 2 + clusters["pmdec_dispersion"] ** 2) / 2)
    same = ("cluster_key", "ra", "dec", "parallax", "pmra", "pmdec")
    table = pd.DataFrame(
        {
            **{name: clusters[name].to_numpy() for name in same},
            "radius_rad": np.minimum(radius, bound),
            "radius_deg": np.degrees(np.minimum(radius, bound)),
            "radius_bounded": radius > bound,
            "parallax_limit": search.sigmas * clusters["parallax_dispersion"].to_numpy(),
            "pm_limit": search.sigmas * dispersion.to_numpy(),
        }
    )
    return cones_of(table)


def cones_of(table: pd.DataFrame) -> Cones:
    """Return the cones of a table as `Cones` has it, with the sky that they cover."""
    ra, dec, radius_deg = (table[name].to_numpy() for name in ("ra", "dec", "radius_deg"))
    return Cones(table, cover_cones(ra, dec, radius_deg))


class ConeSearch:
    """Finds the sources of a mirror in cones, as a DataFrame.

    Bounds are inclusive; a source is found once for every cluster whose cone it is in.

    Parameters
    ----------
    spark : SparkSession
    columns : mapping
        Canonical name to the release's column.
    cones : Cones
    """

    def __init__(self, spark: SparkSession, columns: Mapping[str, str], cones: Cones) -> None:
        self._spark, self._columns, self._cover = spark, dict(columns), cones.cover
        self._shipped = ship(spark, (cones.cuts, cones.cover))

    def run(self, files: Sequence[CheckedFile], process: Process, fields: list[Field]) -> DataFrame:
        """Search some files, or ranges of a table, of a mirror; the arguments are `in_files`'."""
        if any(file.file.in_table for file in files):
            sources = read_sources(self._spark, files, self._columns)
            return self.in_table(sources, process, fields)
        return self.in_files(files, process, fields)

    def in_files(
        self, files: Sequence[CheckedFile], process: Process, fields: list[Field]
    ) -> DataFrame:
        """Search some files of a mirror.

        Parameters
        ----------
        files : sequence of CheckedFile
        process : callable
            Given record batches with the columns of `CONE`, yields those of the result.
        fields : list of Field
            The columns of the result.
        """
        tasks = cut_by_rows(files, [file.file.path for file in files], self._cover)
        columns, shipped = self._columns, self._shipped

        def search(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            mine = [n for batch in numbers for n in batch.column(0).to_pylist()]
            scans = (Scan(piece, columns) for n in mine for piece in tasks[n].pieces)
            yield from process(find(scans, *shipped()))

        numbers = self._spark.range(0, len(tasks), 1, max(len(tasks), 1))
        return numbers.mapInArrow(search, struct(fields))

    def in_table(self, sources: DataFrame, process: Process, fields: list[Field]) -> DataFrame:
        """Search a DataFrame from `read_sources`, as `in_files` does."""
        shipped = self._shipped

        def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from process(find(gather_stretches(batches), *shipped()))

        return sources.mapInArrow(search, struct(fields))


class Stretch(Protocol):
    """Sources sorted by their order-29 index; see `ocspark.mirror.scan.Scan`."""

    name: str
    healpix_29: NDArray[np.int64]
    parallax: NDArray[np.float64]
    pmra: NDArray[np.float64]
    pmdec: NDArray[np.float64]

    def sources(self, rows: NDArray[np.int64]) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
        """Return canonical columns of some rows, and which are kept sources."""

    def chunks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row group of some rows, and their chunk inside it."""


def find(stretches: Iterator[Stretch], cuts: Cuts, cover: Cover) -> Iterator[pa.RecordBatch]:
    """Yield the `CONE` rows of each stretch of sources, where there are any."""
    for stretch in stretches:
        columns, rows = find_pairs(stretch, cuts, cover)
        if len(rows):
            yield to_batch(columns, CONE)


def find_pairs(
    stretch: Stretch, cuts: Cuts, cover: Cover
) -> tuple[dict[str, NDArray], NDArray[np.int64]]:
    """Return the kept sources of a stretch in each cone.

    Returns
    -------
    columns : dict of arrays, shape (m,)
        As `CONE`; nothing if there are no pairs.
    rows : array, shape (m,)
        Place of each pair's source in the stretch.
    """
    pairs = match(stretch.healpix_29, stretch.parallax, stretch.pmra, stretch.pmdec, cuts, cover)
    if not len(pairs.row):
        return {}, pairs.row
    columns, kept = stretch.sources(pairs.row)
    found = np.flatnonzero(kept & within_cone(pairs, columns["ra"], columns["dec"], cuts))
    columns = {name: column[found] for name, column in columns.items()}
    columns["cluster_key"] = cuts.cluster_key[pairs.cone[found]]
    return columns, pairs.row[found]


class _Rows:
    """Kept sources from record batches in canonical columns, sorted by the index."""

    def __init__(self, batches: Sequence[pa.RecordBatch], name: str) -> None:
        table = pa.Table.from_batches(batches).sort_by(HEALPIX)
        self.name = name
        self._columns = {name: table.column(name).to_numpy() for name in table.column_names}
        self.healpix_29 = self._columns[HEALPIX]
        self.parallax, self.pmra, self.pmdec = (
            self._columns[name] for name in ("parallax", "pmra", "pmdec")
        )

    def sources(self, rows: NDArray[np.int64]) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
        names = [f.name for f in CONE_COLUMNS if f.name in self._columns]
        return {name: self._columns[name][rows] for name in names}, np.ones(len(rows), dtype=bool)

    def chunks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        nothing = np.zeros(len(rows), dtype=np.int64)  # a table's rows have no lasting place
        return nothing, nothing


def gather_stretches(batches: Iterator[pa.RecordBatch], name: str = "") -> Iterator[Stretch]:
    """Put Spark's small batches of a table together into stretches, which get a name."""
    some: list[pa.RecordBatch] = []
    for batch in batches:
        some.append(batch)
        if sum(b.num_rows for b in some) >= _GATHERED_ROWS:
            yield _Rows(some, name)
            some = []
    if any(b.num_rows for b in some):
        yield _Rows(some, name)
