"""Choose the rows of a Spark table that may be in a cone, by Spark, in SQL (method §1).

Rows and cones are joined on HEALPix cells. Each range of a cone's cover brings the cone's cuts into
its cells, and a row is kept if it lies in a range and passes the cuts that came with it. Only these
rows reach Python, where `find_in_cones` matches them with cones as it does with the rows of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.mirror.columns import HEALPIX, MirrorColumns, carried_name
from ocspark.mirror.sources import canonical_sources
from ocspark.selection.match import ConeCuts
from ocspark.sky.cover import Cover
from ocspark.sky.healpix import HEALPIX_ORDER
from ocspark.tables.stars import RawStars

#: HEALPix orders of the cells that rows and cones are joined on, the finest first: in a coarser
#: cell a row is compared with more cones.
_CELL_ORDERS = (8, 7, 6, 5, 4)
#: Cells that are broadcast, each of some 100 bytes in the driver and in every executor: so many, or
#: twice the number of ranges, of which each has a cell at least.
_MANY_CELLS = 200_000
#: Rows that a task gathers of a table before it searches them.
_GATHERED_ROWS = 250_000


def rows_near(spark: SparkSession, rows: DataFrame, cuts: ConeCuts, cover: Cover) -> DataFrame:
    """Return the rows on a cone's cover that pass its cuts in parallax and proper motion.

    Parameters
    ----------
    spark : SparkSession
        Session of the rows.
    rows : DataFrame
        Rows from `ocspark.mirror.read.read_rows`.
    cuts : ConeCuts
        Cuts of the cones.
    cover : Cover
        Cover of the same cones, or the part of it that lies where the rows do.
    """
    shift = 2 * (HEALPIX_ORDER - _cell_order(cover))
    names = ("parallax", "parallax_limit", "pmra", "pmdec", "pm_limit")
    ranges = {"start": cover.start, "last": cover.end - 1}
    ranges |= {name: getattr(cuts, name)[cover.cone] for name in names}
    cells = F.explode(F.sequence(*(F.shiftright(name, shift) for name in ("start", "last"))))
    cones = spark.createDataFrame(pa.table(ranges)).select("*", cells.alias("cell"))
    cones = F.broadcast(cones).alias("cone")
    row, cone = rows.alias("row"), {name: F.col(f"cone.{name}") for name in (*ranges, "cell")}
    index = F.col(f"row.{HEALPIX}")
    parallax, pmra, pmdec = (
        F.col(f"row.{n}").cast("double") for n in ("parallax", "pmra", "pmdec")
    )
    x, y = pmra - cone["pmra"], pmdec - cone["pmdec"]
    near = (
        (F.shiftright(index, shift) == cone["cell"])
        & index.between(cone["start"], cone["last"])
        & (F.abs(parallax - cone["parallax"]) <= cone["parallax_limit"])
        & (F.sqrt(x * x + y * y) <= cone["pm_limit"])
    )
    return row.join(cones, near, "left_semi")


def _cell_order(cover: Cover) -> int:
    """Return the finest order at which a cover's ranges do not have too many cells."""
    most = max(_MANY_CELLS, 2 * len(cover.start))
    for order in _CELL_ORDERS:
        shift = 2 * (HEALPIX_ORDER - order)
        cells = (cover.end - 1 >> shift) - (cover.start >> shift) + 1
        if cells.sum() <= most:
            return order
    return _CELL_ORDERS[-1]


class TableRows:
    """Rows of a table as a part of sources, sorted by the index; see `SortedSources`.

    Parameters
    ----------
    batches : sequence of RecordBatch
        Rows from `rows_near`, or from `ocspark.mirror.read.read_places`, without proper motions.
    columns : MirrorColumns
        Columns that were read.
    name : str
        Name of the part.
    """

    def __init__(
        self, batches: Sequence[pa.RecordBatch], columns: MirrorColumns, name: str
    ) -> None:
        self._table = pa.Table.from_batches(batches).sort_by(HEALPIX)
        self.columns, self.name = columns, name
        self.healpix_29 = self._table.column(HEALPIX).to_numpy()
        self.is_whole = "pmra" not in self._table.column_names
        self.parallax = self._floats("parallax")
        if self.is_whole:
            self.pmra = self.pmdec = np.full(len(self.parallax), np.nan)
        else:
            self.pmra, self.pmdec = self._floats("pmra"), self._floats("pmdec")

    def sources(self, rows: NDArray[np.int64]) -> tuple[RawStars, NDArray[np.int64]]:
        """Return some rows, and a bit for each reason why a row is not kept (0: it is kept)."""
        return canonical_sources(self._table.take(pa.array(rows)), self.columns.canonical())

    def carried(self, rows: NDArray[np.int64]) -> list[pa.ChunkedArray]:
        """Return the carried columns of some rows."""
        names = [carried_name(c.field.name) for c in self.columns.carried]
        table = self._table.select(names).take(pa.array(rows))
        return [table.column(name) for name in names]

    def chunks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return zeros, since rows of a table have no fixed place."""
        nothing = np.zeros(len(rows), dtype=np.int64)
        return nothing, nothing

    def _floats(self, name: str) -> NDArray[np.float64]:
        return self._table.column(name).to_numpy().astype(np.float64, copy=False)


def sort_batches(
    batches: Iterator[pa.RecordBatch], columns: MirrorColumns, name: str = ""
) -> Iterator[TableRows]:
    """Join Spark's small batches of a table into larger parts, and sort each."""
    some: list[pa.RecordBatch] = []
    for batch in batches:
        some.append(batch)
        if sum(b.num_rows for b in some) >= _GATHERED_ROWS:
            yield TableRows(some, columns, name)
            some = []
    if any(b.num_rows for b in some):
        yield TableRows(some, columns, name)
