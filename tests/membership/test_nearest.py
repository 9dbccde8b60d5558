"""Nearest points: exactly those of a search through all of them."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.membership import nearest
from ocspark.membership.nearest import nearest_points
from tests.helpers.kernels import isochrone_curve


def search(x: np.ndarray, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    squared = (x[..., None] - points[:, 0]) ** 2 + (y[..., None] - points[:, 1]) ** 2
    return squared.argmin(axis=-1)  # the first of several as near


@pytest.mark.parametrize("spread", [0.0, 1e-3, 0.1, 3.0])
@pytest.mark.parametrize("samples", [1, 24])
def test_the_nearest_of_all_points_is_found(spread, samples):
    rng = np.random.default_rng(1)
    points = isochrone_curve(400) / [0.15, 1.2]
    centre = points[rng.integers(0, len(points), 150)] + rng.normal(0, 2, (150, 2))
    x, y = (c[:, None] + spread * rng.normal(0, 1, (150, samples)) for c in centre.T)
    np.testing.assert_array_equal(nearest_points(x, y, points), search(x, y, points))


def test_of_points_as_near_the_first_counts():
    points = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [5.0, 5.0]])
    x, y = (
        np.array([[0.0, 0.5, 0.9], [0.0, 0.0, 0.0]]),
        np.array([[0.0, 0.0, 0.0], [0.0, -0.5, 0.5]]),
    )
    np.testing.assert_array_equal(nearest_points(x, y, points), [[0, 1, 1], [0, 3, 0]])


def test_how_many_pairs_are_held_at_once_does_not_matter(monkeypatch):
    rng = np.random.default_rng(2)
    points = rng.normal(0, 1, (50, 2))
    x, y = rng.normal(0, 1, (2, 40, 7))
    expected = search(x, y, points)
    for held in (1, 60, 1000):
        monkeypatch.setattr(nearest, "_AT_ONCE", held)
        np.testing.assert_array_equal(nearest_points(x, y, points), expected)
