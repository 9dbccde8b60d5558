"""The isochrone that is drawn has no line where there are no stars."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.inputs.isochrones import default_isochrones
from ocspark.physics.isochrone import apparent_isochrone, apparent_points
from ocspark.reports.view import broken_at_jumps

#: PARSEC's stages: the giant branch, and core helium burning after the flash.
GIANTS, CLUMP = 3, 4


def follows(line: np.ndarray, tip: np.ndarray, clump: np.ndarray) -> bool:
    """Tell whether two neighbours of a line lie on the straight way from tip to clump."""
    way = (clump - tip) / np.linalg.norm(clump - tip)
    off = (line - tip) @ np.array([-way[1], way[0]])
    along = (line - tip) @ way
    on = (np.abs(off) < 1e-9) & (along > 0.1) & (along < np.linalg.norm(clump - tip) - 0.1)
    return bool((on[1:] & on[:-1]).any())


@pytest.mark.parametrize("log_age", [9.24, 9.48, 9.96])
def test_it_breaks_from_the_tip_of_the_giants_to_the_clump(log_age: float) -> None:
    table = default_isochrones()
    ages = table["log_age"].unique()
    one = table[table["log_age"] == ages[np.argmin(np.abs(ages - log_age))]]
    points = apparent_points(one, 1000.0, 0.3)
    flash = int(np.flatnonzero((points.label[:-1] == GIANTS) & (points.label[1:] == CLUMP))[0])
    tip, clump = np.column_stack((points.colour, points.g_mag))[[flash, flash + 1]]
    assert clump[1] - tip[1] > 1.5  # magnitudes that no star of that age has on its way

    lines = broken_at_jumps(apparent_isochrone(one, 1000.0, 0.3))
    ends = [line[-1].tolist() for line in lines], [line[0].tolist() for line in lines]
    assert tip.tolist() in ends[0] and clump.tolist() in ends[1]
    assert not any(follows(line, tip, clump) for line in lines)
    assert follows(np.linspace(tip, clump, 20), tip, clump)
    kept = {tuple(point) for line in lines for point in line}
    assert kept >= set(zip(points.colour.tolist(), points.g_mag.tolist(), strict=True))


def test_a_young_main_sequence_is_one_line() -> None:
    x = np.linspace(0.0, 1.0, 40)
    curve = np.column_stack((x, 10.0 + 8.0 * x**2))
    (line,) = broken_at_jumps(curve)
    np.testing.assert_array_equal(line, curve)
    assert broken_at_jumps(np.empty((0, 2))) == []
