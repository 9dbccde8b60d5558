"""Count candidates and true members by G, radius and probability of each method (Spark)."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ocspark.training.judge import Counts
from ocspark.validation.posterior_scores import ROUNDING

#: The two methods that are judged, and the columns of candidates with their probabilities.
METHODS = {"votes": "probability", "posterior": "posterior"}
#: Edges of the bins in G [mag] and projected radius [pc]; no star lies beyond the last.
G_EDGES = (0.0, 14.0, 16.0, 17.0, 18.0, 19.0, 20.0, 30.0)
RADIUS_EDGES = (0.0, 2.0, 5.0, 10.0, 20.0, 1000.0)
#: Number of equal cells in which probabilities are counted; all levels are edges of cells.
_CELLS = 10_000
#: Probabilities are kept this far from 0 and 1 before their logarithm is taken.
_LEAST_IN_LOG = 1e-6


class Part(NamedTuple):
    """Stars with `low` <= quantity < `high`; the quantity is ``g`` [mag] or ``radius`` [pc]."""

    quantity: str
    low: float
    high: float


def stars_with_truth(candidates: DataFrame, planted: DataFrame, names: list[str]) -> DataFrame:
    """Return the candidates and the true members of some clusters.

    Parameters
    ----------
    candidates, planted : DataFrame
        See `ocspark.validation.judge_posterior.judge_stars`.
    names : list of str
        Names of the clusters.

    Returns
    -------
    DataFrame
        cluster, is_true, g, radius, votes, posterior. G and radius are the measured ones of
        candidates and the true ones of other true members.
    """
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


def count_stars(stars: DataFrame) -> pd.DataFrame:
    """Count stars by method, bin of G, bin of radius, and cell of probability.

    Parameters
    ----------
    stars : DataFrame
        From `stars_with_truth`.

    Returns
    -------
    DataFrame
        method, g and radius (lower edges), probability (mean of the cell; missing for stars
        without one, such as true members that are not candidates), true and false (numbers of
        members and of others).
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
        .toPandas()  # some ten thousand rows for any number of stars
        .sort_values(["method", "probability", "g", "radius"], ignore_index=True)
    )


def _lower_edge(column: str, edges: tuple[float, ...]) -> Column:
    """Return the lower edge of the bin that a value lies in."""
    steps = zip(edges[1:-1], np.diff(edges), strict=False)
    passed = [F.when(F.col(column) >= e, F.lit(float(w))).otherwise(0.0) for e, w in steps]
    return (F.lit(edges[0]) + reduce(add, passed)).alias(column)


def sums_by_cluster(stars: DataFrame) -> pd.DataFrame:
    """Return the true members with a posterior, and each method's sum and log loss, by cluster."""
    sums = [F.count_if(F.col("is_true") & F.col("posterior").isNotNull()).alias("n_true")]
    for name in METHODS:
        p = F.least(F.greatest(name, F.lit(_LEAST_IN_LOG)), F.lit(1.0 - _LEAST_IN_LOG))
        loss = F.when(F.col("is_true"), -F.log(p)).otherwise(-F.log(1.0 - p))
        sums += [F.sum(name).alias(f"sum_{name}"), F.sum(loss).alias(f"loss_{name}")]
    return stars.where(F.col("posterior").isNotNull()).groupBy("cluster").agg(*sums).toPandas()


def counts_above(cells: pd.DataFrame, above: float = -1.0) -> Counts:
    """Return the counts at each probability above a limit.

    Parameters
    ----------
    cells : DataFrame
        From `count_stars`, of one method.
    above : float
        The limit, which probabilities must exceed by more than `ROUNDING`.
    """
    kept = cells[cells["probability"] > above + ROUNDING]
    columns = (kept[name].to_numpy() for name in ("probability", "true", "false"))
    return Counts(*columns)


def cells_in(cells: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Return the cells of a part of the stars."""
    return cells[(cells[part.quantity] >= part.low) & (cells[part.quantity] < part.high)]
