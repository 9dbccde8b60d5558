"""Pass 1: the listed members in the cones, and how many sources each cone has (Spark)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from ocspark.selection.arrow import split_by_key, to_batch
from ocspark.selection.cone import Process
from ocspark.session import ship
from ocspark.tables.run import SEARCH


class Listed:
    """Listed members, looked up by cluster and source.

    Parameters
    ----------
    table : DataFrame
        cluster_key, source_id, list_probability; no pair twice.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        table = table.sort_values(["cluster_key", "source_id"])
        self._key, self._source, self._probability = (
            table[name].to_numpy() for name in ("cluster_key", "source_id", "list_probability")
        )

    def probability(self, cluster_key: int, source_id: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the list's probability of some sources of one cluster, NaN where not listed."""
        first, last = (np.searchsorted(self._key, cluster_key, side) for side in ("left", "right"))
        result = np.full(len(source_id), np.nan)
        if first < last:
            place = first + np.searchsorted(self._source[first:last], source_id)
            place = np.minimum(place, last - 1)
            named = self._source[place] == source_id
            result[named] = self._probability[place[named]]
        return result


def find_training_members(spark: SparkSession, listed: Listed) -> Process:
    """Return the process that keeps listed stars and counts all: a `SEARCH` table, few rows a task.

    Counts have n_cone and no source_id; stars have no n_cone.
    """
    shipped = ship(spark, listed)

    def keep_and_count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        members: Listed = shipped()
        counts: dict[int, int] = {}
        for batch in batches:
            for key, stars in split_by_key(batch):
                counts[key] = counts.get(key, 0) + len(stars["source_id"])
                probability = members.probability(key, stars["source_id"])
                named = ~np.isnan(probability)
                if named.any():
                    found = {name: column[named] for name, column in stars.items()}
                    yield to_batch({**found, "list_probability": probability[named]}, SEARCH)
        tally = {"cluster_key": list(counts), "n_cone": list(counts.values())}
        yield to_batch({k: np.array(v, dtype=np.int64) for k, v in tally.items()}, SEARCH)

    return keep_and_count
