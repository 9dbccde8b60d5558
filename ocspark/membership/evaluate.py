"""Pass 2: from sources in cones to candidates with probabilities, in one stage (Spark)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.deepsets.weights import TrainedModel
from ocspark.membership.engine import Engine, Sampling
from ocspark.selection.arrow import to_batch
from ocspark.selection.calibrate import Calibration, calibrate
from ocspark.selection.candidates import ERROR_WEIGHT, passes_all
from ocspark.selection.model import ClusterModel
from ocspark.selection.training import describe_stars, split_by_cluster
from ocspark.session import ship
from ocspark.tables import CANDIDATES, CONE_COLUMNS, struct


@dataclass(frozen=True)
class Evaluation:
    """Everything a worker needs for pass 2; shipped once.

    Attributes
    ----------
    models : dict
        cluster_key to `ClusterModel`.
    network : TrainedModel
    sampling : Sampling
    calibration : Calibration
    device : str
        Which device evaluates the network; see `task_device`.
    """

    models: Mapping[int, ClusterModel]
    network: TrainedModel
    sampling: Sampling
    calibration: Calibration
    device: str = "auto"

    def engine(self) -> Engine:
        """Return this task's engine; a worker process builds it once."""
        task = TaskContext.get()
        threads = task.cpus() if task else 1
        place = (task_device(self.device), threads)
        if place not in self._engines:
            self._engines[place] = Engine(self.network, self.sampling, *place)
        return self._engines[place]

    @cached_property
    def _engines(self) -> dict[tuple[str | None, int], Engine]:
        return {}

    def training_table(self) -> pa.Table:
        """Return (cluster_key, source_id) of all training members."""
        keys = [np.full(len(m.training_id), k) for k, m in self.models.items()]
        ids = [m.training_id for m in self.models.values()]
        return pa.table({"cluster_key": np.concatenate(keys), "source_id": np.concatenate(ids)})

    def motion_table(self) -> pa.Table:
        """Return the proper-motion condition of every cluster (Eq. 1) [mas/yr]."""
        models = list(self.models.values())
        return pa.table(
            {
                "cluster_key": np.array([m.cluster_key for m in models], dtype=np.int64),
                "c_pmra": np.array([m.pmra for m in models]),
                "c_pmdec": np.array([m.pmdec for m in models]),
                "c_delta_pm": np.array([m.delta_pm for m in models]),
            }
        )


def task_device(wanted: str) -> str | None:
    """Return the torch device of the running task, or None for its processor.

    Parameters
    ----------
    wanted : str
        auto: the GPU that Spark gives the task, if it does (spark.task.resource.gpu.amount; it
        gives all tasks one or none, so a run does not mix devices); gpu: that one, or the first
        that the worker sees; cpu: none.

    Raises
    ------
    RuntimeError
        If a GPU is wanted and there is none.
    """
    if wanted == "cpu":
        return None
    task = TaskContext.get()
    given = task.resources().get("gpu") if task else None
    if given is not None:
        return f"cuda:{given.addresses[0]}"
    if wanted == "auto":
        return None
    if not torch.cuda.is_available():
        raise RuntimeError("membership.device is gpu, but this worker sees none (CUDA)")
    return "cuda:0"


def evaluate_candidates(
    spark: SparkSession, cone: DataFrame, evaluation: Evaluation, non_members: bool
) -> DataFrame:
    """Select candidates among sources in cones and give each its probability.

    The proper-motion condition is a broadcast join in Spark SQL; parallax and isochrone
    conditions, features and the Monte Carlo follow in the same stage. No shuffle.

    Parameters
    ----------
    spark : SparkSession
    cone : DataFrame
        From `search_cones`.
    evaluation : Evaluation
    non_members : bool
        Also return the other sources, with null probability.

    Returns
    -------
    DataFrame
        The columns of `CANDIDATES`.
    """
    shipped = ship(spark, evaluation)
    training = spark.createDataFrame(evaluation.training_table())
    marked = training.withColumn("is_training_member", F.lit(True))
    rows = cone.join(F.broadcast(marked), ["cluster_key", "source_id"], "left").withColumn(
        "is_training_member", F.coalesce("is_training_member", F.lit(False))
    )
    motions = F.broadcast(spark.createDataFrame(evaluation.motion_table()))
    rows = rows.join(motions, "cluster_key")
    if not non_members:
        rows = rows.where(_passes_proper_motion() | F.col("is_training_member"))

    def evaluate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context: Evaluation = shipped()
        for batch in batches:
            for model, stars in split_by_cluster(batch, context.models):
                yield _evaluate_stars(stars, model, context, non_members)

    names = [f.name for f in CONE_COLUMNS]
    return rows.select("cluster_key", *names, "is_training_member").mapInArrow(
        evaluate, struct(CANDIDATES)
    )


def _evaluate_stars(
    stars: Mapping[str, NDArray], model: ClusterModel, context: Evaluation, non_members: bool
) -> pa.RecordBatch:
    calibrated = calibrate(stars, context.calibration)
    candidate = passes_all(calibrated, model) | stars["is_training_member"].astype(bool)
    some = {name: column[candidate] for name, column in calibrated.items()}
    judged = vars(context.engine().membership(some, model))
    if not non_members:
        return to_batch({**describe_stars(some, model), **judged}, CANDIDATES)
    columns = describe_stars(calibrated, model)
    for name, given in judged.items():
        columns[name] = np.ma.masked_all(len(candidate), dtype=given.dtype)
        columns[name][candidate] = given
    return to_batch(columns, CANDIDATES)


def _passes_proper_motion() -> Column:
    """Return Eq. 1 as `ocspark.selection.candidates.passes_proper_motion` has it, bit for bit."""
    x = (F.col("pmra") - F.col("c_pmra")) / (
        ERROR_WEIGHT * F.col("pmra_error") + F.col("c_delta_pm")
    )
    y = (F.col("pmdec") - F.col("c_pmdec")) / (
        ERROR_WEIGHT * F.col("pmdec_error") + F.col("c_delta_pm")
    )
    return F.sqrt(x * x + y * y) < 1.0
