"""Posteriors and votes of a finished run on a mock, judged by the mock's truth (Spark)."""

from __future__ import annotations

import json
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.errors import InputError
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.training.judge import Counts, calibration
from ocspark.validation.posterior_figure import draw_posterior_judgement
from ocspark.validation.posterior_scores import (
    LEAST_PROBABILITY,
    LEVELS,
    ROUNDING,
    calibration_error,
    score_expected_members,
    score_level,
)

#: What is judged, and the columns of candidates that hold it.
METHODS = {"votes": "probability", "posterior": "posterior"}
#: Edges of the bins in G [mag] and projected radius [pc]; the last is above all.
G_EDGES = (0.0, 14.0, 16.0, 17.0, 18.0, 19.0, 20.0, 30.0)
RADIUS_EDGES = (0.0, 2.0, 5.0, 10.0, 20.0, 1000.0)
#: Probabilities are counted in so many equal cells, whose edges all levels are.
_CELLS = 10_000
#: Limits of a probability before its logarithm is taken.
_LEAST_IN_LOG = 1e-6


class Part(NamedTuple):
    """Stars within limits of one quantity, ``g`` [mag] or ``radius`` [pc], low included."""

    quantity: str
    low: float
    high: float


#: Parts of the stars that are judged by themselves.
PARTS = {
    "all": Part("g", 0.0, 30.0),
    "G < 18": Part("g", 0.0, 18.0),
    "G 18-20": Part("g", 18.0, 20.0),
    "G > 20": Part("g", 20.0, 30.0),
    "r < 5 pc": Part("radius", 0.0, 5.0),
    "r 5-20 pc": Part("radius", 5.0, 20.0),
    "r > 20 pc": Part("radius", 20.0, 1000.0),
}
#: What is told of each cluster.
_SHOWN = (
    "cluster n_true expected_members expected_members_error sum_votes posterior_flags"
).split()
#: The parts whose calibration error method §13 asks for.
CALIBRATED = ("all", "G < 18", "G 18-20", "r < 5 pc", "r 5-20 pc")


def judge_posterior(
    spark: SparkSession, run: FinishedRun, truth: str, output: str
) -> dict[str, Any]:
    """Judge the posteriors and votes of a finished run; write numbers and a figure.

    Parameters
    ----------
    spark : SparkSession
    run : FinishedRun
        Of the main job on a mock.
    truth : str
        The mock's truth.parquet.
    output : str
        Folder for posterior_judgement.json and posterior_judgement.png.

    Returns
    -------
    dict
        What posterior_judgement.json says; see `judge_stars`.

    Raises
    ------
    InputError
        If there is no truth, no cluster with a posterior, or the folder holds something else.
    """
    if not storage.is_file(truth):
        raise InputError(f"--truth: {truth}: no such file; expected a mock's truth.parquet")
    with Claim(output, {"holds": "a judgement"}, "a judgement").hold():
        clusters = run.read_arrow("clusters").to_pandas()
        clusters = clusters[clusters["status"] == "done"]
        if not clusters["expected_members"].notna().any():
            raise InputError(f"--run: {run.path}: none of its clusters has a posterior")
        candidates = run.read(spark, "candidates")
        planted = spark.read.parquet(storage.for_spark(truth))
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
    """Judge candidates by the truth, over the clusters that have a posterior.

    A star that is a candidate is in the bin of what was measured, another true member in that of
    the truth. Completeness is over all true members, candidates or not.

    Parameters
    ----------
    candidates : DataFrame
        cluster, source_id, phot_g_mean_mag, f_r, probability, posterior.
    planted : DataFrame
        A row for each true member: cluster, source_id, phot_g_mean_mag, projected_radius.
    clusters : DataFrame
        The clusters that are done: cluster, expected_members, expected_members_error,
        posterior_reason, posterior_flags.

    Returns
    -------
    dict
        ``n_clusters``, ``null`` (reasons of clusters without a posterior, by name), ``n_members``,
        ``clusters`` (a row each) and, by method (votes, posterior), ``levels`` (by level and
        part), ``g`` and ``radius`` (by bin, at 0.5), ``reliability``, ``calibration_error`` (by
        part), ``log_loss`` a member, ``expected_members``.
    """
    judged = clusters[clusters["expected_members"].notna()].sort_values("cluster")
    stars = _stars_with_truth(candidates, planted, judged["cluster"].tolist())
    cells = _count_cells(stars)
    table = judged.merge(_sums_by_cluster(stars), on="cluster", how="left").fillna(
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


def _stars_with_truth(candidates: DataFrame, planted: DataFrame, names: list[str]) -> DataFrame:
    """Return candidates and true members of some clusters: is_true, g, radius, and both methods."""
    spark = candidates.sparkSession
    wanted = F.broadcast(spark.createDataFrame([(name,) for name in names], "cluster string"))
    true = planted.join(wanted, "cluster").select(
        "cluster",
        "source_id",
        F.col("phot_g_mean_mag").alias("true_g"),
        F.col("projected_radius").alias("true_radius"),
        F.lit(True).alias("is_true"),
    )
    found = candidates.join(wanted, "cluster")
    return found.join(true, ["cluster", "source_id"], "full").select(
        "cluster",
        F.coalesce("is_true", F.lit(False)).alias("is_true"),
        F.coalesce("phot_g_mean_mag", "true_g").alias("g"),
        F.coalesce("f_r", "true_radius").alias("radius"),
        *[F.nullif(F.col(c), F.lit(np.nan)).alias(name) for name, c in METHODS.items()],
    )


def _count_cells(stars: DataFrame) -> pd.DataFrame:
    """Count stars by method, bin of G and of radius, and probability.

    Returns
    -------
    DataFrame
        method, g and radius (lower edges), probability (mean of the cell; missing for stars
        without one, such as true members that are no candidates), true, false.
    """
    each = F.explode(
        F.array(*(F.struct(F.lit(n).alias("method"), F.col(n).alias("p")) for n in METHODS))
    )
    cell = F.floor(F.col("one.p") * _CELLS + 1e-6)
    return (
        stars.select(
            _lower_edge("g", G_EDGES), _lower_edge("radius", RADIUS_EDGES), "is_true", each
        )
        .withColumnRenamed("col", "one")
        .groupBy("one.method", "g", "radius", cell.alias("cell"))
        .agg(
            F.avg("one.p").alias("probability"),
            F.count_if("is_true").alias("true"),
            F.count_if(~F.col("is_true")).alias("false"),
        )
        .toPandas()  # some ten thousand rows, however many stars
        .sort_values(["method", "probability", "g", "radius"], ignore_index=True)
    )


def _lower_edge(column: str, edges: tuple[float, ...]) -> Column:
    steps = zip(edges[1:-1], np.diff(edges), strict=False)
    passed = [F.when(F.col(column) >= e, F.lit(float(w))).otherwise(0.0) for e, w in steps]
    return (F.lit(edges[0]) + reduce(add, passed)).alias(column)


def _sums_by_cluster(stars: DataFrame) -> pd.DataFrame:
    """Return, by cluster, true members with a posterior, and each method's sum and log loss."""
    sums = [F.count_if(F.col("is_true") & F.col("posterior").isNotNull()).alias("n_true")]
    for name in METHODS:
        p = F.least(F.greatest(name, F.lit(_LEAST_IN_LOG)), F.lit(1.0 - _LEAST_IN_LOG))
        loss = F.when(F.col("is_true"), -F.log(p)).otherwise(-F.log(1.0 - p))
        sums += [F.sum(name).alias(f"sum_{name}"), F.sum(loss).alias(f"loss_{name}")]
    return stars.where(F.col("posterior").isNotNull()).groupBy("cluster").agg(*sums).toPandas()


def _judge_method(cells: pd.DataFrame, clusters: pd.DataFrame, method: str) -> dict[str, Any]:
    n_true = clusters["n_true"].to_numpy(dtype=float)
    expected = clusters["expected_members" if method == "posterior" else "sum_votes"]
    error = clusters["expected_members_error"] if method == "posterior" else expected * np.nan
    some = n_true > 0
    every = counts_above(cells, LEAST_PROBABILITY)
    return {
        "levels": {
            f"{level:g}": {name: _score(_part(cells, part), level) for name, part in PARTS.items()}
            for level in LEVELS
        },
        "g": _by_bin(cells, "g", G_EDGES),
        "radius": _by_bin(cells, "radius", RADIUS_EDGES),
        "reliability": calibration(every),
        "calibration_error": {
            name: calibration_error(counts_above(_part(cells, PARTS[name]), LEAST_PROBABILITY))
            for name in CALIBRATED
        },
        "log_loss": float(clusters[f"loss_{method}"].sum() / max(n_true.sum(), 1.0)),
        "expected_members": score_expected_members(
            expected.to_numpy(dtype=float)[some], n_true[some], error.to_numpy(dtype=float)[some]
        ),
    }


def _part(cells: pd.DataFrame, part: Part) -> pd.DataFrame:
    return cells[(cells[part.quantity] >= part.low) & (cells[part.quantity] < part.high)]


def _by_bin(cells: pd.DataFrame, quantity: str, edges: tuple[float, ...]) -> list[dict[str, Any]]:
    return [
        {"from": low, "to": high, **_score(_part(cells, Part(quantity, low, high)), 0.5)}
        for low, high in pairwise(edges)
    ]


def _score(cells: pd.DataFrame, level: float) -> dict[str, Any]:
    return score_level(counts_above(cells), int(cells["true"].sum()), level)


def counts_above(cells: pd.DataFrame, above: float = -1.0) -> Counts:
    """Return the counts at each probability above a limit, the rounding of means aside."""
    kept = cells[cells["probability"] > above + ROUNDING]
    columns = (kept[name].to_numpy() for name in ("probability", "true", "false"))
    return Counts(*columns)


def summary_lines(result: dict[str, Any]) -> list[str]:
    """Return the main figures of a judgement in a small table, votes and posterior."""
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
    return "-" if value is None else f"{value:.3f}"
