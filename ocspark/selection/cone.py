"""Cone searches of all clusters in one reading of the mirror (method §1).

Each task reads its own portion of the mirror by pyarrow, pairs sources and cones in numpy
(`ocspark.selection.match`) and goes on with what it found in the same process, so that only results
pass through the JVM. Of a table Spark chooses the rows (`ocspark.selection.table_rows`), which meet
the same kernel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.mirror.columns import MirrorColumns, carried_name
from ocspark.selection.match import Cuts, match, within_cone
from ocspark.sky.cover import Cover, cover_cones
from ocspark.tables.arrow import to_batch
from ocspark.tables.run import IN_PARALLAX, KEPT, NOT_KEPT, cone_fields
from ocspark.tables.source_columns import COLOURS

if TYPE_CHECKING:
    import pandas as pd

    from ocspark.settings import SearchSettings


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
    import pandas as pd  # here, since tasks get arrays

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


class Stretch(Protocol):
    """Sources sorted by their order-29 index; see `ocspark.mirror.scan.Scan`.

    `is_whole` says whether it has all sources of its part of the mirror, or only those near cones.
    """

    name: str
    is_whole: bool
    columns: MirrorColumns
    healpix_29: NDArray[np.int64]
    parallax: NDArray[np.float64]
    pmra: NDArray[np.float64]
    pmdec: NDArray[np.float64]

    def sources(self, rows: NDArray[np.int64]) -> tuple[dict[str, NDArray], NDArray[np.int64]]:
        """Return canonical columns of some rows, and what each lacks (0: it is kept)."""

    def carried(self, rows: NDArray[np.int64]) -> list[pa.ChunkedArray]:
        """Return the carried columns of some rows."""

    def chunks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row group of some rows, and their chunk inside it."""


def find(stretches: Iterator[Stretch], cuts: Cuts, cover: Cover) -> Iterator[pa.RecordBatch]:
    """Yield the kept sources of each stretch in cones, where there are any.

    Record batches have the columns of `cone_fields`, and the carried ones as `carried_name` says.
    """
    for stretch in stretches:
        found = find_pairs(stretch, cuts, cover)
        if len(found.rows):
            batch = to_batch(found.sources, cone_fields(stretch.columns.names))
            carried = stretch.carried(found.rows)
            for column, values in zip(stretch.columns.carried, carried, strict=True):
                name = carried_name(column.field.name)
                batch = batch.append_column(name, values.combine_chunks())
            yield batch


@dataclass(frozen=True)
class Found:
    """What a stretch has in cones.

    Attributes
    ----------
    sources : dict of arrays, shape (m,)
        Kept sources, once for each of their cones: the columns of `cone_fields`.
    rows : array, shape (m,)
        Place of each in the stretch.
    lacking : list of (int, str, int)
        cluster_key, what is lacking, number of sources in the cone that lack it. One that lacks
        several things counts for each; all that are not kept count once as `NOT_KEPT`. A cone
        without kept sources has those of a whole stretch that pass its cut in parallax as
        `IN_PARALLAX`.
    """

    sources: dict[str, NDArray]
    rows: NDArray[np.int64]
    lacking: list[tuple[int, str, int]]


def find_pairs(stretch: Stretch, cuts: Cuts, cover: Cover) -> Found:
    """Find the kept sources of a stretch in each cone, and count what the others lack."""
    near = np.zeros(len(cuts.cluster_key), dtype=np.int64)
    values_of = (stretch.healpix_29, stretch.parallax, stretch.pmra, stretch.pmdec)
    pairs = match(*values_of, cuts, cover, near if stretch.is_whole else None)
    if not len(pairs.row):
        return Found({}, pairs.row, _in_parallax(near, pairs.cone, cuts))
    values, lost = stretch.sources(pairs.row)
    inside = within_cone(pairs, values["ra"], values["dec"], cuts)
    key = cuts.cluster_key[pairs.cone]
    found = np.flatnonzero(inside & (lost == 0))
    columns = {name: column[found] for name, column in values.items()}
    columns["cluster_key"] = key[found]
    gone = np.flatnonzero(inside & (lost != 0))
    reasons = enumerate(stretch.columns.reasons)
    lacking = {reason: lost[gone] & (np.int64(1) << bit) != 0 for bit, reason in reasons}
    counts = _count_by_key(key[gone], {NOT_KEPT: lost[gone] != 0, **lacking})
    without = {
        f"{name}{KEPT}": np.isnan(columns[name])
        for name in sorted(stretch.columns.optional)
        if name not in COLOURS  # of which one is enough
    }
    counts += _count_by_key(columns["cluster_key"], without)
    counts += _in_parallax(near, pairs.cone[found], cuts)
    return Found(columns, pairs.row[found], counts)


def _in_parallax(
    near: NDArray[np.int64], found: NDArray[np.int64], cuts: Cuts
) -> list[tuple[int, str, int]]:
    """Return the cones with sources near in parallax of which none was found."""
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
