"""Figures over real clusters, from rows written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ocspark.validation.real_summary import pool_clusters, real_judgement_lines


def row(cluster: str, recovered: float, by_g: list[list[int]], **more: Any) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "posterior_radius_pc": 9.0,
        "expected_members": 50.0,
        "expected_members_error": 5.0,
        "posterior_flags": "small cone",
        "n_training": sum(n for n, _ in by_g),
        "recovered": recovered,
        "training_by_g": by_g,
        "list Almeida": {"n": 10, "posterior": 9, "votes": 10},
        "list Cantat-Gaudin": {"n": 0, "posterior": 0, "votes": 0},
        "list Tarricq": {"n": 20, "posterior": 20, "votes": 20},
        "displaced_expected": [],
        "displaced_candidates": [],
        "ring_candidates": 30,
        "ring_displaced": None,
        "ring_expected": 8.0,
        **more,
    }


ROWS = [
    row("A", 1.0, [[0, 0], [2, 2], [8, 8], [10, 10], [0, 0]]),
    row(
        "B",
        0.8,
        [[2, 1], [0, 0], [0, 0], [8, 7], [0, 0]],
        displaced_expected=[1.0, 3.0],
        displaced_candidates=[40, 60],
        ring_displaced=20.0,
        twin={"true": 50, "expected": 55.0, "error": 5.0, "n_called": 48, "n_true": 45},
    ),
    row("C", 0.9, [[0, 0], [0, 0], [0, 0], [10, 9], [0, 0]], twin={"reason": "none"}),
]


def test_the_pool_adds_up_the_clusters():
    result = pool_clusters(ROWS)
    assert result["recovered"] == 0.9
    assert result["recovered_under_90"] == 1
    assert result["recovered_by_g"] == [0.5, 1.0, 1.0, pytest.approx(26 / 28), None]
    assert result["lists"]["Almeida"] == {"n": 30, "posterior": 0.9, "votes": 1.0}
    assert result["lists"]["Cantat-Gaudin"]["posterior"] is None
    assert result["displaced"] == {
        "n_windows": 2,
        "n_candidates": 100,
        "expected": 4.0,
        "share": 0.04,
        "largest": 3.0,
    }
    # of B alone: 30 − 20 more than in displaced windows, of which 8 are expected
    assert result["ring"] == {"n_clusters": 1, "excess": 10.0, "expected": 8.0, "ratio": 0.8}
    twins = result["twins"]
    assert (twins["n"], twins["n_done"], twins["completeness"]) == (2, 1, 0.9)
    assert twins["purity"] == pytest.approx(45 / 48)
    assert twins["median_relative"] == pytest.approx(0.1)


def test_words_tell_each_cluster_and_what_is_wanted():
    null = {"D": "the mirror covers 2.0 pc"}
    lines = real_judgement_lines({"clusters": ROWS, "null": null, "pool": pool_clusters(ROWS)})
    assert [line.split()[0] for line in lines[1:4]] == ["A", "B", "C"]
    assert lines[4] == "D: no posterior: the mirror covers 2.0 pc"
    assert any("0.900 of 30 found (wanted 0.92; votes 1.000)" in line for line in lines)
