"""Find the kept sources in cones, and count what the others lack (method §1).

The sources of a part of the mirror are matched with cones in numpy (`ocspark.selection.match`).
Of a table Spark chooses the rows (`ocspark.selection.table_rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.mirror.columns import MirrorColumns, carried_name
from ocspark.selection.match import ConeCuts, match, within_cone
from ocspark.sky.cover import Cover
from ocspark.tables.arrow import stars_to_batch
from ocspark.tables.run import IN_PARALLAX, KEPT, NOT_KEPT, cone_fields
from ocspark.tables.source_columns import COLOURS
from ocspark.tables.stars import RawStars


class SortedSources(Protocol):
    """Sources of a part of a mirror, sorted by their order-29 HEALPix index.

    `ocspark.mirror.scan.Scan` is that of a piece of a file. `is_whole` says
    whether it has all sources of its part of the mirror, or only those near cones.
    """

    name: str
    is_whole: bool
    columns: MirrorColumns
    healpix_29: NDArray[np.int64]
    parallax: NDArray[np.float64]
    pmra: NDArray[np.float64]
    pmdec: NDArray[np.float64]

    def sources(self, rows: NDArray[np.int64]) -> tuple[RawStars, NDArray[np.int64]]:
        """Return some rows, and a bit for each reason why a row is not kept (0: it is kept)."""

    def carried(self, rows: NDArray[np.int64]) -> list[pa.ChunkedArray]:
        """Return the carried columns of some rows."""

    def chunks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row group of each of some rows, and its chunk inside the row group."""


def batches_in_cones(
    parts: Iterator[SortedSources], cuts: ConeCuts, cover: Cover
) -> Iterator[pa.RecordBatch]:
    """Yield for each part the kept sources that lie in cones, if there are any.

    Record batches have the columns of `cone_fields`, and the carried columns under the names that
    `carried_name` gives.
    """
    for part in parts:
        found = find_in_cones(part, cuts, cover)
        if len(found.rows):
            batch = stars_to_batch(found.sources, cone_fields(part.columns.names))
            carried = part.carried(found.rows)
            for column, values in zip(part.columns.carried, carried, strict=True):
                name = carried_name(column.field.name)
                batch = batch.append_column(name, values.combine_chunks())
            yield batch


@dataclass(frozen=True)
class Found:
    """Sources of one part that lie in cones.

    Attributes
    ----------
    sources : RawStars
        Kept sources, once for each of their cones, with the columns of `cone_fields`.
    rows : array, shape (m,)
        Their rows in the part.
    lacking : list of (int, str, int)
        cluster_key, a reason, and the number of sources in the cone with that reason. A source
        that lacks several things counts for each, and once as `NOT_KEPT`. Of a cone without kept
        sources, those of a whole part that pass its cut in parallax are counted as `IN_PARALLAX`.
    """

    sources: RawStars
    rows: NDArray[np.int64]
    lacking: list[tuple[int, str, int]]


def find_in_cones(part: SortedSources, cuts: ConeCuts, cover: Cover) -> Found:
    """Return the kept sources of a part in each cone, and counts of what the others lack."""
    near = np.zeros(len(cuts.cluster_key), dtype=np.int64)
    values_of = (part.healpix_29, part.parallax, part.pmra, part.pmdec)
    pairs = match(*values_of, cuts, cover, near if part.is_whole else None)
    if not len(pairs.row):
        return Found(RawStars({}), pairs.row, _in_parallax(near, pairs.cone, cuts))
    values, lost = part.sources(pairs.row)
    inside = within_cone(pairs, values["ra"], values["dec"], cuts)
    key = cuts.cluster_key[pairs.cone]
    found = np.flatnonzero(inside & (lost == 0))
    sources = values.take(found).with_columns({"cluster_key": key[found]})
    gone = np.flatnonzero(inside & (lost != 0))
    reasons = enumerate(part.columns.reasons)
    lacking = {reason: lost[gone] & (np.int64(1) << bit) != 0 for bit, reason in reasons}
    counts = _count_by_key(key[gone], {NOT_KEPT: lost[gone] != 0, **lacking})
    without = {
        f"{name}{KEPT}": np.isnan(sources[name])
        for name in sorted(part.columns.optional)
        if name not in COLOURS  # of which one is enough
    }
    counts += _count_by_key(key[found], without)
    counts += _in_parallax(near, pairs.cone[found], cuts)
    return Found(sources, pairs.row[found], counts)


def _in_parallax(
    near: NDArray[np.int64], found: NDArray[np.int64], cuts: ConeCuts
) -> list[tuple[int, str, int]]:
    """Return counts of sources that pass the cut in parallax, for cones without kept sources."""
    near[found] = 0
    empty = np.flatnonzero(near)
    keys, numbers = cuts.cluster_key[empty].tolist(), near[empty].tolist()
    return [(key, IN_PARALLAX, number) for key, number in zip(keys, numbers, strict=True)]


def _count_by_key(
    cluster_key: NDArray[np.int64], lacking: Mapping[str, NDArray[np.bool_]]
) -> list[tuple[int, str, int]]:
    return [
        (int(key), reason, int(number))
        for reason, rows in lacking.items()
        for key, number in zip(*np.unique(cluster_key[rows], return_counts=True), strict=True)
    ]
