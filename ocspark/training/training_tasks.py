"""What the tasks that make a training set do: stars are selected, instances drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from ocspark.deepsets.weights import SOURCE_FEATURES
from ocspark.selection.cone import Cones, Stretch, find
from ocspark.store.files import TableFile, TableWriters
from ocspark.store.folder import Work, digest
from ocspark.store.pieces import read_clusters
from ocspark.tables.arrow import split_by_key, to_batch
from ocspark.tables.training import TRAINING_INSTANCES, TRAINING_SELECTED
from ocspark.training.instances import draw_instances
from ocspark.training.training_set import INSTANCES
from ocspark.training.training_settings import InstanceSettings
from ocspark.training.training_stars import Selection, select_stars

#: Clusters whose instances one task draws.
_CLUSTERS_PER_TASK = 8


@dataclass(frozen=True)
class SelectStars:
    """What the second pass does with the sources that a task reads.

    Attributes
    ----------
    cones : Cones
        Of the clusters that have a model.
    selection : Selection
    """

    cones: Cones
    selection: Selection

    def __call__(self, stretches: Iterator[Stretch], writers: TableWriters) -> dict[str, int]:
        """Write the stars and the sums."""
        found = find(stretches, self.cones.cuts, self.cones.cover)
        select_stars(found, self.selection, writers)
        return {}


def pair_costs(counts: pd.DataFrame, keys: Collection[int]) -> pd.DataFrame:
    """Return what pairs of source and cone cost by chunk, see `portions.cut_by_counts`.

    Parameters
    ----------
    counts : DataFrame
        A `COUNTS` table.
    keys : collection of int
        Clusters that are searched again; others cost nothing.
    """
    mine = counts[counts["cluster_key"].isin(list(keys))]
    by_chunk = mine.groupby(["file", "row_group", "chunk"])
    return by_chunk["n_cone"].sum().rename("cost").reset_index()


@dataclass(frozen=True)
class ChosenClusters:
    """Some clusters by key, and the files that have their selected stars."""

    keys: tuple[int, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class DrawInstances:
    """What a task does with a few clusters.

    Attributes
    ----------
    root : str
        Folder of the training set.
    names : mapping
        cluster_key to name.
    rules : InstanceSettings
    """

    root: str
    names: Mapping[int, str]
    rules: InstanceSettings

    def __call__(self, clusters: ChosenClusters, writers: TableWriters) -> dict[str, int]:
        """Write the instances of each cluster."""
        stars = read_clusters(
            self.root, clusters.files, clusters.keys, TRAINING_SELECTED, ["source_id"]
        )
        for batch in stars.to_batches():  # one: the table is in one piece
            for key, columns in split_by_key(batch):
                writers.add(INSTANCES, _draw(key, self.names[key], columns, self.rules))
        return {}


def draw_works(keys: Sequence[int], files: Mapping[int, list[TableFile]]) -> list[Work]:
    """Return the work of drawing instances, a few clusters a task.

    Parameters
    ----------
    keys : sequence of int
        The clusters of the set.
    files : mapping
        Files with the selected stars of each.
    """
    works = []
    for first in range(0, len(keys), _CLUSTERS_PER_TASK):
        some = tuple(keys[first : first + _CLUSTERS_PER_TASK])
        mine = {file.name: file for key in some for file in files.get(key, [])}
        names = sorted(mine)
        work = digest([some, [mine[name].sha256 for name in names]])
        item = ChosenClusters(some, tuple(names))
        works.append(Work(f"{first // _CLUSTERS_PER_TASK:05d}", work, len(some), item))
    return works


def _draw(
    key: int, cluster: str, stars: Mapping[str, np.ndarray], rules: InstanceSettings
) -> pa.RecordBatch:
    """Return the instances of one cluster from all its selected stars, sorted by source_id."""
    member, source_id = stars["is_member"], stars["source_id"]
    rows = (np.flatnonzero(member), np.flatnonzero(~member))
    drawn = draw_instances(
        rules.seed,
        key,
        source_id[rows[0]],
        source_id[rows[1]],
        duplicates=rules.duplicates,
        non_members_per_instance=rules.non_members_per_instance,
        support_size=rules.support_size,
    )
    n = int(drawn.is_member.sum())
    row = np.concatenate((rows[0][drawn.star[:n]], rows[1][drawn.star[n:]]))
    support = np.empty(len(row), dtype=object)
    support[:] = list(drawn.support)
    columns = {
        **{name: stars[name][row] for name in SOURCE_FEATURES},
        "cluster_key": np.full(len(row), key, dtype=np.int64),
        "cluster": np.full(len(row), cluster, dtype=object),
        "source_id": source_id[row],
        "copy": drawn.copy,
        "is_member": drawn.is_member,
        "support": support,
    }
    return to_batch(columns, TRAINING_INSTANCES)
