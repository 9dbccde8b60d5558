"""From sources in cones to candidates with probabilities, in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

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
from ocspark.tables.arrow import pick, split_by_cluster, to_batch
from ocspark.tables.candidates import EVALUATED
from ocspark.tables.fields import Field

#: Place of a star in its record batch.
_ROW = "row"


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
    carried : tuple of Field
        Columns of the mirror that go to the candidates unchanged.
    """

    models: Mapping[int, ClusterModel]
    network: TrainedModel
    sampling: Sampling
    calibration: Calibration
    device: str = "auto"
    carried: tuple[Field, ...] = ()

    def engine(self) -> Engine:
        """Return this task's engine; a worker process builds it once."""
        task = TaskContext.get()
        threads = task.cpus() if task else 1
        place = (task_device(self.device), threads)
        if place not in self._engines:
            self._engines[place] = Engine(self.network, self.sampling, *place)
        return self._engines[place]

    def device_name(self) -> str:
        """Return what evaluates the network in this task: ``cpu``, or the GPU's name."""
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
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("membership.device is gpu, but this worker sees none (CUDA)")
    return "cuda:0"


def expected_device(wanted: str, spark: SparkSession) -> str:
    """Return the kind of device, ``cpu`` or ``gpu``, on which this session's tasks will evaluate.

    Parameters
    ----------
    wanted : str
        See `task_device`.
    spark : SparkSession
    """
    if wanted != "auto":
        return wanted
    try:
        given = spark.conf.get("spark.task.resource.gpu.amount", "0")
    except PySparkException:  # a session that keeps its configuration to itself has none to give
        return "cpu"
    return "gpu" if float(given or 0) > 0 else "cpu"


def evaluate_candidates(
    batch: pa.RecordBatch, context: Evaluation, non_members: bool
) -> Iterator[pa.RecordBatch]:
    """Select the candidates among sources in cones and evaluate each.

    Parameters
    ----------
    batch : RecordBatch
        The columns of `CONE`.
    context : Evaluation
    non_members : bool
        Also give the other sources, with null probability.

    Yields
    ------
    RecordBatch
        `evaluated_fields` of one cluster, with ``device`` in the schema's metadata.
    """
    device = {"device": context.device_name()}
    carried = batch.select([carried_name(f.name) for f in context.carried])
    own = batch.select([n for n in batch.schema.names if n not in carried.schema.names])
    own = own.append_column(_ROW, pa.array(np.arange(batch.num_rows)))
    for model, stars in split_by_cluster(own, context.models):
        columns = _evaluate_stars(stars, model, context, non_members)
        result = to_batch(pick(columns, EVALUATED), EVALUATED)
        rows = carried.take(pa.array(columns[_ROW]))
        for field, values in zip(context.carried, rows.columns, strict=True):
            result = result.append_column(field.name, values)
        if result.num_rows:
            yield result.replace_schema_metadata(device)


def _evaluate_stars(
    stars: Mapping[str, NDArray], model: ClusterModel, context: Evaluation, non_members: bool
) -> dict[str, NDArray]:
    member = np.isin(stars["source_id"], model.training_id)
    if not non_members:  # most stars fail here, at little cost
        near = member | passes_proper_motion(stars, model.pmra, model.pmdec, model.delta_pm)
        stars, member = {name: column[near] for name, column in stars.items()}, member[near]
    calibrated = calibrate(stars, context.calibration)
    calibrated["is_training_member"] = member
    candidate = passes_all(calibrated, model) | member
    some = {name: column[candidate] for name, column in calibrated.items()}
    judged = vars(context.engine().membership(some, model))
    if not non_members:
        return {**describe_stars(some, model), **judged}
    columns = describe_stars(calibrated, model)
    for name, given in judged.items():
        columns[name] = np.ma.masked_all(len(candidate), dtype=given.dtype)
        columns[name][candidate] = given
    return columns
