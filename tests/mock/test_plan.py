"""The division of the sky: it tiles, it follows the density, files are unions of cells."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.errors import InputError
from ocspark.mock.plan import CELL_ROWS, FilePlan, tile

#: A sky at order 3 with one crowded pixel.
SKY = np.full(12 * 4**3, 1_000.0)
SKY[100] = 3_000_000.0


@pytest.mark.parametrize("limit", [CELL_ROWS, 10 * CELL_ROWS, 1e12])
def test_pixels_tile_the_sky_once(limit: float):
    tiles = tile(SKY, limit)
    assert np.array_equal(tiles.first[1:], tiles.end[:-1])
    assert tiles.first[0] == 0 and tiles.end[-1] == 12 * 4**29
    assert tiles.rows.sum() == pytest.approx(SKY.sum())


def test_crowded_pixels_are_split_until_none_exceeds_the_limit():
    tiles = tile(SKY, CELL_ROWS)
    assert tiles.rows.max() <= CELL_ROWS
    inside = tiles.pixel >> 2 * np.maximum(tiles.order - 3, 0) == 100
    crowded = inside & (tiles.order > 3)
    # 3,000,000 / 4^4 = 11,719: four orders deeper
    assert set(tiles.order[crowded]) == {7} and crowded.sum() == 256


def test_files_are_unions_of_cells_whatever_their_size():
    for limit in (CELL_ROWS, 5 * CELL_ROWS, 10**9):
        plan = FilePlan.build(SKY, limit)
        cells = [cell for file in range(len(plan.files)) for cell in plan.cells_of(file)]
        whole = FilePlan.build(SKY, CELL_ROWS).cells
        assert cells == list(whole)
        for file, pixel in enumerate(plan.files):
            inside = plan.cells_of(file)
            assert all(c.pixel >> 2 * (c.order - pixel.order) == pixel.pixel for c in inside)


def test_some_files_of_a_plan_have_the_cells_they_had():
    plan = FilePlan.build(SKY, 5 * CELL_ROWS)
    crowded = np.flatnonzero(plan.files.order > 3)
    files = np.array([0, 3, crowded[0], crowded[7], len(plan.files) - 1])
    part = plan.only(files)
    assert len(part.files) == 5
    for new, old in enumerate(files):
        assert part.files.pixel[new] == plan.files.pixel[old]
        assert part.cells_of(new) == plan.cells_of(old)
    assert len(part.cells) == part.first_cell[-1]


@pytest.mark.parametrize("n_tasks", [1, 2, 7, 10_000])
def test_tasks_cover_all_files_and_share_the_rows(n_tasks: int):
    plan = FilePlan.build(SKY, CELL_ROWS)
    bounds = plan.tasks(n_tasks)
    assert bounds[0] == 0 and bounds[-1] == len(plan.files) and np.all(np.diff(bounds) > 0)
    assert len(bounds) <= n_tasks + 1
    rows = np.add.reduceat(plan.files.rows, bounds[:-1])
    assert rows.max() <= SKY.sum() / n_tasks + 2 * CELL_ROWS


def test_files_smaller_than_a_cell_are_refused():
    with pytest.raises(InputError, match="at least 20000"):
        FilePlan.build(SKY, 500)
