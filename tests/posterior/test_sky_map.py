"""The field on the sky: even fields, fields with a slope, the core that is left out."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.posterior.sky_map import SkyMap, core_radius


def even_sky(n: int, radius: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    r, angle = radius * np.sqrt(rng.uniform(0, 1, n)), rng.uniform(0, 2 * np.pi, n)
    return np.stack([r * np.cos(angle), r * np.sin(angle)])


def test_an_even_field_has_an_even_map():
    position = even_sky(30_000, 40.0, 1)
    score, g = np.zeros(30_000), np.full(30_000, 17.0)
    sky = SkyMap(score, g, position, np.ones(30_000), 5.0, 0.0, 40.0)
    at = np.array([[0.0, 10.0, -30.0, 0.0], [0.0, 0.0, 10.0, 38.0]])
    np.testing.assert_allclose(sky(np.zeros(4), np.full(4, 17.0), at), 1.0, atol=0.12)


def test_a_slope_across_the_cone_is_found_in_the_core_and_outside():
    rng = np.random.default_rng(12)
    position = even_sky(80_000, 40.0, 2)
    kept = rng.uniform(0, 2, 80_000) < 1.0 + 0.8 * position[0] / 40.0
    position = position[:, kept]
    n = position.shape[1]
    sky = SkyMap(np.zeros(n), np.full(n, 17.0), position, np.ones(n), 5.0, 0.0, 40.0)
    x = np.array([-30.0, -15.0, 0.0, 15.0, 30.0])
    at = np.stack([x, np.zeros(5)])
    expected = 1.0 + 0.8 * x / 40.0
    np.testing.assert_allclose(sky(np.zeros(5), np.full(5, 17.0), at), expected, atol=0.12)


def test_classes_of_score_have_maps_of_their_own():
    rng = np.random.default_rng(13)
    position = even_sky(60_000, 40.0, 3)
    alike = rng.uniform(size=60_000) < 0.5
    kept = ~alike | (rng.uniform(0, 2, 60_000) < 1.0 + 0.9 * position[0] / 40.0)
    position, score = position[:, kept], np.where(alike, 3.0, -10.0)[kept]
    n = len(score)
    sky = SkyMap(score, np.full(n, 17.0), position, np.ones(n), 5.0, 0.0, 40.0)
    east = np.array([[30.0, 30.0], [0.0, 0.0]])
    alike_value, unlike_value = sky(np.array([3.0, -10.0]), np.full(2, 17.0), east)
    assert alike_value == pytest.approx(1.0 + 0.9 * 0.75, abs=0.15)
    assert unlike_value == pytest.approx(1.0, abs=0.12)


def test_a_crowd_in_the_core_does_not_count_as_field():
    position = np.concatenate([even_sky(20_000, 40.0, 4), even_sky(5_000, 3.0, 5)], axis=1)
    n = position.shape[1]
    sky = SkyMap(np.zeros(n), np.full(n, 17.0), position, np.ones(n), 5.0, 5.0, 40.0)
    value = sky(np.zeros(1), np.full(1, 17.0), np.zeros((2, 1)))
    assert value[0] == pytest.approx(1.0, abs=0.15)


def test_too_few_stars_leave_the_mean_as_it_is():
    sky = SkyMap(np.zeros(9), np.full(9, 17.0), even_sky(9, 40.0, 6), np.ones(9), 5.0, 0.0, 40.0)
    assert sky(np.zeros(1), np.full(1, 17.0), np.zeros((2, 1)))[0] == 1.0


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        (np.zeros(100), 8.0),  # no members known: min(8, 0.3 · 50)
        (np.ones(100), 7.9),  # 80 of 100 stars at 0, 0.1 … 9.9 pc
        (np.r_[np.ones(10), np.zeros(90)], 3.0),  # never within 3 pc
    ],
)
def test_the_core_holds_four_fifths_of_the_members(q, expected):
    assert core_radius(np.arange(100) / 10.0, q, 50.0) == pytest.approx(expected)


def test_the_core_of_a_small_cone_leaves_field():
    assert core_radius(np.arange(100) / 10.0, np.ones(100), 10.0) == pytest.approx(4.0)
    assert core_radius(np.arange(100) / 10.0, np.zeros(100), 10.0) == pytest.approx(3.0)
