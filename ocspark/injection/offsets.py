"""The independent check: each real cluster's own search where neither it nor a twin is (Spark).

What its cuts and its network let through at offset positions of the mirror as it is, is there by
chance, whatever a mock assumes of clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.inputs import RunInputs
from ocspark.catalogue.passes import search_pass
from ocspark.injection.twins import Twin
from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, evaluate_candidates
from ocspark.mirror.layout import check_files, group_by_rows
from ocspark.names import cluster_key
from ocspark.selection.arrow import to_batch
from ocspark.selection.cone import Cones, Process, make_cones
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.settings import SearchSettings
from ocspark.store.folder import RunDirectory
from ocspark.tables.selection_function import CONE_COUNTS

#: Tables of the offset search.
OFFSETS, OFFSET_CONES = "offsets", "offset_cones"
#: Stars less probable are no members at any level, and not kept.
LEAST_PROBABILITY = 0.1


def search_offsets(
    spark: SparkSession,
    inputs: RunInputs,
    real_run: str,
    twins: Sequence[Twin],
    folder: RunDirectory,
) -> None:
    """Run the real clusters' own search where their twins are, in the mirror without twins.

    Tables `OFFSETS` (`CANDIDATES` with p >= 0.1, under the twins' names) and `OFFSET_CONES`
    (`CONE_COUNTS`) land in `folder`, unit by unit; units that are there already are kept.

    Parameters
    ----------
    spark : SparkSession
    inputs : RunInputs
        Of the real run.
    real_run : str
        Its directory.
    twins : sequence of Twin
    folder : RunDirectory
    """
    cones = offset_cones(twins, inputs.settings.search)
    models = offset_models(twins, _models_of(real_run, inputs))
    membership = inputs.settings.membership
    sampling = Sampling(**membership.model_dump(exclude={"device"}))
    evaluation = Evaluation(models, inputs.network, sampling, inputs.calibration, membership.device)
    columns = inputs.release.columns
    touched = inputs.mirror.touched_by(cones.cover)
    foreign = inputs.release.foreign
    files = check_files(touched, columns, inputs.mirror.healpix_column, foreign)
    units = group_by_rows(files, inputs.settings.spark.rows_per_unit)
    search_pass(
        spark,
        folder,
        "offset search",
        {f"offsets-{number:05d}": unit for number, unit in enumerate(units)},
        columns,
        cones,
        evaluate_offsets(spark, evaluation),
        [OFFSETS, OFFSET_CONES],
        split_offsets,
    )


def _models_of(run: str, inputs: RunInputs) -> dict[str, ClusterModel]:
    names = inputs.clusters.table.set_index("cluster_key")["cluster"]
    rows = RunDirectory(run).read_arrow("_models").to_pylist()
    done = {str(names[row["cluster_key"]]): row for row in rows if row["reason"] is None}
    return {name: model_from_row(row, name) for name, row in done.items()}


def count_offset_cones(folder: RunDirectory) -> dict[int, int]:
    """Return the sources in each offset cone, by the twin's key."""
    if not storage.list_files(folder.path(OFFSET_CONES)):
        return {}  # no part of the mirror is there
    counts = folder.read_arrow(OFFSET_CONES).to_pandas()
    return {int(key): int(n) for key, n in counts.groupby("cluster_key")["n_cone"].sum().items()}


def offset_cones(twins: Sequence[Twin], search: SearchSettings) -> Cones:
    """Return the real clusters' cones at the positions of their twins, under the twins' names."""
    rows = pd.DataFrame([{name: twin.row[name] for name in CLUSTER_COLUMNS} for twin in twins])
    rows["cluster_key"] = np.array([cluster_key(name) for name in rows["cluster"]], dtype=np.int64)
    return make_cones(rows, search)


def offset_models(
    twins: Sequence[Twin], models: Mapping[str, ClusterModel]
) -> dict[int, ClusterModel]:
    """Return the real clusters' models at the positions of their twins, by the twins' keys.

    Everything is the real cluster's but the position, and the proper motion by the little that
    the Galaxy's rotation differs there.
    """
    return {
        cluster_key(twin.cluster.name): replace(
            models[twin.twin_of],
            cluster_key=cluster_key(twin.cluster.name),
            cluster=twin.cluster.name,
            ra=twin.row["ra"],
            dec=twin.row["dec"],
            pmra=models[twin.twin_of].pmra + twin.shift[0],
            pmdec=models[twin.twin_of].pmdec + twin.shift[1],
            training_id=np.empty(0, dtype=np.int64),  # nobody there is a training member
        )
        for twin in twins
    }


def evaluate_offsets(spark: SparkSession, evaluation: Evaluation) -> Process:
    """Return the process that evaluates candidates and counts all sources in each cone.

    It yields rows of `CANDIDATES`, and of `CONE_COUNTS` at the end; `split_offsets` tells them
    apart.
    """
    evaluate = evaluate_candidates(spark, evaluation, non_members=False)

    def count_and_evaluate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts: dict[int, int] = {}

        def counted() -> Iterator[pa.RecordBatch]:
            for batch in batches:
                keys = batch.column("cluster_key").to_numpy()
                for key, n in zip(*np.unique(keys, return_counts=True), strict=True):
                    counts[int(key)] = counts.get(int(key), 0) + int(n)
                yield batch

        yield from evaluate(counted())
        tally = {"cluster_key": list(counts), "n_cone": list(counts.values())}
        yield to_batch({k: np.array(v, dtype=np.int64) for k, v in tally.items()}, CONE_COUNTS)

    return count_and_evaluate


def split_offsets(rows: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
    """Return the probable candidates, or the counts, of a batch, by table."""
    if "n_cone" in rows.schema.names:
        return {OFFSET_CONES: rows}
    probable = rows.filter(pc.greater_equal(rows["probability"], LEAST_PROBABILITY))
    return {OFFSETS: probable} if probable.num_rows else {}
