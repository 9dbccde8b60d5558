"""Define the Spark tasks that make a training set: select stars, draw instances."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from ocspark.deepsets.weights import SOURCE_FEATURES
from ocspark.selection.cones import Cones
from ocspark.selection.sources_in_cones import SortedSources, batches_in_cones
from ocspark.store.files import TableFile, TableWriters
from ocspark.store.folder import Work, digest
from ocspark.store.pieces import read_rows_of_clusters
from ocspark.tables.arrow import split_by_key, to_batch
from ocspark.tables.stars import Stars
from ocspark.tables.training import TRAINING_INSTANCES, TRAINING_SELECTED
from ocspark.training.instances import draw_instances
from ocspark.training.training_set import INSTANCES
from ocspark.training.training_settings import InstanceSettings
from ocspark.training.training_stars import Selection, select_stars

#: Number of clusters whose instances one task draws.
_CLUSTERS_PER_TASK = 8


@dataclass(frozen=True)
class SelectStars:
    """Select training stars: the function of a task of the second pass.

    Attributes
    ----------
    cones : Cones
        Cones of the clusters that have a model.
    selection : Selection
        See `ocspark.training.training_stars.select_stars`.
    """

    cones: Cones
    selection: Selection

    def __call__(self, parts: Iterator[SortedSources], writers: TableWriters) -> dict[str, int]:
        """Write the selected stars and the sums of the sources that a task reads."""
        found = batches_in_cones(parts, self.cones.cuts, self.cones.cover)
        select_stars(found, self.selection, writers)
        return {}


def pair_costs(counts: pd.DataFrame, keys: Collection[int]) -> pd.DataFrame:
    """Return the cost of each chunk of the mirror, as `portions.cut_by_counts` takes it.

    Parameters
    ----------
    counts : DataFrame
        A `COUNTS` table: sources in cones by chunk.
    keys : collection of int
        Clusters of the second pass; pairs of source and cone of others cost nothing.
    """
    searched = counts[counts["cluster_key"].isin(list(keys))]
    by_chunk = searched.groupby(["file", "row_group", "chunk"])
    return by_chunk["n_cone"].sum().rename("cost").reset_index()


@dataclass(frozen=True)
class ChosenClusters:
    """Keys of some clusters, and the files with their selected stars."""

    keys: tuple[int, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class DrawInstances:
    """Draw the instances of a few clusters: the function of a task.

    Attributes
    ----------
    root : str
        Folder of the training set.
    names : mapping
        Names by cluster_key.
    rules : InstanceSettings
        Settings of the instances.
    """

    root: str
    names: Mapping[int, str]
    rules: InstanceSettings

    def __call__(self, clusters: ChosenClusters, writers: TableWriters) -> dict[str, int]:
        """Write the instances of each cluster."""
        stars = read_rows_of_clusters(
            self.root, clusters.files, clusters.keys, TRAINING_SELECTED, ["source_id"]
        )
        for batch in stars.to_batches():  # a single batch: the table is one chunk
            for key, rows in split_by_key(batch, Stars):
                writers.add(INSTANCES, _draw(key, self.names[key], rows, self.rules))
        return {}


def draw_works(keys: Sequence[int], files: Mapping[int, list[TableFile]]) -> list[Work]:
    """Return the works that draw instances, each of a few clusters.

    Parameters
    ----------
    keys : sequence of int
        Keys of the clusters of the set.
    files : mapping
        Files with the selected stars of each cluster, by key.
    """
    works = []
    for first in range(0, len(keys), _CLUSTERS_PER_TASK):
        some = tuple(keys[first : first + _CLUSTERS_PER_TASK])
        needed = {file.name: file for key in some for file in files.get(key, [])}
        names = sorted(needed)
        work = digest([some, [needed[name].sha256 for name in names]])
        item = ChosenClusters(some, tuple(names))
        works.append(Work(f"{first // _CLUSTERS_PER_TASK:05d}", work, len(some), item))
    return works


def _draw(key: int, cluster: str, stars: Stars, rules: InstanceSettings) -> pa.RecordBatch:
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
