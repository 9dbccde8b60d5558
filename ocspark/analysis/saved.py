"""Read back what a comparison wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from ocspark import storage


@dataclass(frozen=True)
class SavedTables:
    """What a comparison wrote: its `path`, and its JSON file as `record`."""

    path: str
    record: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Return a table (of clusters, cuts or counts, not of stars) as pandas."""
        filesystem, inner = storage.resolve(storage.join(self.path, name))
        return pq.read_table(inner, filesystem=filesystem).to_pandas()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a small table as dictionaries."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
