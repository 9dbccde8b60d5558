"""Search for members of the real clusters at offset positions, where they are not (Spark).

This is an independent check of the contamination. Stars that pass a cluster's own cuts and network
at other positions of the mirror, without twins, are there by chance, whatever the mock assumes
about clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from ocspark.catalogue.inputs import RunInputs
from ocspark.catalogue.passes import MirrorPass
from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, evaluate_candidates, expected_device
from ocspark.names import cluster_key
from ocspark.selection.cones import Cones, make_cones
from ocspark.selection.model import ClusterModel
from ocspark.selection.run_models import read_models
from ocspark.selection.sources_in_cones import SortedSources, batches_in_cones
from ocspark.selection_function.twins import Twin
from ocspark.settings import SearchSettings
from ocspark.store.files import TableWriters
from ocspark.store.finished_run import FinishedRun
from ocspark.store.folder import RunFolder, files_of
from ocspark.tables.arrow import to_batch
from ocspark.tables.candidates import EVALUATED
from ocspark.tables.selection_function import CONE_COUNTS

#: Tables of the offset search.
OFFSETS, OFFSET_CONES = "offsets", "offset_cones"
#: Least votes of the stars that are kept; the lowest level at which members are counted.
LEAST_PROBABILITY = 0.1


@dataclass(frozen=True)
class EvaluateOffsets:
    """Evaluate sources at offset positions: the function of a task of the search.

    Attributes
    ----------
    cones : Cones
        Cones at the offset positions.
    evaluation : Evaluation
        Models of the real clusters at these positions, network and sampling.
    """

    cones: Cones
    evaluation: Evaluation

    def __call__(self, parts: Iterator[SortedSources], writers: TableWriters) -> dict[str, int]:
        """Write the candidates with votes of 0.1 or more, and count the sources in each cone."""
        counts: dict[int, int] = {}
        for batch in batches_in_cones(parts, self.cones.cuts, self.cones.cover):
            keys = batch.column("cluster_key").to_numpy()
            for key, n in zip(*np.unique(keys, return_counts=True), strict=True):
                counts[int(key)] = counts.get(int(key), 0) + int(n)
            for rows in evaluate_candidates(batch, self.evaluation, non_members=False):
                candidates = rows.candidates
                probable = pc.greater_equal(candidates["probability"], LEAST_PROBABILITY)
                writers.add(OFFSETS, candidates.filter(probable))
        tally = {"cluster_key": list(counts), "n_cone": list(counts.values())}
        columns = {name: np.array(values, dtype=np.int64) for name, values in tally.items()}
        writers.add(OFFSET_CONES, to_batch(columns, CONE_COUNTS))
        return {}


def search_offsets(
    spark: SparkSession,
    inputs: RunInputs,
    real_run: FinishedRun,
    twins: Sequence[Twin],
    folder: RunFolder,
    depends_on: str,
) -> None:
    """Search for members of the real clusters at the positions of their twins, without the twins.

    The tables `OFFSETS` (`EVALUATED` with votes of 0.1 or more, under the names of the twins) and
    `OFFSET_CONES` (`CONE_COUNTS`) are written in `folder`; parts that are there already are kept.

    Parameters
    ----------
    spark : SparkSession
        Session whose tasks read the mirror.
    inputs : RunInputs
        Inputs of the real run.
    real_run : FinishedRun
        The run on the real clusters.
    twins : sequence of Twin
        The twins.
    folder : RunFolder
        Folder of the selection function.
    depends_on : str
        Digest of everything that determines the twins and the real run.
    """
    cones = offset_cones(twins, inputs.settings.search)
    found = read_models(real_run)
    models = offset_models(twins, {m.cluster: m for m in found.values()})
    membership = inputs.settings.membership
    sampling = Sampling(**membership.model_dump(exclude={"device"}))
    evaluation = Evaluation(models, inputs.network, sampling, inputs.calibration, membership.device)
    files = inputs.mirror.check_touched(cones.cover)
    search = MirrorPass(
        "offsets",
        "offset search",
        files,
        [file.file.name for file in files],
        inputs.columns,
        cones,
        [depends_on, expected_device(membership.device, spark)],
    )
    manifests = search.run(spark, folder, EvaluateOffsets(cones, evaluation))
    folder.finish_tables(files_of(manifests), {OFFSETS: EVALUATED, OFFSET_CONES: CONE_COUNTS})


def count_offset_cones(folder: RunFolder) -> dict[int, int]:
    """Return the number of sources in each offset cone, by the key of the twin."""
    counts = folder.read_arrow(OFFSET_CONES).to_pandas()
    return {int(key): int(n) for key, n in counts.groupby("cluster_key")["n_cone"].sum().items()}


def offset_cones(twins: Sequence[Twin], search: SearchSettings) -> Cones:
    """Return the cones of the real clusters, with the positions and names of their twins."""
    rows = pd.DataFrame([{name: twin.row[name] for name in CLUSTER_COLUMNS} for twin in twins])
    rows["cluster_key"] = np.array([cluster_key(name) for name in rows["cluster"]], dtype=np.int64)
    return make_cones(rows, search)


def offset_models(
    twins: Sequence[Twin], models: Mapping[str, ClusterModel]
) -> dict[int, ClusterModel]:
    """Return the models of the real clusters at the positions of their twins, by the twins' keys.

    Only position and proper motion differ from the real cluster's; the proper motion changes by the
    difference of the Galaxy's rotation between both positions.
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
            training_id=np.empty(0, dtype=np.int64),  # no star there is a training member
        )
        for twin in twins
    }
