"""Map the field on the sky (step 4): the density of stars of similar score, over the mean.

Dust and the Galaxy's gradients change the density of field stars that resemble members across a
cone. It is mapped in classes of the score s = ln L − ln(F₀/ν), which says how much a star resembles
a member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Floats = NDArray[np.float64]

#: Edges of the classes of score, and the G that separates bright from faint classes [mag].
SCORE_EDGES = (-np.inf, -8.0, -5.0, -3.0, -1.5, -0.5, 0.5, 1.5, 2.5, np.inf)
SPLIT_G = 18.5
#: Number of field stars in a kernel, its least width [pc], and its largest width over R.
KERNEL_STARS, LEAST_WIDTH_PC, LARGEST_WIDTH = 80.0, 5.0, 0.6
#: Least weight of a class, and limits of a map's values.
LEAST_WEIGHT, LIMITS = 15.0, (0.05, 20.0)
#: Core that is left out of the maps: share of Σq inside it, least radius [pc], largest radius [pc]
#: and over R.
CORE_SHARE, CORE_LEAST, CORE_LARGEST, CORE_LARGEST_SHARE = 0.8, 3.0, 10.0, 0.4
#: Core before there is a q: radius [pc] and over R; least Σq for the other one.
FIRST_CORE, FIRST_CORE_SHARE, CORE_STARS = 8.0, 0.3, 5.0
#: Cells along a side of the map, its half-side in units of R, and parts of a cell's side.
_CELLS, _HALF_SIDE, _PARTS = 80, 1.2, 4
_TRUNCATE = 3.0


def core_radius(radius: Floats, q: Floats, covered_radius: float) -> float:
    """Return the radius [pc] within which stars are not counted as field.

    It is the radius of 80 % of Σq, limited to 3 … min(10, 0.4 R); or min(8, 0.3 R) if Σq is at most
    5.

    Parameters
    ----------
    radius, q : arrays, shape (n,)
        Projected radius [pc] and probability of the stars.
    covered_radius : float
        R [pc].
    """
    if q.sum() <= CORE_STARS:
        return min(FIRST_CORE, FIRST_CORE_SHARE * covered_radius)
    order = np.argsort(radius, kind="stable")
    within = np.cumsum(q[order])
    place = int(np.searchsorted(within, CORE_SHARE * within[-1]))
    largest = min(CORE_LARGEST, CORE_LARGEST_SHARE * covered_radius)
    return min(max(float(radius[order][place]), CORE_LEAST), largest)


@dataclass(frozen=True)
class _ClassMap:
    """Logarithm of the relative density of a class on the grid, and the class's median score."""

    score: float
    log_density: Floats


class SkyMap:
    """The field's density relative to its mean, g(s, G, ξ, η).

    Parameters
    ----------
    score, g_mag : arrays, shape (n,)
        s and G [mag] of the stars.
    position : array, shape (2, n)
        (ξ, η) of the stars [pc].
    weight : array, shape (n,)
        Field weights ω.
    inner : float
        Radius inside which stars are not counted [pc].
    reference_inner : float
        Radius beyond which the field of step 3 was learnt [pc]; the map is relative to it.
    covered_radius : float
        R [pc].
    """

    def __init__(
        self,
        score: Floats,
        g_mag: Floats,
        position: Floats,
        weight: Floats,
        inner: float,
        reference_inner: float,
        covered_radius: float,
    ) -> None:
        self._half_side = _HALF_SIDE * covered_radius
        self._step = 2.0 * self._half_side / _CELLS
        radius = np.hypot(*position)
        outside = radius > inner
        reference_area = np.pi * (covered_radius**2 - reference_inner**2)
        area = np.pi * (covered_radius**2 - inner**2)
        mask = self._ring_coverage(inner, covered_radius)
        smooth_masks: dict[float, Floats] = {}
        self._maps: list[list[_ClassMap]] = []
        cell = self._cells(position)
        for bright in (True, False):
            maps = []
            for low, high in pairwise(SCORE_EDGES):
                members = ((g_mag < SPLIT_G) == bright) & (score >= low) & (score < high)
                counted = members & outside
                total = float(weight[counted].sum())
                reference = float(weight[members & (radius > reference_inner)].sum())
                reference /= reference_area
                if total < LEAST_WEIGHT or reference <= 0:
                    continue
                width = np.sqrt(KERNEL_STARS * area / (4.0 * np.pi * total))
                width = min(max(width, LEAST_WIDTH_PC), LARGEST_WIDTH * covered_radius)
                if width not in smooth_masks:
                    smooth_masks[width] = self._smoothed(mask, width) * self._step**2
                counts: Floats = np.bincount(cell[counted], weight[counted], _CELLS**2).astype(
                    float
                )
                smooth = self._smoothed(counts.reshape(_CELLS, _CELLS), width)
                density = smooth / np.maximum(smooth_masks[width], 1e-3 * self._step**2)
                relative = np.clip(density / reference, *LIMITS)
                maps.append(_ClassMap(float(np.median(score[members])), np.log(relative)))
            self._maps.append(maps)

    def _places(self, position: Floats) -> Floats:
        return (position + self._half_side) / self._step

    def _cells(self, position: Floats) -> NDArray[np.int64]:
        index = np.clip(self._places(position), 0, _CELLS - 1).astype(np.int64)
        return index[0] * _CELLS + index[1]

    def _ring_coverage(self, inner: float, outer: float) -> Floats:
        """Return the share of each cell that lies between two radii [pc]."""
        side = _CELLS * _PARTS
        middle = (np.arange(side) + 0.5) * self._step / _PARTS - self._half_side
        radius = np.hypot(middle[:, None], middle)
        covered = ((radius > inner) & (radius < outer)).astype(float)
        return covered.reshape(_CELLS, _PARTS, _CELLS, _PARTS).mean(axis=(1, 3))

    def _smoothed(self, values: Floats, width: float) -> Floats:
        return np.asarray(
            gaussian_filter(values, width / self._step, mode="constant", truncate=_TRUNCATE)
        )

    def __call__(self, score: Floats, g_mag: Floats, position: Floats) -> Floats:
        """Return g at stars: ln g interpolated linearly between the classes' median scores.

        It is 1 if no class of that G has enough stars.
        """
        out = np.ones(len(score))
        place = self._places(position) - 0.5
        for bright, maps in zip((True, False), self._maps, strict=True):
            rows = np.flatnonzero((g_mag < SPLIT_G) == bright)
            if not maps or not len(rows):
                continue
            out[rows] = np.exp(_between(maps, score[rows], place[:, rows]))
        return out


def _between(maps: Sequence[_ClassMap], score: Floats, place: Floats) -> Floats:
    """Return ln g at stars from the maps of their G, which are sorted by score."""
    at = np.interp(score, [one.score for one in maps], np.arange(len(maps)))
    below = np.minimum(at.astype(np.int64), max(len(maps) - 2, 0))
    fraction = at - below
    total = np.zeros(len(score))
    for number, one in enumerate(maps):
        weight = np.where(below == number, 1.0 - fraction, 0.0)
        weight += np.where(below == number - 1, fraction, 0.0)
        rows = np.flatnonzero(weight > 0)
        values = map_coordinates(one.log_density, place[:, rows], order=1, mode="nearest")
        total[rows] += weight[rows] * values
    return total
