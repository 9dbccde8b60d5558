"""Read the tables that a comparison wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from ocspark import storage
from ocspark.store.frames import read_frame, write_frame
from ocspark.tables.fields import Field, struct


@dataclass(frozen=True)
class SavedTables:
    """Tables of a finished comparison.

    Attributes
    ----------
    path : str
        Directory.
    record : dict
        Content of its JSON file.
    """

    path: str
    record: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Return a small table, of clusters, cuts or counts, as pandas."""
        filesystem, inner = storage.resolve(storage.join(self.path, name))
        return pq.read_table(inner, filesystem=filesystem).to_pandas()


def save_rows(frame: DataFrame, path: str) -> None:
    """Write a Spark table as Parquet files in a directory, in place of what is there."""
    write_frame(frame, path)


def read_saved(spark: SparkSession, path: str, fields: list[Field]) -> DataFrame:
    """Return rows that `save_rows` wrote, with the columns of a table."""
    return read_frame(spark, path, struct(fields))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a small table as dictionaries."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
