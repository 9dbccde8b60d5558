"""Pass 2: from sources in cones to candidates with probabilities, in one stage (Spark)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
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
    """

    models: Mapping[int, ClusterModel]
    network: TrainedModel
    sampling: Sampling
    calibration: Calibration

    @cached_property
    def engine(self) -> Engine:
        """The engine, built once per worker process."""
        return Engine(self.network, self.sampling)

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
    result = context.engine.membership(some, model)
    if not non_members:
        columns = describe_stars(some, model)
        columns.update(
            probability=result.probability,
            mean_logit=result.mean_logit,
            n_samples=result.n_samples,
        )
        return to_batch(columns, CANDIDATES)
    columns = describe_stars(calibrated, model)
    for name in ("probability", "mean_logit", "n_samples"):
        values = np.ma.masked_all(len(candidate), dtype=getattr(result, name).dtype)
        values[candidate] = getattr(result, name)
        columns[name] = values
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
