"""Select the members and non-members of training clusters, and sum up the moments of features.

A task keeps the members of each cluster, and only as many non-members as can be drawn. Moments are
sums in fixed point, which do not depend on the order of addition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.selection.calibrate import Calibration, calibrate
from ocspark.selection.candidates import FEATURES, features, passes_all
from ocspark.selection.model import ClusterModel
from ocspark.store.files import TableWriters
from ocspark.tables.arrow import split_by_cluster, to_batch
from ocspark.tables.stars import RawStars
from ocspark.tables.training import TRAINING_SELECTED, TRAINING_SUMS
from ocspark.training.instances import random_order

#: Tables of the selected stars, and of the sums.
SELECTED_TABLE, SUMS_TABLE = "_selected", "_sums"

#: Features are rounded to multiples of this in the sums: 6e-8 of their unit.
RESOLUTION = 2.0**-24


@dataclass(frozen=True)
class Selection:
    """All that a worker needs to select training stars.

    Attributes
    ----------
    models : dict
        `ClusterModel` by cluster_key.
    calibration : Calibration
        Calibration of the release's sources.
    seed : int
        Seed of every random draw.
    non_members_per_member : int
        Largest number of non-members drawn per member.
    """

    models: Mapping[int, ClusterModel]
    calibration: Calibration
    seed: int
    non_members_per_member: int


@dataclass
class _Cluster:
    """The counts, sums and selected non-members of a cluster in one task."""

    model: ClusterModel
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, dtype=np.int64))
    sums: NDArray[np.int64] = field(default_factory=lambda: np.zeros(10, dtype=np.int64))
    source_id: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 5)))


def select_stars(
    batches: Iterable[pa.RecordBatch], chosen: Selection, writers: TableWriters
) -> None:
    """Write the selected stars of training clusters, and the sums over all sources in their cones.

    Training members that fail a candidate condition count as candidates and in the moments, but are
    neither members nor non-members (method §6).

    Parameters
    ----------
    batches : iterable of RecordBatch
        Sources in cones (`ocspark.tables.run.cone_fields`).
    chosen : Selection
        The clusters, and how many stars to keep.
    writers : TableWriters
        `SELECTED_TABLE` gets rows of `TRAINING_SELECTED`, `SUMS_TABLE` rows of `TRAINING_SUMS`.
    """
    clusters: dict[int, _Cluster] = {}
    for batch in batches:
        for model, stars in split_by_cluster(batch, chosen.models, RawStars):
            state = clusters.setdefault(model.cluster_key, _Cluster(model))
            writers.add(SELECTED_TABLE, _add(state, stars, chosen))
    for state in clusters.values():
        writers.add(SELECTED_TABLE, _stars(state.model, state.source_id, state.values, False))
        writers.add(SUMS_TABLE, _tally(state))


def _add(state: _Cluster, stars: RawStars, chosen: Selection) -> pa.RecordBatch:
    """Add stars to the counts, sums and non-members of a cluster; return its members among them."""
    model = state.model
    calibrated = calibrate(stars, chosen.calibration)
    values = features(calibrated, model)
    source_id = np.asarray(stars["source_id"])
    candidate = passes_all(calibrated, model) | np.isin(source_id, model.training_id)
    state.counts += (len(candidate), candidate.sum(), (~candidate).sum())
    fixed = np.concatenate((values, values**2), axis=1) / RESOLUTION
    state.sums += np.rint(fixed).astype(np.int64).sum(axis=0)
    state.source_id = np.concatenate((state.source_id, source_id[~candidate]))
    state.values = np.concatenate((state.values, values[~candidate]))
    wanted = chosen.non_members_per_member * len(model.support_id)
    if len(state.source_id) > wanted:
        first = random_order(chosen.seed, model.cluster_key, state.source_id)[:wanted]
        state.source_id, state.values = state.source_id[first], state.values[first]
    member = np.isin(source_id, model.support_id)
    return _stars(model, source_id[member], values[member], True)


def _stars(
    model: ClusterModel,
    source_id: NDArray[np.int64],
    values: NDArray[np.float64],
    is_member: bool,
) -> pa.RecordBatch:
    """Return selected stars of a cluster as rows of `TRAINING_SELECTED`."""
    n = len(source_id)
    columns = {
        "cluster_key": np.full(n, model.cluster_key, dtype=np.int64),
        "source_id": source_id,
        "is_member": np.full(n, is_member),
        **dict(zip(FEATURES, values.T, strict=True)),
    }
    return to_batch(columns, TRAINING_SELECTED)


def _tally(state: _Cluster) -> pa.RecordBatch:
    """Return the counts and sums of a cluster as a row of `TRAINING_SUMS`."""
    names = ("n_cone", "n_candidates", "n_non_members")
    sums = np.empty(1, dtype=object)
    sums[0] = state.sums
    columns = {
        "cluster_key": np.array([state.model.cluster_key], dtype=np.int64),
        **{name: state.counts[i : i + 1] for i, name in enumerate(names)},
        "sums": sums,
    }
    return to_batch(columns, TRAINING_SUMS)


def moments(n: NDArray[np.int64], sums: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
    """Return means and variances (ddof 0), each (c, 5), from counts (c,) and sums (c, 10)."""
    scaled = sums * RESOLUTION / n[:, None]
    mean = scaled[:, :5]
    return mean, np.maximum(scaled[:, 5:] - mean**2, 0.0)
