"""Run pass 2: evaluate the candidates among the sources in cones."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from ocspark.membership.evaluate import Evaluation, evaluate_candidates
from ocspark.selection.match import ConeCuts
from ocspark.selection.sources_in_cones import SortedSources, batches_in_cones
from ocspark.sky.cover import Cover
from ocspark.store.files import TableWriters

if TYPE_CHECKING:
    import pandas as pd

#: Folders of the pieces that pass 2 writes, by the table that gets their rows.
PIECES = {"candidates": "_pieces_candidates", "non_members": "_pieces_non_members"}


@dataclass(frozen=True)
class EvaluateCandidates:
    """Evaluate the candidates among the sources that a task reads (pass 2).

    Attributes
    ----------
    cuts, cover
        Cones of the clusters that have a model: `Cones.cuts` and `Cones.cover`.
    evaluation : Evaluation
        What evaluating needs besides the sources.
    non_members : bool
        Whether the other sources are wanted too.
    """

    cuts: ConeCuts
    cover: Cover
    evaluation: Evaluation
    non_members: bool

    def __call__(self, parts: Iterator[SortedSources], writers: TableWriters) -> dict[str, int]:
        """Write candidates, and non-members if wanted; return counts for the manifest."""
        n_candidates = n_evaluations = 0
        for batch in batches_in_cones(parts, self.cuts, self.cover):
            for rows in evaluate_candidates(batch, self.evaluation, self.non_members):
                n_candidates += rows.candidates.num_rows
                n_evaluations += pc.sum(rows.candidates["n_samples"]).as_py() or 0
                writers.add(PIECES["candidates"], rows.candidates)
                if rows.non_members is not None:
                    writers.add(PIECES["non_members"], rows.non_members)
        return {"candidates": n_candidates, "evaluations": n_evaluations}


def count_costs(counts: pd.DataFrame, cluster_keys: Collection[int]) -> pd.DataFrame:
    """Return the cost of pass 2 for each chunk of the mirror, for `cut_by_counts`.

    Parameters
    ----------
    counts : DataFrame
        A `COUNTS` table.
    cluster_keys : collection of int
        Clusters to evaluate; sources in cones of other clusters cost nothing.
    """
    mine = counts[counts["cluster_key"].isin(list(cluster_keys))]
    by_chunk = mine.groupby(["file", "row_group", "chunk"])["n_cone"].sum()
    return by_chunk.rename("cost").reset_index()
