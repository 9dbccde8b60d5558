"""Read the stars that pages of a report draw, and sort those of a cluster by what they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.analysis.literature import Comparison
from ocspark.reports.view import ClusterView, ListedStars
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.fields import Field, struct

#: Other stars of a cone drawn on a page, about; more would only hide each other.
MAX_OTHERS = 8000
_ROLE = Field("role", T.StringType(), "", "candidate, other, a list's number, or cluster")
_LISTED = Field("list_probability", T.DoubleType(), "", "Probability in the member list")


def read_page_stars(
    spark: SparkSession, run: FinishedRun, comparisons: Sequence[Comparison]
) -> DataFrame:
    """Return all stars that pages draw, and a row without a star for every cluster.

    Parameters
    ----------
    spark : SparkSession
    run : FinishedRun
    comparisons : sequence of Comparison
        Of the run with lists, whose stars are drawn too.

    Returns
    -------
    DataFrame
        The columns of candidates, ``list_probability`` and ``role``, a row per cluster, star and
        role.
    """
    schema = struct([*run.fields("candidates"), _LISTED, _ROLE])
    names = schema.names
    every = [{"cluster": cluster, "role": "cluster"} for cluster in run.clusters["cluster"]]
    rows = pa.Table.from_pylist(every, schema=to_arrow_schema(schema))
    parts = [spark.createDataFrame(rows, schema)]  # first: it has all columns
    parts.append(run.read(spark, "candidates").withColumn("role", F.lit("candidate")))
    if run.has("non_members"):
        counts = run.clusters[["cluster", "n_cone"]].dropna()
        cones = F.broadcast(
            spark.createDataFrame(pa.Table.from_pandas(counts, preserve_index=False))
        )
        others = run.read(spark, "non_members").join(cones, "cluster")
        # a sample that depends on the star alone, so it is the same in every layout of the files
        place = F.pmod(F.xxhash64("source_id"), F.lit(1_000_003)) / 1_000_003
        others = others.where(place * F.col("n_cone") < MAX_OTHERS).drop("n_cone")
        parts.append(others.withColumn("role", F.lit("other")))
    for number, comparison in enumerate(comparisons):
        parts.append(comparison.stars(spark).withColumn("role", F.lit(str(number))))
    stars = parts[0]
    for part in parts[1:]:
        wanted = [c for c in part.columns if c in names]
        stars = stars.unionByName(part.select(wanted), allowMissingColumns=True)
    return stars.select(names)


def view_of(
    group: pa.Table,
    row: dict[str, Any],
    curve: np.ndarray,
    structure: dict[str, Any],
    lists: Iterable[tuple[str, list[dict[str, Any]]]],
) -> ClusterView:
    """Return what a page shows of a cluster.

    Parameters
    ----------
    group : Table
        The cluster's rows of `read_page_stars`.
    row, structure : dict
        The cluster's rows of the tables of clusters and of structures.
    curve : array, shape (n, 2)
        The isochrone in the colour-magnitude diagram.
    lists : iterable of (str, list of dict)
        Name of each compared list, and the cluster's rows of the comparison; none if it does not
        list the cluster.
    """

    def of(role: str) -> dict[str, np.ndarray]:
        # before pandas sees it: the row without a star would make floats of all ids
        part = group.filter(pc.equal(group["role"], role)).sort_by("source_id")
        return {name: _exact(part[name]) for name in part.column_names}

    listed = [
        ListedStars(name, of(str(number)), compared)
        for number, (name, compared) in enumerate(lists)
        if compared
    ]
    return ClusterView(row, of("candidate"), of("other"), curve, structure, listed)


def _exact(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as an array that loses no digit of whole numbers, whatever is missing."""
    if column.null_count and pa.types.is_integer(column.type):
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.to_numpy())
