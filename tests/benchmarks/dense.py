"""A slice of a mock sky as crowded as DR3, the main job on it, and the candidates judged there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.catalogue.inputs import read_inputs
from ocspark.membership.engine import Membership, Sampling
from ocspark.membership.evaluate import Evaluation, evaluate_candidates
from ocspark.mirror.portions import cut_by_rows
from ocspark.mirror.scan import Scan
from ocspark.mock.generate import finished_mock, write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.selection.sources_in_cones import batches_in_cones
from ocspark.settings import Settings, make_settings
from ocspark.store.folder import RunFolder
from ocspark.tables.stars import CalibratedStars

#: Sources of DR3, clusters in the whole mock, and how far those of a slice are at least [pc].
DR3_SOURCES, N_CLUSTERS, MIN_DISTANCE_PC = 1_811_709_771, 2500, 700.0
SEED = 313


def slice_parameters(n_clusters: int) -> MockParameters:
    """Return the parameters of a slice around some clusters."""
    return MockParameters(
        DR3_SOURCES, N_CLUSTERS, SEED, around=n_clusters, min_distance_pc=MIN_DISTANCE_PC
    )


def make_slice(spark: SparkSession, folder: Path, n_clusters: int) -> None:
    """Make the slice unless it is there."""
    parameters = slice_parameters(n_clusters)
    if finished_mock(str(folder), parameters) is None:
        write_mock(spark, str(folder), parameters)


def settings_of(folder: Path, output: Path, **membership: Any) -> Settings:
    """Return the default settings on a slice, without reuse of earlier runs."""
    names = {
        "mirror": "mirror",
        "clusters": "clusters.parquet",
        "members": "members.parquet",
        "isochrones": "isochrones",
    }
    places = {section: {"path": str(folder / name)} for section, name in names.items()}
    return make_settings(
        {**places, "membership": membership, "output": {"path": str(output), "base": None}}
    )


def candidates_of(
    spark: SparkSession, folder: Path, output: Path
) -> list[tuple[ClusterModel, CalibratedStars]]:
    """Return a slice's clusters, as a run characterises them, each with its calibrated candidates.

    Parameters
    ----------
    spark : SparkSession
    folder, output : Path
        Of the slice, and for the run.
    """
    settings = settings_of(folder, output, n_samples=1)
    run = run_full_catalogue(settings, spark)
    inputs = read_inputs(settings)
    rows = RunFolder(run.path).read_arrow("_models").to_pylist()
    models = {
        row["cluster_key"]: model_from_row(row, inputs.cluster_names[row["cluster_key"]])
        for row in rows
        if row["reason"] is None
    }
    cones = inputs.cones.only(models)
    sampling = Sampling(n_samples=1, support_size=1, seed=0, leave_one_out=False)
    collector = _Collector(models, inputs.network, sampling, inputs.calibration)
    for portion in cut_by_rows(inputs.files, inputs.file_names, cones.cover):
        scans = (Scan(piece, inputs.release.columns) for piece in portion.pieces)
        for batch in batches_in_cones(scans, cones.cuts, cones.cover):
            list(evaluate_candidates(batch, collector, non_members=False))
    return [(models[key], _together(parts)) for key, parts in collector.found.items()]


def _together(parts: list[CalibratedStars]) -> CalibratedStars:
    names = parts[0].columns
    return CalibratedStars({name: np.concatenate([part[name] for part in parts]) for name in names})


@dataclass(frozen=True)
class _Collector(Evaluation):
    """Keeps the candidates that it is to judge, by cluster."""

    found: dict[int, list[CalibratedStars]] = field(default_factory=dict)

    def engine(self) -> Any:
        return self

    def membership(self, stars: CalibratedStars, cluster: ClusterModel) -> Membership:
        self.found.setdefault(cluster.cluster_key, []).append(stars)
        nothing = np.zeros(len(stars))
        whole, no = nothing.astype(np.int32), nothing.astype(bool)
        return Membership(nothing, nothing, nothing, nothing, whole, no)
