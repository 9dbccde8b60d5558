"""The rehearsal's arithmetic: how long tasks take on some cores, and what its tables say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tests.benchmarks.rehearsal import makespan, measured, projected, repeated

STEPS = {"search": [2.0, 1.0], "characterise": [1.0], "membership": [8.0, 4.0], "layout": [1.0]}


def record() -> dict:
    portions = [
        {"step": step, "seconds": s, "rows": 1000, "peak_mb": 300 + int(s)}
        for step, seconds in STEPS.items()
        for s in seconds
    ]
    for portion in portions:
        if portion["step"] == "membership":
            portion |= {"candidates": 50, "evaluations": 500}
    return {
        "portions": portions,
        "settings": {"membership": {"n_samples": 100}},
        "tables": {"candidates": {"bytes": 10_000_000}, "clusters": {"bytes": 0}},
        "clusters": {"done": 2},
        "seconds": 20.0,
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_no_order_of_the_tasks_is_much_faster(cores: int):
    # Graham (1969): dearest first takes at most 4/3 − 1/(3 cores) times the shortest possible
    seconds = np.array([5.0, 4.0, 3.0, 3.0, 3.0, 2.0])
    shortest = min(
        np.bincount(where, seconds, cores).max() for where in product(range(cores), repeat=6)
    )
    assert shortest <= makespan(seconds, cores) <= (4 / 3 - 1 / (3 * cores)) * shortest
    assert makespan(seconds, 100) == 5.0
    assert makespan([], cores) == 0.0


def test_repeated_tasks_have_the_same_distribution():
    assert repeated([3.0, 1.0], 3.0) == [1.0, 1.0, 1.0, 3.0, 3.0, 3.0]
    assert repeated([3.0, 1.0, 2.0, 5.0], 0.5) == [1.0, 3.0]
    assert repeated([], 10.0) == []


def test_what_was_measured_and_what_follows():
    lines = "\n".join(measured(record(), cores=2, memory={"Python": 700, "JVM": 900}))
    for text in ("2,000, 100 a second", "100 |", "1,000; 9,000 saved, 10.0 times fewer"):
        assert text in lines
    assert "| pass 2 | 2 tasks, 12 s of a core, the longest 8.0 s, 308 MB at most |" in lines
    assert "Python 700 MB, JVM 900 MB" in lines and "0.01 GB" in lines

    table = projected(record(), cores=2, n_clusters=1250, more_rows=3.0)
    # twice the tasks of 1,250 clusters, three times those of pass 1: 9 + 2 + 24 + 2 s of a core
    assert cells(table[0]) == [
        "2500 clusters of DR3, 0.0 core hours",
        *(f"{n} cores" for n in (8, 64, 512)),
    ]
    by_title = {cells(line)[0]: cells(line)[1:] for line in table[2:]}
    assert by_title["pass 2"] == ["8 s"] * 3
    # 20 s, of which two cores were at the tasks for 2 + 1 + 8 + 1
    assert by_title["the driver between them"] == ["8 s"] * 3
    assert by_title["all"] == ["20 s"] * 3
