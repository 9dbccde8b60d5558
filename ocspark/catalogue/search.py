"""Run pass 1: find listed members in the cones, and count sources by chunk and by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import hpgeom
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.posterior.footprint import cone_cell_order
from ocspark.selection.listed_members import MemberLookup
from ocspark.selection.match import ConeCuts
from ocspark.selection.sources_in_cones import SortedSources, find_in_cones
from ocspark.sky.cover import Cover, pixel_ranges
from ocspark.store.files import TableWriters
from ocspark.tables.arrow import split_by_key, stars_to_batch, to_batch
from ocspark.tables.run import CELLS, COUNTS, LACKING, SEARCH, cone_fields
from ocspark.tables.source_columns import NOT_IN_EVERY_RELEASE
from ocspark.tables.stars import RawStars

#: Folders of the pieces that pass 1 writes: listed members found, and counts by cell.
FOUND_PIECES, CELL_PIECES = "_pieces_search", "_pieces_cells"
#: Tables of counts by chunk, and of counts by missing value.
COUNT_TABLE, LACKING_TABLE = "_counts", "_lacking"


@dataclass(frozen=True)
class FindListed:
    """Find listed members among the sources that a task reads, and count sources (pass 1).

    Attributes
    ----------
    cuts, cover
        Cuts and cover of the cones to search: `Cones.cuts` and `Cones.cover`.
    listed : MemberLookup
        Members of the list, by cluster and source.
    """

    cuts: ConeCuts
    cover: Cover
    listed: MemberLookup
    _cells: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def __call__(self, parts: Iterator[SortedSources], writers: TableWriters) -> dict[str, int]:
        """Write listed members and counts; return the number of pairs of source and cone."""
        n_pairs = 0
        for part in parts:
            if part.is_whole and len(part.healpix_29):
                writers.add(CELL_PIECES, self._count_cells(part.healpix_29))
            pairs = find_in_cones(part, self.cuts, self.cover)
            if pairs.lacking:
                names = [f.name for f in LACKING]
                rows = zip(*pairs.lacking, strict=True)
                columns = {n: np.array(v, dtype=object) for n, v in zip(names, rows, strict=True)}
                writers.add(LACKING_TABLE, to_batch(columns, LACKING))
            if not len(pairs.rows):
                continue
            n_pairs += len(pairs.rows)
            keys = pairs.sources["cluster_key"]
            writers.add(COUNT_TABLE, _count_chunks(keys, part, pairs.rows))
            fields = cone_fields(part.columns.names)
            for key, stars in split_by_key(stars_to_batch(pairs.sources, fields), RawStars):
                probability = self.listed.probability(key, stars["source_id"])
                named = ~np.isnan(probability)
                if named.any():
                    stars = stars.with_columns({"list_probability": probability}).take(named)
                    writers.add(FOUND_PIECES, stars_to_batch(stars, SEARCH, NOT_IN_EVERY_RELEASE))
        return {"pairs": n_pairs}

    def _count_cells(self, healpix_29: NDArray[np.int64]) -> pa.RecordBatch:
        """Return `CELLS` rows: counts of all sources in the cells of each cone that overlaps."""
        cover = self.cover
        overlaps = (cover.start <= healpix_29[-1]) & (cover.end > healpix_29[0])
        parts: list[tuple[NDArray[np.int64], ...]] = []
        for cone in np.unique(cover.cone[overlaps]):
            order = cone_cell_order(float(np.degrees(self.cuts.radius_rad[cone])))
            cells = self._cells_of(int(cone), order)
            low, high = pixel_ranges(order, cells)
            n = np.searchsorted(healpix_29, high) - np.searchsorted(healpix_29, low)
            some = n > 0
            key = self.cuts.cluster_key[cone]
            length = int(some.sum())
            parts.append((np.full(length, key), np.full(length, order), cells[some], n[some]))
        names = [f.name for f in CELLS]
        empty = tuple(np.empty(0, np.int64) for _ in names)
        columns = [np.concatenate(column) for column in zip(*(parts or [empty]), strict=True)]
        return to_batch(dict(zip(names, columns, strict=True)), CELLS)

    def _cells_of(self, cone: int, order: int) -> NDArray[np.int64]:
        if cone not in self._cells:
            ra, dec = self.cuts.ra[cone], self.cuts.dec[cone]
            radius_deg = np.degrees(self.cuts.radius_rad[cone])
            self._cells[cone] = np.sort(hpgeom.query_circle(1 << order, ra, dec, radius_deg))
        return self._cells[cone]


def _count_chunks(
    cluster_key: NDArray[np.int64], part: SortedSources, rows: NDArray[np.int64]
) -> pa.RecordBatch:
    """Return `COUNTS` rows: numbers of sources in each cone by chunk of the file."""
    group, chunk = part.chunks(rows)
    place, n = np.unique(np.stack((cluster_key, group, chunk)), axis=1, return_counts=True)
    columns = {
        "cluster_key": place[0],
        "file": np.full(len(n), part.name, dtype=object),
        "row_group": place[1],
        "chunk": place[2],
        "n_cone": n,
    }
    return to_batch(columns, COUNTS)
