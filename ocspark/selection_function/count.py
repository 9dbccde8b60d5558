"""Stars of runs and truth, counted in cells of G, radius and probability (Spark)."""

from __future__ import annotations

from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ocspark.selection_function.offsets import LEAST_PROBABILITY
from ocspark.tables.selection_function import SELECTION_COUNTS

#: Edges of the bins; what lies beyond the first and the last is in the first and last bins.
G_EDGES = (5.0, 10.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0)
RADIUS_EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0)
#: Kinds of stars.
PLANTED, FIELD, OFFSET = "planted", "field", "offset"
_STAR = ["cluster", "source_id", "phot_g_mean_mag", "f_r", "probability"]


def count_planted(candidates: DataFrame, truth: DataFrame, done: DataFrame) -> DataFrame:
    """Count planted stars, found or not, and field stars found, of clusters that are done.

    Stars planted in another cluster whose cone overlaps are neither.

    Parameters
    ----------
    candidates : DataFrame
        `CANDIDATES` of the run.
    truth : DataFrame
        `MOCK_TRUTH`.
    done : DataFrame
        Column cluster.

    Returns
    -------
    DataFrame
        `SELECTION_COUNTS`.
    """
    truth = truth.join(F.broadcast(done), "cluster")
    found = candidates.select(*_STAR)
    planted = truth.select(
        "cluster", "source_id", "phot_g_mean_mag", F.col("projected_radius").alias("f_r")
    ).join(found.select("cluster", "source_id", "probability"), ["cluster", "source_id"], "left")
    others = found.where(F.col("probability") >= LEAST_PROBABILITY)
    others = others.join(truth.select("source_id"), "source_id", "left_anti")
    return _counted(planted, PLANTED).unionByName(_counted(others, FIELD))


def count_offsets(offsets: DataFrame) -> DataFrame:
    """Count the stars found at offset positions: `SELECTION_COUNTS`."""
    return _counted(offsets.select(*_STAR), OFFSET)


def _counted(stars: DataFrame, kind: str) -> DataFrame:
    # votes come in hundredths and the like: what is 0.3 may be stored a bit lower
    tenths = F.floor(F.col("probability") * 10.0 + 1e-9).cast("int")
    cells = stars.select(
        "cluster",
        F.lit(kind).alias("kind"),
        _bin("phot_g_mean_mag", G_EDGES).alias("g_bin"),
        _bin("f_r", RADIUS_EDGES).alias("radius_bin"),
        F.coalesce(tenths, F.lit(-1)).alias("p_bin"),
    )
    names = [field.name for field in SELECTION_COUNTS if field.name != "n"]
    return cells.groupBy(*names).agg(F.count("*").alias("n"))


def _bin(column: str, edges: tuple[float, ...]) -> Column:
    return reduce(add, [(F.col(column) >= edge).cast("int") for edge in edges[1:-1]])
