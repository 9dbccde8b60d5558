"""Match sources with the cones whose cuts they pass, in numpy (method §1).

Sources are sorted by their order-29 HEALPix index and a cone's cover is a set of ranges of that
index, so a join takes two binary searches per range. The cuts in parallax and proper motion come
first, since most pairs fail them; `within_cone` tests the exact distance of the few that remain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.sky.cover import Cover
from ocspark.sky.sphere import separation_rad

#: Sources matched at once, so that they stay in the processor's cache.
_STRETCH = 1 << 17
#: Pairs of source and cone held at once, where many cones overlap.
_PAIRS = 1 << 20


@dataclass(frozen=True)
class ConeCuts:
    """Centres and cuts of cones, arrays of shape (n,).

    Attributes
    ----------
    cluster_key : int64
        Key of the cluster.
    ra, dec : float64
        Centre [deg].
    radius_rad : float64
        Radius [rad].
    parallax, parallax_limit : float64
        Parallax of the cluster, and the largest difference from it [mas].
    pmra, pmdec, pm_limit : float64
        Proper motion of the cluster, and the largest distance from it [mas/yr].
    """

    cluster_key: NDArray[np.int64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    radius_rad: NDArray[np.float64]
    parallax: NDArray[np.float64]
    parallax_limit: NDArray[np.float64]
    pmra: NDArray[np.float64]
    pmdec: NDArray[np.float64]
    pm_limit: NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of a source and a cone, arrays of shape (m,).

    Attributes
    ----------
    row : int64
        Row of the source.
    cone : int64
        Index of the cone.
    inner : bool
        Whether the source lies in a range that is wholly inside the cone; see `Cover`.
    """

    row: NDArray[np.int64]
    cone: NDArray[np.int64]
    inner: NDArray[np.bool_]


def match(
    healpix_29: NDArray[np.int64],
    parallax: NDArray[np.float64],
    pmra: NDArray[np.float64],
    pmdec: NDArray[np.float64],
    cuts: ConeCuts,
    cover: Cover,
    in_parallax: NDArray[np.int64] | None = None,
) -> Pairs:
    """Return the pairs of which the source is on the cone's cover and passes both of its cuts.

    Parameters
    ----------
    healpix_29, parallax, pmra, pmdec : arrays, shape (n,)
        Index, parallax [mas] and proper motion [mas/yr] of sources, sorted by index; a missing
        value is NaN and passes no cut.
    cuts : ConeCuts
        Cuts of the cones.
    cover : Cover
        Cover of the same cones.
    in_parallax : array of int64, shape (number of cones,), optional
        The number of pairs of each cone that pass the cut in parallax is added to it.
    """
    rows, ranges = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for low, length, touched in _filled_ranges(healpix_29, cover):
        cone, ends = cover.cone[touched], np.cumsum(length)
        row = np.arange(ends[-1]) + np.repeat(low - (ends - length), length)
        away = np.abs(parallax[row] - np.repeat(cuts.parallax[cone], length))
        near = np.flatnonzero(away <= np.repeat(cuts.parallax_limit[cone], length))
        which = np.searchsorted(ends, near, side="right")
        row, cone = row[near], cone[which]
        if in_parallax is not None:
            in_parallax += np.bincount(cone, minlength=len(in_parallax))
        x, y = pmra[row] - cuts.pmra[cone], pmdec[row] - cuts.pmdec[cone]
        near = np.flatnonzero(np.sqrt(x * x + y * y) <= cuts.pm_limit[cone])
        rows.append(row[near])
        ranges.append(touched[which[near]])
    row, touched = np.concatenate(rows), np.concatenate(ranges)
    return Pairs(row, cover.cone[touched], cover.inner[touched])


def within_cone(
    pairs: Pairs, ra: NDArray[np.float64], dec: NDArray[np.float64], cuts: ConeCuts
) -> NDArray[np.bool_]:
    """Return which pairs have their source inside the cone, the rim included, shape (m,).

    Parameters
    ----------
    pairs : Pairs
        Pairs from `match`.
    ra, dec : arrays, shape (m,)
        Position of the source of each pair [deg].
    cuts : ConeCuts
        Centres and radii of the cones.
    """
    inside = pairs.inner.copy()
    rim = np.flatnonzero(~inside)
    cone = pairs.cone[rim]
    apart = separation_rad(ra[rim], dec[rim], cuts.ra[cone], cuts.dec[cone])
    inside[rim] = apart <= cuts.radius_rad[cone]
    return inside


def _filled_ranges(
    healpix: NDArray[np.int64], cover: Cover
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield ranges of the cover that hold rows: first row, number of rows, index of the range.

    They come in bounded batches, so that few pairs are in memory at once.
    """
    for first in range(0, len(healpix), _STRETCH):
        stretch = healpix[first : first + _STRETCH]
        last = np.searchsorted(cover.start, stretch[-1], side="right")
        ranges = np.flatnonzero(cover.end[:last] > stretch[0])
        low = np.searchsorted(stretch, cover.start[ranges])
        length = np.searchsorted(stretch, cover.end[ranges]) - low
        ranges, low, length = (column[length > 0] for column in (ranges, low, length))
        portion = np.cumsum(length) // _PAIRS
        for part in np.split(np.arange(len(ranges)), np.flatnonzero(np.diff(portion)) + 1):
            if len(part):
                yield first + low[part], length[part], ranges[part]
