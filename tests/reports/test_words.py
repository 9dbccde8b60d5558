"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from ocspark.reports import words
from ocspark.tables.analysis import MISSED_REASONS


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((2.0, 1.5, 3.0), "2.00 (+1.00 −0.50) pc"),
        ((math.nan, 60.0, math.nan), "not constrained (> 60.00 pc)"),
        ((math.nan, math.nan, 4.0), "not constrained (< 4.00 pc)"),
        ((math.nan, math.nan, math.nan), "not constrained"),
        ((2.0, math.nan, math.nan), "2.00 pc (error unknown)"),
    ],
)
def test_an_interval_says_what_is_open(row: tuple[float, float, float], expected: str) -> None:
    names = ("r", "r_lower", "r_upper")
    assert words.interval(dict(zip(names, row, strict=True)), "r", "pc") == expected


def test_every_reason_that_a_comparison_counts_has_words() -> None:
    counts = {f"n_{reason}": 0 for reason in MISSED_REASONS}
    for name in counts:
        assert words.reasons({**counts, name: 7}).endswith(" 7"), name
    assert words.reasons(counts) == "none"


def test_missing_numbers_are_dashes_and_counts_have_separators() -> None:
    assert words.number(None) == words.number(math.nan) == words.share(math.nan) == "–"
    assert words.number(12345) == "12,345" and words.number(math.inf) == "no limit"
