"""Judge posteriors and votes of a finished run on a mock by the mock's truth (Spark)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from ocspark import storage
from ocspark.errors import InputError
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.store.frames import read_frame
from ocspark.training.judge import calibration
from ocspark.validation.posterior_counts import (
    G_EDGES,
    METHODS,
    RADIUS_EDGES,
    Part,
    cells_in,
    count_stars,
    counts_above,
    stars_with_truth,
    sums_by_cluster,
)
from ocspark.validation.posterior_figure import draw_posterior_judgement
from ocspark.validation.posterior_scores import (
    LEAST_PROBABILITY,
    LEVELS,
    calibration_error,
    score_expected_members,
    score_level,
)

#: Parts of the stars that are judged separately.
PARTS = {
    "all": Part("g", 0.0, 30.0),
    "G < 18": Part("g", 0.0, 18.0),
    "G 18-20": Part("g", 18.0, 20.0),
    "G > 20": Part("g", 20.0, 30.0),
    "r < 5 pc": Part("radius", 0.0, 5.0),
    "r 5-20 pc": Part("radius", 5.0, 20.0),
    "r > 20 pc": Part("radius", 20.0, 1000.0),
}
#: Columns in the row of each cluster.
_SHOWN = (
    "cluster n_true expected_members expected_members_error sum_votes posterior_flags"
).split()
#: The parts for which method §13 limits the calibration error.
CALIBRATED = ("all", "G < 18", "G 18-20", "r < 5 pc", "r 5-20 pc")


def judge_posterior(
    spark: SparkSession, run: FinishedRun, truth: str, output: str
) -> dict[str, Any]:
    """Judge the posteriors and votes of a finished run; write the numbers and a figure.

    Parameters
    ----------
    spark : SparkSession
        Session that reads and joins the tables.
    run : FinishedRun
        A run of the main job on a mock.
    truth : str
        The mock's truth.parquet.
    output : str
        Folder that gets posterior_judgement.json and posterior_judgement.png.

    Returns
    -------
    dict
        The content of posterior_judgement.json; see `judge_stars`.

    Raises
    ------
    InputError
        If there is no truth or no cluster with a posterior, or if the folder holds something else.
    """
    if not storage.is_file(truth):
        raise InputError(f"--truth: {truth}: no such file; expected a mock's truth.parquet")
    with Claim(output, {"holds": "a judgement"}, "a judgement").hold():
        clusters = run.read_arrow("clusters").to_pandas()
        clusters = clusters[clusters["status"] == "done"]
        if not clusters["expected_members"].notna().any():
            raise InputError(f"--run: {run.path}: none of its clusters has a posterior")
        candidates = run.read(spark, "candidates")
        planted = read_frame(spark, truth)
        result = {"run": run.record["run_id"], **judge_stars(candidates, planted, clusters)}
        storage.write_file(
            storage.join(output, "posterior_judgement.json"), json.dumps(result, indent=1)
        )
        storage.write_file(
            storage.join(output, "posterior_judgement.png"), draw_posterior_judgement(result)
        )
    return result


def judge_stars(
    candidates: DataFrame, planted: DataFrame, clusters: pd.DataFrame
) -> dict[str, Any]:
    """Judge candidates by the truth, in the clusters that have a posterior.

    Candidates are binned by their measured G and radius, other true members by their true ones.
    Completeness is relative to all true members, whether candidates or not.

    Parameters
    ----------
    candidates : DataFrame
        cluster, source_id, phot_g_mean_mag, f_r, probability, posterior.
    planted : DataFrame
        A row per true member: cluster, source_id, phot_g_mean_mag, projected_radius.
    clusters : DataFrame
        The clusters that are done: cluster, expected_members, expected_members_error,
        posterior_reason, posterior_flags.

    Returns
    -------
    dict
        ``n_clusters``, ``n_members``, ``null`` (why clusters have no posterior, by name) and
        ``clusters`` (a row each); for each method (``votes``, ``posterior``): ``levels`` (scores by
        level and part), ``g`` and ``radius`` (scores at 0.5 by bin), ``reliability``,
        ``calibration_error`` (by part), ``log_loss`` per member, ``expected_members``.
    """
    judged = clusters[clusters["expected_members"].notna()].sort_values("cluster")
    stars = stars_with_truth(candidates, planted, judged["cluster"].tolist())
    cells = count_stars(stars)
    table = judged.merge(sums_by_cluster(stars), on="cluster", how="left").fillna(
        {"n_true": 0, **{f"{kind}_{name}": 0.0 for kind in ("sum", "loss") for name in METHODS}}
    )
    null = clusters[clusters["expected_members"].isna()]
    return {
        "n_clusters": len(table),
        "n_members": int(table["n_true"].sum()),
        "null": dict(zip(null["cluster"], null["posterior_reason"], strict=True)),
        **{name: _judge_method(cells[cells["method"] == name], table, name) for name in METHODS},
        "clusters": [
            {str(name).removeprefix("posterior_"): value for name, value in row.items()}
            for row in table[_SHOWN].to_dict("records")
        ],
    }


def _judge_method(cells: pd.DataFrame, clusters: pd.DataFrame, method: str) -> dict[str, Any]:
    """Return all scores of one method."""
    n_true = clusters["n_true"].to_numpy(dtype=float)
    expected = clusters["expected_members" if method == "posterior" else "sum_votes"]
    error = clusters["expected_members_error"] if method == "posterior" else expected * np.nan
    some = n_true > 0
    every = counts_above(cells, LEAST_PROBABILITY)
    return {
        "levels": {
            f"{level:g}": {
                name: _score(cells_in(cells, part), level) for name, part in PARTS.items()
            }
            for level in LEVELS
        },
        "g": _by_bin(cells, "g", G_EDGES),
        "radius": _by_bin(cells, "radius", RADIUS_EDGES),
        "reliability": calibration(every),
        "calibration_error": {
            name: calibration_error(counts_above(cells_in(cells, PARTS[name]), LEAST_PROBABILITY))
            for name in CALIBRATED
        },
        "log_loss": float(clusters[f"loss_{method}"].sum() / max(n_true.sum(), 1.0)),
        "expected_members": score_expected_members(
            expected.to_numpy(dtype=float)[some], n_true[some], error.to_numpy(dtype=float)[some]
        ),
    }


def _by_bin(cells: pd.DataFrame, quantity: str, edges: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the scores at 0.5 of each bin of a quantity."""
    return [
        {"from": low, "to": high, **_score(cells_in(cells, Part(quantity, low, high)), 0.5)}
        for low, high in pairwise(edges)
    ]


def _score(cells: pd.DataFrame, level: float) -> dict[str, Any]:
    return score_level(counts_above(cells), int(cells["true"].sum()), level)


def judgement_lines(result: dict[str, Any]) -> list[str]:
    """Return the main scores of votes and posterior as the lines of a small table.

    Parameters
    ----------
    result : dict
        From `judge_stars`.
    """
    parts = ("G < 18", "G 18-20", "all")
    lines = [
        f"{'completeness / purity at 0.5':<30}"
        + "".join(f"{name:>15}" for name in parts)
        + f"{'calibration (worst)':>22}{'N off, median (most)':>23}{'log loss':>10}"
    ]
    for method in METHODS:
        judged = result[method]
        shown = [judged["levels"]["0.5"][name] for name in parts]
        errors = judged["calibration_error"]
        worst = max(value for value in errors.values() if value is not None)
        numbers = judged["expected_members"]
        calibrated = f"{_three(errors['all'])} ({worst:.3f})"
        off = f"{numbers['median_relative']:.3f} ({numbers['largest_relative']:.2f})"
        lines.append(
            f"{method:<30}"
            + "".join(
                f"{_three(s['completeness'])} / {_three(s['purity'])}".rjust(15) for s in shown
            )
            + f"{calibrated:>22}{off:>23}{judged['log_loss']:>10.3f}"
        )
    numbers = result["posterior"]["expected_members"]
    lines.append(
        f"{result['n_clusters']} clusters with a posterior, {len(result['null'])} without; "
        f"N / true over all {numbers['total_ratio']:.3f}; N within 1 sigma of the truth in "
        f"{100 * numbers['within_1_sigma']:.0f} %, within 2 sigma in "
        f"{100 * numbers['within_2_sigma']:.0f} % of the clusters"
    )
    return lines


def _three(value: float | None) -> str:
    """Return a number with three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"
