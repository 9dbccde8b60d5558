"""Characterise clusters, between the two passes, by the listed members that pass 1 found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.catalogue.unique import check_unique
from ocspark.selection.characterise_clusters import (
    TrainingRules,
    characterise_cluster,
    describe_training_members,
)
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.store.files import TableWriters
from ocspark.store.pieces import read_rows_of_clusters
from ocspark.tables.characterised import MODELS
from ocspark.tables.fields import struct
from ocspark.tables.run import CELLS, SEARCH

#: Tables with the rows of pass 1's pieces, by cluster.
SEARCH_TABLE, CELL_TABLE = "_search", "_cells"
MODEL_TABLE, TRAINING_TABLE = "_models", "training_members"
_MODEL_SCHEMA = to_arrow_schema(struct(MODELS))


@dataclass(frozen=True)
class ClusterGroup:
    """Clusters that one task characterises, and the files that have their rows.

    Attributes
    ----------
    keys : tuple of int
        Clusters that this run has searched itself: their rows are copied from the pieces.
    characterised : frozenset of int
        All clusters of the group.
    found, cells : tuple of str
        Files with the listed members found, and files with counts by cell.
    """

    keys: tuple[int, ...]
    characterised: frozenset[int]
    found: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Characterise:
    """Characterise a group of clusters: the function that a task calls.

    Attributes
    ----------
    root : str
        Folder of the run.
    rules : TrainingRules
        What characterising needs besides the stars.
    """

    root: str
    rules: TrainingRules

    def __call__(self, group: ClusterGroup, writers: TableWriters) -> Mapping[str, Any]:
        """Write listed members and counts by cluster, models and training members.

        Raises
        ------
        InputError
            If a listed star was found twice.
        """
        fresh = frozenset(group.keys)
        found = read_rows_of_clusters(
            self.root, group.found, group.characterised, SEARCH, ["source_id"]
        )
        by_key = {int(key): rows for key, rows in found.to_pandas().groupby("cluster_key")}
        for batch in _only(found, fresh).to_batches():
            writers.add(SEARCH_TABLE, batch)
        if group.cells:
            for batch in _sum_cells(read_rows_of_clusters(self.root, group.cells, fresh, CELLS)):
                writers.add(CELL_TABLE, batch)
        for key in sorted(group.characterised & by_key.keys()):
            check_unique(by_key[key]["source_id"].to_numpy(), self.rules.clusters[key]["cluster"])
            row = characterise_cluster(by_key[key], self.rules)
            table = pa.Table.from_pylist([row], schema=_MODEL_SCHEMA)
            writers.add(MODEL_TABLE, table.to_batches()[0])
            if row["reason"] is None:
                model: ClusterModel = model_from_row(row, self.rules.clusters[key]["cluster"])
                writers.add(
                    TRAINING_TABLE,
                    describe_training_members(by_key[key], model, self.rules.calibration),
                )
        return {}


def _only(found: pa.Table, keys: frozenset[int]) -> pa.Table:
    return found.filter(pc.is_in(found["cluster_key"], pa.array(sorted(keys), pa.int64())))


def _sum_cells(cells: pa.Table) -> list[pa.RecordBatch]:
    """Add up the counts of the same cell from several portions."""
    names = ["cluster_key", "order", "cell"]
    total = (
        cells.group_by(names)
        .aggregate([("n_sources", "sum")])
        .sort_by([(name, "ascending") for name in names])
    )
    total = total.rename_columns([*names, "n_sources"]).select([f.name for f in CELLS])
    return list(total.cast(cells.schema).combine_chunks().to_batches())
