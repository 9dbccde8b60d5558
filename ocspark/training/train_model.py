"""Train a model on a training set, and write its folder and a figure of the training."""

from __future__ import annotations

import json
import logging
from typing import Any

from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.fingerprint import software_environment
from ocspark.errors import InputError
from ocspark.release import load_release
from ocspark.session import get_session, is_connect
from ocspark.store.claim import Claim
from ocspark.training.make_training_set import make_training_set
from ocspark.training.model_folder import write_model
from ocspark.training.train import read_progress
from ocspark.training.train_workers import TrainingJob, train_launched, train_local
from ocspark.training.training_figure import draw_training
from ocspark.training.training_set import LoadedSet, load_training_set
from ocspark.training.training_settings import TrainingSettings

log = logging.getLogger("ocspark")

#: Files in the model's folder besides weights and card.
HISTORY, FIGURE, CHECKPOINT = "history.json", "training.png", "_checkpoint.pt"


def train_model(
    settings: TrainingSettings, output: str, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Train a model; the training set is made first unless `settings.set_path` names one.

    The same call resumes an interrupted run.

    Parameters
    ----------
    settings : TrainingSettings
        Settings of the training job.
    output : str
        Folder that gets weights.npz, card.json, history.json, training.png and, if the set is made,
        training_set/.
    spark : SparkSession, optional
        By default the active session, or a new one if one is needed.

    Returns
    -------
    dict
        The model's card.

    Raises
    ------
    InputError
        For invalid settings or inputs, or a folder with something else in it.
    BusyError
        If another process is training there.
    """
    with Claim(output, {"holds": "a model"}, "a model").hold():
        return _train_model(settings, output, spark)


def _train_model(
    settings: TrainingSettings, output: str, spark: SparkSession | None
) -> dict[str, Any]:
    set_path = settings.set_path
    if set_path is None:
        set_path = storage.join(output, "training_set")
        make_training_set(settings, set_path, spark)
    data = load_training_set(set_path)
    log.info(
        "training set: %d instances of %d clusters, validation %d of %d",
        len(data.training),
        data.card["parts"]["training"]["n_clusters"],
        len(data.validation),
        data.card["parts"]["validation"]["n_clusters"],
    )
    job = TrainingJob(set_path, settings.training, storage.join(output, CHECKPOINT))
    if settings.training.distributor == "spark":
        _train_on_spark(job, spark or get_session("ocspark: training", settings.spark.config))
    else:
        train_local(job)
    progress = read_progress(job.checkpoint)
    storage.write_file(storage.join(output, HISTORY), json.dumps(progress.history, indent=1))
    storage.write_file(
        storage.join(output, FIGURE), draw_training(progress.history, progress.best_epoch)
    )
    best = progress.history[progress.best_epoch - 1]
    return write_model(
        output,
        settings.name,
        progress.best,
        data.constants,
        load_release(settings.release).name,
        {
            **_training_data(data),
            "settings": settings.training.model_dump(mode="json"),
            "epochs": len(progress.history),
            "best_epoch": progress.best_epoch,
            "metrics": {part: best[part] for part in ("train", "validation")},
            "environment": software_environment(),
        },
    )


def _training_data(data: LoadedSet) -> dict[str, Any]:
    """Return the entries of the model's card about its training data."""
    parts = data.card["parts"]
    return {
        "training_clusters": parts["training"]["clusters"],
        "validation_clusters": parts["validation"]["clusters"],
        "support_size": data.card["rules"]["support_size"],
        "training_set": {
            "sha256": data.sha256,
            "rules": data.card["rules"],
            "n_instances": {"training": len(data.training), "validation": len(data.validation)},
            "inputs": {k: data.card["inputs"][k] for k in ("clusters", "members", "mirror")},
        },
    }


def _train_on_spark(job: TrainingJob, spark: SparkSession) -> None:
    """Train with a Spark task per worker; all of them must be able to read set and output."""
    if is_connect(spark):
        raise InputError(
            "training.distributor: spark needs a classic Spark session; expected local with "
            "Spark Connect"
        )
    distributor = TorchDistributor(
        num_processes=job.loop.workers, local_mode=False, use_gpu=job.loop.device == "cuda"
    )
    distributor.run(train_launched, job)
