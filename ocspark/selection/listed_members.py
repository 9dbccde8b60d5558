"""Look up members of a list by cluster and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


class MemberLookup:
    """Look up a member list's probabilities by cluster and source.

    Parameters
    ----------
    table : DataFrame
        cluster_key, source_id, list_probability; each pair of cluster and source once.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        table = table.sort_values(["cluster_key", "source_id"])
        self._key, self._source, self._probability = (
            table[name].to_numpy() for name in ("cluster_key", "source_id", "list_probability")
        )

    def probability(self, cluster_key: int, source_id: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the list's probability of sources for one cluster, NaN if it is not listed."""
        first, last = (np.searchsorted(self._key, cluster_key, side) for side in ("left", "right"))
        result = np.full(len(source_id), np.nan)
        if first < last:
            place = first + np.searchsorted(self._source[first:last], source_id)
            place = np.minimum(place, last - 1)
            named = self._source[place] == source_id
            result[named] = self._probability[place[named]]
        return result
