"""The step between the passes: clusters are characterised by the listed members found."""

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
from ocspark.store.pieces import read_clusters
from ocspark.tables.characterised import MODELS
from ocspark.tables.fields import struct
from ocspark.tables.run import CELLS, SEARCH

#: Tables by cluster that pass 1's pieces become.
SEARCH_TABLE, CELL_TABLE = "_search", "_cells"
MODEL_TABLE, TRAINING_TABLE = "_models", "training_members"
_MODEL_SCHEMA = to_arrow_schema(struct(MODELS))


@dataclass(frozen=True)
class ClusterGroup:
    """Some clusters, and the files that have their rows.

    Attributes
    ----------
    keys : tuple of int
        Those of them whose search is new: their pieces are laid out.
    characterised : frozenset of int
        All of them.
    found, cells : tuple of str
        Files with listed members that were found, and with counts by cell.
    """

    keys: tuple[int, ...]
    characterised: frozenset[int]
    found: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Characterise:
    """Characterise a group of clusters: the function of a task.

    Attributes
    ----------
    root : str
        Folder of the run.
    rules : TrainingRules
    """

    root: str
    rules: TrainingRules

    def __call__(self, group: ClusterGroup, writers: TableWriters) -> Mapping[str, Any]:
        """Write the clusters' stars and counts by cluster, their models and training members.

        Raises
        ------
        InputError
            If a listed star was found twice.
        """
        fresh = frozenset(group.keys)
        found = read_clusters(self.root, group.found, group.characterised, SEARCH, ["source_id"])
        by_key = {int(key): rows for key, rows in found.to_pandas().groupby("cluster_key")}
        for batch in _only(found, fresh).to_batches():
            writers.add(SEARCH_TABLE, batch)
        if group.cells:
            for batch in _sum_cells(read_clusters(self.root, group.cells, fresh, CELLS)):
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
    """Add up what portions counted in the same cell."""
    names = ["cluster_key", "order", "cell"]
    total = (
        cells.group_by(names)
        .aggregate([("n_sources", "sum")])
        .sort_by([(name, "ascending") for name in names])
    )
    total = total.rename_columns([*names, "n_sources"]).select([f.name for f in CELLS])
    return list(total.cast(cells.schema).combine_chunks().to_batches())
