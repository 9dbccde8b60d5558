"""Find the isochrone point nearest to each sample of a star, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 65_536  # star–point pairs, or pairs times samples, held at once


def nearest_points(
    x: NDArray[np.float64], y: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the index of the point nearest to each sample, the first if several are as near.

    A star's samples lie close together, so only few points can be the nearest of any of them: a
    point p can be as near as a point q somewhere in the samples' bounding box only if its squared
    distance from the box's centre exceeds that of q by at most 2 (hx |px − qx| + hy |py − qy|),
    where hx, hy are half the sides of the box.

    Parameters
    ----------
    x, y : arrays, shape (n, s)
        Samples of n stars, finite.
    points : array, shape (p, 2)
        Points among which the nearest is sought.

    Returns
    -------
    array, shape (n, s)
    """
    nearest = np.empty(x.shape, np.int64)
    step = max(1, _AT_ONCE // len(points))
    for i in range(0, len(x), step):
        some = slice(i, i + step)
        star, point = _pairs(x[some], y[some], points)
        nearest[some] = _nearest_of_pairs(x[some], y[some], points, star, point)
    return nearest


def _pairs(
    x: NDArray[np.float64], y: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs (star, point), sorted, that include every point nearest to some sample."""
    squared, reach = np.zeros((2, len(x), len(points)))
    boxes = [(v.min(axis=1), v.max(axis=1)) for v in (x, y)]
    for (low, high), along in zip(boxes, points.T, strict=True):
        squared += ((low + high)[:, None] / 2 - along) ** 2
    first = squared.argmin(axis=1)
    for (low, high), along in zip(boxes, points.T, strict=True):
        reach += (high - low)[:, None] * np.abs(along - along[first, None])
    least = squared[np.arange(len(x)), first]
    # 1e-9 is far larger than rounding errors
    squared -= least[:, None]
    possible = squared <= reach + 1e-9 * (1.0 + least)[:, None]
    possible[np.arange(len(x)), first] = True
    star, point = possible.nonzero()
    return star, point


def _nearest_of_pairs(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    points: NDArray[np.float64],
    star: NDArray[np.int64],
    point: NDArray[np.int64],
) -> NDArray[np.int64]:
    nearest = np.empty(x.shape, np.int64)
    begins = np.searchsorted(star, np.arange(len(x) + 1))
    first = 0
    while first < len(x):
        end = np.searchsorted(begins, begins[first] + _AT_ONCE // x.shape[1], side="right") - 1
        last = min(max(first + 1, int(end)), len(x))  # at least a star
        pairs = slice(begins[first], begins[last])
        own, other = star[pairs], point[pairs]
        squared = (x[own] - points[other, :1]) ** 2
        squared += (y[own] - points[other, 1:]) ** 2
        groups = begins[first:last] - begins[first]
        least = np.minimum.reduceat(squared, groups, axis=0)
        index = np.where(squared == least[own - first], other[:, None], len(points))
        nearest[first:last] = np.minimum.reduceat(index, groups, axis=0)
        first = last
    return nearest
