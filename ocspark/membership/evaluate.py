"""Select and evaluate candidates among the sources in cones, in the task that read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ocspark.deepsets.model import TrainedModel
from ocspark.membership.engine import Engine, Sampling
from ocspark.mirror.columns import carried_name
from ocspark.selection.calibrate import Calibration, calibrate
from ocspark.selection.candidates import describe_stars, passes_all, passes_proper_motion
from ocspark.selection.model import ClusterModel
from ocspark.tables.arrow import split_by_cluster, stars_to_batch
from ocspark.tables.candidates import EVALUATED, NON_MEMBERS
from ocspark.tables.fields import Field
from ocspark.tables.stars import CalibratedStars, RawStars

#: Column with the row of a star in its record batch.
_ROW = "row"


@dataclass(frozen=True)
class Evaluation:
    """Everything that a worker needs for pass 2; sent to it once.

    Attributes
    ----------
    models : dict
        cluster_key to `ClusterModel`.
    network : TrainedModel
        The network that judges candidates.
    sampling : Sampling
        How stars are sampled.
    calibration : Calibration
        How the release's stars are calibrated.
    device : str
        Device that evaluates the network; see `task_device`.
    carried : tuple of Field
        Columns of the mirror that candidates get unchanged.
    """

    models: Mapping[int, ClusterModel]
    network: TrainedModel
    sampling: Sampling
    calibration: Calibration
    device: str = "auto"
    carried: tuple[Field, ...] = ()

    def engine(self) -> Engine:
        """Return the engine of this task; a worker process makes it once."""
        task = TaskContext.get()
        threads = task.cpus() if task else 1
        place = (task_device(self.device), threads)
        if place not in self._engines:
            self._engines[place] = Engine(self.network, self.sampling, *place)
        return self._engines[place]

    def device_name(self) -> str:
        """Return the device of this task: ``cpu``, or the GPU's name."""
        device = task_device(self.device)
        if device is None:
            return "cpu"
        import torch

        return torch.cuda.get_device_name(device)

    @cached_property
    def _engines(self) -> dict[tuple[str | None, int], Engine]:
        return {}


def task_device(wanted: str) -> str | None:
    """Return the torch device of the running task, or None for its processor.

    Parameters
    ----------
    wanted : str
        auto: the GPU that Spark assigns to the task, if it assigns any. Spark gives one to all
        tasks or to none (spark.task.resource.gpu.amount), so a run does not mix devices.
        gpu: that GPU, or the first that the worker sees. cpu: none.

    Raises
    ------
    RuntimeError
        If a GPU is wanted and the worker sees none.
    """
    if wanted == "cpu":
        return None
    task = TaskContext.get()
    given = task.resources().get("gpu") if task else None
    if given is not None:
        return f"cuda:{given.addresses[0]}"
    if wanted == "auto":
        return None
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("membership.device is gpu, but this worker sees none (CUDA)")
    return "cuda:0"


def expected_device(wanted: str, spark: SparkSession) -> str:
    """Return the kind of device that a session's tasks will use, ``cpu`` or ``gpu``.

    Parameters
    ----------
    wanted : str
        See `task_device`.
    spark : SparkSession
        The session.
    """
    if wanted != "auto":
        return wanted
    try:
        given = spark.conf.get("spark.task.resource.gpu.amount", "0")
    except PySparkException:  # a session that does not show its configuration
        return "cpu"
    return "gpu" if float(given or 0) > 0 else "cpu"


class Evaluated(NamedTuple):
    """Sources of one cluster's cone, divided into candidates and others.

    Attributes
    ----------
    candidates : RecordBatch
        Rows with the columns of `evaluated_fields`, and ``device`` in the schema's metadata.
    non_members : RecordBatch or None
        The other sources, as `NON_MEMBERS`; None if they are not wanted.
    """

    candidates: pa.RecordBatch
    non_members: pa.RecordBatch | None


def evaluate_candidates(
    batch: pa.RecordBatch, context: Evaluation, non_members: bool
) -> Iterator[Evaluated]:
    """Select the candidates among sources in cones, cluster by cluster, and evaluate each.

    Parameters
    ----------
    batch : RecordBatch
        Sources from `ocspark.selection.cone_search.batches_in_cones`.
    context : Evaluation
        Sources in cones of clusters that are not among its models are left out.
    non_members : bool
        Whether the other sources are wanted too.
    """
    device = {"device": context.device_name()}
    carried = batch.select([carried_name(f.name) for f in context.carried])
    own = batch.select([n for n in batch.schema.names if n not in carried.schema.names])
    own = own.append_column(_ROW, pa.array(np.arange(batch.num_rows)))
    for model, stars in split_by_cluster(own, context.models, RawStars):
        calibrated, candidate = _select(stars, model, context.calibration, non_members)
        candidates = calibrated.take(candidate)
        judged = vars(context.engine().membership(candidates, model))
        described = describe_stars(candidates, model).with_columns(judged)
        result = stars_to_batch(described, EVALUATED)
        rows = carried.take(pa.array(candidates[_ROW]))
        for field, values in zip(context.carried, rows.columns, strict=True):
            result = result.append_column(field.name, values)
        others = None
        if non_members:
            others = stars_to_batch(describe_stars(calibrated.take(~candidate), model), NON_MEMBERS)
        if result.num_rows or others is not None:
            yield Evaluated(result.replace_schema_metadata(device), others)


def _select(
    stars: RawStars, model: ClusterModel, calibration: Calibration, non_members: bool
) -> tuple[CalibratedStars, NDArray[np.bool_]]:
    """Return calibrated stars, with is_training_member, and which of them are candidates.

    Without `non_members` most of the others are missing.
    """
    member = np.isin(stars["source_id"], model.training_id)
    stars = stars.with_columns({"is_training_member": member})
    if not non_members:  # most stars fail here, at little cost
        near = member | passes_proper_motion(stars, model.pmra, model.pmdec, model.delta_pm)
        stars = stars.take(near)
    calibrated = calibrate(stars, calibration)
    return calibrated, passes_all(calibrated, model) | calibrated["is_training_member"]
