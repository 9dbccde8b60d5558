"""Minimum spanning trees against scipy; the ratio is 1 for random stars and finds planted ones."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from ocspark.analysis.segregation import SET_SIZES, segregation, tree_lengths


def test_tree_lengths_are_those_of_scipy() -> None:
    points = np.random.default_rng(1).normal(size=(30, 17, 2))
    expected = [minimum_spanning_tree(squareform(pdist(p))).sum() for p in points]
    np.testing.assert_allclose(tree_lengths(points), expected, rtol=1e-12)


def test_tree_of_a_line_is_its_length() -> None:
    line = np.stack((np.array([3.0, 0.0, 1.0, 7.0]), np.zeros(4)), axis=-1)
    assert tree_lengths(line[None])[0] == 7.0


def test_random_stars_have_ratio_one_within_the_stated_error() -> None:
    rng = np.random.default_rng(11)
    ratios = []
    for _ in range(60):
        positions, magnitude = rng.normal(size=(200, 2)), rng.uniform(10, 18, 200)
        ratios.append([(s.ratio, s.error) for s in segregation(positions, magnitude, rng)])
    found = np.array(ratios)
    assert found.shape == (60, len(SET_SIZES), 2)
    # E[1/l] > 1/E[l]: the mean exceeds 1 by the relative variance, the median does not
    within = np.abs(found[..., 0] - 1.0) < found[..., 1]
    # 68 % of 60, four binomial standard deviations (3.6)
    assert (np.abs(within.sum(axis=0) - 41) < 14.5).all()
    assert (np.abs(np.median(found[..., 0], axis=0) - 1.0) < 0.12).all()


def test_planted_segregation_is_found() -> None:
    rng = np.random.default_rng(2)
    positions, magnitude = rng.normal(size=(300, 2)), rng.uniform(12, 18, 300)
    magnitude[:20] = np.linspace(8, 9, 20)
    positions[:20] = 0.2 * rng.normal(size=(20, 2))
    ten, twenty, *_ = segregation(positions, magnitude, rng)
    for found in (ten, twenty):
        # the lengths scale with the spread, so the ratio is 1 / 0.2 for equal numbers
        assert abs(found.ratio - 5.0) < 3.0 * found.error
        assert found.ratio - 3.0 * found.error > 1.0
    positions[:20] = 4.0 * rng.normal(size=(20, 2))
    assert segregation(positions, magnitude, rng)[1].ratio < 0.5


def test_too_few_stars_give_no_ratio() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 5, 19):
        assert segregation(rng.normal(size=(n, 2)), np.arange(n, dtype=float), rng) == []
    assert [s.n for s in segregation(rng.normal(size=(40, 2)), np.arange(40.0), rng)] == [10, 20]
