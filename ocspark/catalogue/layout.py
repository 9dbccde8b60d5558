"""Write candidates by cluster, one sorted file for each, with their posteriors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.catalogue.unique import check_unique
from ocspark.store.files import TableWriters
from ocspark.store.pieces import read_rows_of_clusters
from ocspark.tables.candidates import NON_MEMBERS, candidate_fields, evaluated_fields
from ocspark.tables.fields import Field, struct

#: Levels of probability at which candidates are counted, by the name of the count.
LEVELS = {"n_p10": 0.1, "n_p50": 0.5, "n_p90": 0.9}


@dataclass(frozen=True)
class ClusterPieces:
    """A cluster, and the files that hold its rows.

    Attributes
    ----------
    key : int
        Key of the cluster.
    cluster : str
        Its name.
    pieces : mapping
        Names of files by table: ``candidates`` and, if wanted, ``non_members``.
    device : str or None
        Device that evaluated the network.
    cells : sequence of str or None
        Files with the counts of all sources by cell; None if the posterior is not computed.
    is_laid_out : bool
        Whether the candidates are written by cluster already and only need a posterior.
    """

    key: int
    cluster: str
    pieces: Mapping[str, Sequence[str]]
    device: str | None
    cells: Sequence[str] | None = None
    is_laid_out: bool = False


#: A function that returns the columns of the posterior, as `ComputePosterior` does: it gets
#: cluster_key, candidates sorted by source_id, names of files with cells, and writers.
Posterior = Callable[[int, pa.Table, Sequence[str], TableWriters], Mapping[str, pa.Array]]


@dataclass(frozen=True)
class LayOut:
    """Write the candidates of a few clusters: the function that a task calls.

    Attributes
    ----------
    root : str
        Folder of the run.
    carried : tuple of Field
        Columns that candidates carry over from the mirror.
    posterior : callable, optional
        Computes posteriors; they are null without it.
    """

    root: str
    carried: tuple[Field, ...] = ()
    posterior: Posterior | None = None

    def __call__(self, clusters: Sequence[ClusterPieces], writers: TableWriters) -> dict[str, Any]:
        """Write each cluster's rows as one file a table, sorted by source_id."""
        tables = {"candidates": evaluated_fields(self.carried), "non_members": NON_MEMBERS}
        seconds = 0.0
        for table, fields in tables.items():
            names = sorted({name for cluster in clusters for name in cluster.pieces.get(table, ())})
            if not names:
                continue
            keys = [
                cluster.key for cluster in clusters
            ]  # neighbours on the sky: their rows are in the same files
            whole = read_rows_of_clusters(self.root, names, keys, fields, ["source_id"])
            for cluster in clusters:
                rows = whole.filter(pc.equal(whole["cluster"], cluster.cluster)).combine_chunks()
                if not rows.num_rows:
                    continue
                check_unique(rows["source_id"].to_numpy(), cluster.cluster)
                counts = {}
                if table == "candidates":
                    counts = _count(rows)
                    started = time.monotonic()
                    rows = self._with_posterior(cluster, rows, writers)
                    seconds += time.monotonic() - started
                if not cluster.is_laid_out:
                    metadata = {"device": cluster.device} if cluster.device else None
                    rows = rows.replace_schema_metadata(metadata)
                    writers.write(table, file_stem(cluster.cluster), rows, counts)
        return {"posterior_seconds": round(seconds, 3)}

    def _with_posterior(
        self, cluster: ClusterPieces, rows: pa.Table, writers: TableWriters
    ) -> pa.Table:
        """Return candidates with the columns of the posterior, null where it is not computed."""
        columns: Mapping[str, pa.Array] = {}
        if self.posterior is not None and cluster.cells is not None:
            columns = self.posterior(cluster.key, rows, cluster.cells, writers)
        schema = to_arrow_schema(struct(candidate_fields(self.carried)))
        arrays = [
            rows[field.name]
            if field.name in rows.schema.names
            else columns.get(field.name, pa.nulls(len(rows), field.type))
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)


def file_stem(cluster: str) -> str:
    """Return a cluster's name for files: with _ for what is no letter, digit, +, - or dot."""
    return re.sub(r"[^A-Za-z0-9+.-]", "_", cluster).strip(".")[:80] or "_"


def _count(rows: pa.Table) -> dict[str, int]:
    probability = rows["probability"]
    counts = {
        name: int(pc.sum(pc.greater_equal(probability, level)).as_py() or 0)
        for name, level in LEVELS.items()
    }
    counts["n_errors_mended"] = int(pc.sum(rows["errors_mended"]).as_py() or 0)
    return counts
