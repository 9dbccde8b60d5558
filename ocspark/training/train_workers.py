"""Start a training run: in this process, in several on this machine, or as tasks of a launcher."""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing

from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.training.train import Trainer, TrainingProgress
from ocspark.training.training_set import LoadedSet, load_training_set
from ocspark.training.training_settings import LoopSettings

log = logging.getLogger("ocspark")

#: Settings that change no epoch: a run may be resumed with other values of them.
_FREE = frozenset({"max_epochs", "patience", "distributor"})
_TIMEOUT = datetime.timedelta(minutes=30)


@dataclass(frozen=True)
class TrainingJob:
    """A training run, as every process of it is given it.

    Attributes
    ----------
    set_path : str
        Folder of the training set, which every process reads.
    loop : LoopSettings
        Settings of network and loop.
    checkpoint : str
        File with the state of the run, written by the first process.
    """

    set_path: str
    loop: LoopSettings
    checkpoint: str


def train_here(job: TrainingJob, loaded: LoadedSet | None = None) -> TrainingProgress:
    """Do this process's part of a run: all of it, unless there is a process group.

    Parameters
    ----------
    job : TrainingJob
        The run.
    loaded : LoadedSet, optional
        The training set, if it has been read already.
    """
    data = loaded or load_training_set(job.set_path)
    start, start_hash = None, ""
    if job.loop.start_from is not None:
        model = load_model(job.loop.start_from)
        if model.width != job.loop.width:
            raise InputError(
                f"training.start_from: {job.loop.start_from} has width {model.width}; "
                f"training.width is {job.loop.width}"
            )
        start = {name: torch.from_numpy(value) for name, value in model.state.items()}
        start_hash = model.sha256
    settings = job.loop.model_dump(mode="json", exclude=set(_FREE))
    identity = json.dumps([data.sha256, start_hash, settings], sort_keys=True)
    trainer = Trainer(
        data.training,
        data.validation,
        job.loop,
        hashlib.sha256(identity.encode()).hexdigest(),
        start,
    )
    n = len(data.training) + len(data.validation)

    def report(epoch: int, entry: dict[str, Any], better: bool) -> None:
        train, validation = entry["train"], entry["validation"]
        log.info(
            "epoch %d/%d: loss %.4f, validation %.4f; F1 %.4f, validation %.4f%s; %.0f instances/s",
            epoch,
            job.loop.max_epochs,
            train["loss"],
            validation["loss"],
            train["f1"],
            validation["f1"],
            " (best)" if better else "",
            n / entry["seconds"],
        )

    return trainer.run(job.checkpoint, report)


def train_local(job: TrainingJob) -> None:
    """Train with ``training.workers`` processes on this machine."""
    if job.loop.workers == 1:
        train_here(job)
        return
    # an error in a process is raised here, with its traceback
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = f"file://{folder}/rendezvous"
        torch.multiprocessing.spawn(_spawned, (job, rendezvous), nprocs=job.loop.workers)


def _spawned(rank: int, job: TrainingJob, rendezvous: str) -> None:
    """Train as one of the processes of `train_local`."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // job.loop.workers))
    if rank == 0:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="[ocspark] %(message)s")
    _train_in_group(job, rendezvous, rank, job.loop.workers)


def train_launched(job: TrainingJob) -> None:
    """Train as one process of a launcher (torchrun, TorchDistributor), which sets RANK."""
    if os.environ["RANK"] == "0":
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="[ocspark] %(message)s")
    _train_in_group(job, "env://", int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def _train_in_group(job: TrainingJob, rendezvous: str, rank: int, world: int) -> None:
    """Join the process group at a URL, and train as the process `rank` of `world`."""
    on_gpu = job.loop.device != "cpu" and torch.cuda.is_available()
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=rendezvous,
        rank=rank,
        world_size=world,
        timeout=_TIMEOUT,
    )
    try:
        train_here(job)
    finally:
        dist.destroy_process_group()
