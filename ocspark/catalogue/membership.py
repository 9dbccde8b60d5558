"""Pass 2: from the sources in cones to candidates with probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from ocspark.membership.evaluate import Evaluation, evaluate_candidates
from ocspark.selection.cone import Cones, Stretch, find
from ocspark.selection.model import ClusterModel
from ocspark.store.files import TableWriters
from ocspark.tables.candidates import NON_MEMBERS

#: Pieces that pass 2 leaves, by what they become.
PIECES = {"candidates": "_pieces_candidates", "non_members": "_pieces_non_members"}
#: A typical error of a source [mas/yr, mas]; only how the work is cut hangs on it.
_TYPICAL_ERROR = 0.15


@dataclass(frozen=True)
class EvaluateCandidates:
    """What pass 2 does with the sources that a task reads.

    Attributes
    ----------
    cones : Cones
        Of the clusters that have a model.
    evaluation : Evaluation
    non_members : bool
        Whether the other sources are wanted too.
    """

    cones: Cones
    evaluation: Evaluation
    non_members: bool

    def __call__(self, stretches: Iterator[Stretch], writers: TableWriters) -> dict[str, int]:
        """Write candidates, and non-members if wanted; return how many candidates there are."""
        n_candidates = n_evaluations = 0
        for batch in find(stretches, self.cones.cuts, self.cones.cover):
            for rows in evaluate_candidates(batch, self.evaluation, self.non_members):
                candidates = rows
                if self.non_members:
                    evaluated = pc.is_valid(rows["probability"])
                    candidates = rows.filter(evaluated)
                    others = rows.filter(pc.invert(evaluated))
                    names = [f.name for f in NON_MEMBERS]
                    writers.add(PIECES["non_members"], others.select(names))
                n_candidates += candidates.num_rows
                n_evaluations += pc.sum(candidates["n_samples"]).as_py() or 0
                writers.add(PIECES["candidates"], candidates)
        return {"candidates": n_candidates, "evaluations": n_evaluations}


def count_costs(
    counts: pd.DataFrame, models: Mapping[int, ClusterModel], cones: Cones
) -> pd.DataFrame:
    """Return what pass 2 costs by chunk of the mirror, see `ocspark.mirror.portions.cut_by_counts`.

    A pair of source and cone costs by the share of such pairs that become candidates, which the
    cluster's window in proper motion and parallax gives roughly.

    Parameters
    ----------
    counts : DataFrame
        A `COUNTS` table.
    models : mapping
        cluster_key to `ClusterModel`: other clusters cost nothing.
    cones : Cones
    """
    keys = cones.table["cluster_key"].tolist()
    share = {
        key: _candidate_share(models[key], cones, place)
        for place, key in enumerate(keys)
        if key in models
    }
    mine = counts[counts["cluster_key"].isin(list(models))]
    cost = mine["n_cone"] * mine["cluster_key"].map(share)
    by_chunk = mine.assign(cost=cost).groupby(["file", "row_group", "chunk"])
    return by_chunk["cost"].sum().reset_index()


def _candidate_share(model: ClusterModel, cones: Cones, place: int) -> float:
    cuts = cones.cuts
    motion = (model.delta_pm + 3 * _TYPICAL_ERROR) / max(float(cuts.pm_limit[place]), 1e-9)
    near = min(model.delta_plx_minus, 5 * model.delta_plx_plus)
    half = (model.delta_plx_plus + near) / 2 + 3 * _TYPICAL_ERROR
    parallax = half / max(float(cuts.parallax_limit[place]), 1e-9)
    return float(np.clip(min(motion, 1.0) ** 2 * min(parallax, 1.0), 0.01, 1.0))
