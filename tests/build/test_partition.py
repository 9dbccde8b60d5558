"""The adaptive partition holds every row once, in the coarsest pixels that are not too full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocspark.build.partition import COUNT_ORDER, adaptive_pixels, count_cells


@st.composite
def skies(draw: st.DrawFn) -> np.ndarray:
    """Order-29 indices: a few crowds of random depth in a thin all-sky field."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    parts = [rng.integers(0, 12 << 58, draw(st.integers(0, 200)))]
    for _ in range(draw(st.integers(0, 4))):
        order = draw(st.integers(0, 14))
        shift = 2 * (29 - order)
        pixel = rng.integers(0, 12 << 2 * order)
        parts.append((pixel << shift) + rng.integers(0, 1 << shift, draw(st.integers(1, 300))))
    return np.concatenate(parts)


@settings(max_examples=150, deadline=None)
@given(skies(), st.integers(1, 120))
def test_partition_is_complete_disjoint_and_coarsest(index, max_rows):
    pixels = adaptive_pixels(*count_cells(index), max_rows)
    index = np.sort(index)

    def rows_in(order: int, pixel: int) -> int:
        shift = 2 * (29 - order)
        return int(np.sum(index >> shift == pixel))

    assert np.all(pixels.first[1:] >= pixels.end[:-1])  # disjoint, in sky order
    assert pixels.rows.sum() == len(index)
    for order, pixel, rows in zip(pixels.order, pixels.pixel, pixels.rows, strict=True):
        assert rows == rows_in(order, pixel) > 0
        assert 0 <= order <= COUNT_ORDER
        assert rows <= max_rows or order == COUNT_ORDER
        assert order == 0 or rows_in(order - 1, pixel >> 2) > max_rows


def test_counts_of_a_cell_from_several_files_add_up():
    cells, counts = np.array([7, 7, 9]), np.array([30, 40, 5])
    pixels = adaptive_pixels(cells, counts, 60)
    assert (pixels.order[0], pixels.pixel[0], pixels.rows[0]) == (COUNT_ORDER, 7, 70)
    assert adaptive_pixels(cells, counts, 75).rows == pytest.approx([75])
