"""Which sources of a sorted stretch of sky pass which cones' cuts (method §1): numpy kernel.

Sources are sorted by their order-29 HEALPix index and a cone's cover is a set of ranges of it, so
the join is two binary searches a range. Cuts in parallax and proper motion come first, since most
pairs fail them; the exact distance is left to `within_cone`, for the few that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.sky.cover import Cover
from ocspark.sky.sphere import separation_rad

#: Sources looked at together, so that they stay in the processor's cache.
_STRETCH = 1 << 17
#: Pairs of source and cone held at once, where many cones overlap.
_PAIRS = 1 << 20


@dataclass(frozen=True)
class ConeCuts:
    """Centres and cuts of cones, arrays of shape (n,).

    Attributes
    ----------
    cluster_key : int64
    ra, dec : float64
        [deg]
    radius_rad : float64
        [rad]
    parallax, parallax_limit : float64
        [mas]
    pmra, pmdec, pm_limit : float64
        [mas/yr]
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
    """Pairs of a source (its row) and a cone, arrays of shape (m,); `inner` as in `Cover`."""

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
    """Return the pairs on a cone's cover that pass its cuts in parallax and proper motion.

    Parameters
    ----------
    healpix_29, parallax, pmra, pmdec : arrays, shape (n,)
        Of sources, sorted by the index; a missing value is NaN and passes nothing.
    cuts : ConeCuts
    cover : Cover
        Of the same cones.
    in_parallax : array of int64, shape (number of cones,), optional
        The number of pairs of each cone that pass the cut in parallax is added to it.
    """
    rows, ranges = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for low, length, touched in _runs(healpix_29, cover):
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
    """Say which pairs are inside the cone, its rim included.

    Parameters
    ----------
    pairs : Pairs
    ra, dec : arrays, shape (m,)
        Of the source of each pair [deg].
    cuts : ConeCuts
    """
    inside = pairs.inner.copy()
    rim = np.flatnonzero(~inside)
    cone = pairs.cone[rim]
    apart = separation_rad(ra[rim], dec[rim], cuts.ra[cone], cuts.dec[cone])
    inside[rim] = apart <= cuts.radius_rad[cone]
    return inside


def _runs(
    healpix: NDArray[np.int64], cover: Cover
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield portions of (first row, length, range) of the runs of rows on ranges of the cover."""
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
