"""Training instances a second, F1 and time to reach it, against the published trainer.

Both train on the same set, made from a mock by the training set job, with a validation pass after
every epoch. The baseline is `step` of gaia_oc_amd as it comes, with its DataLoader, loss, clipping
and optimiser at its batch size and learning rate, and its early stopping; progress bars are off.
Ours: a worker per core, compiled, bfloat16 products, batch size and learning rate of
conf/training.yaml. Compilation is before the first epoch's end and counts in the race, not in the
speed, which is that of whole epochs (training and validation instances over seconds).
"""

from __future__ import annotations

import importlib
import os
import shutil
import statistics
import sys
import time
from importlib.util import find_spec, module_from_spec
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ocspark.deepsets.train import read_progress
from ocspark.deepsets.train_workers import TrainingJob, train_local
from ocspark.deepsets.training_set import LoadedSet, TrainingSet, load_training_set
from ocspark.deepsets.training_settings import LoopSettings, TrainingSettings
from ocspark.mock.generate import MockParameters, make_mock
from ocspark.runs.training_set import make_training_set
from ocspark.settings import validate_tree
from tests.benchmarks.measure import RUNS, WARM_UPS, Comparison, spark_session

_PARAMETERS = MockParameters(sources=300_000, clusters=32, seed=42)
_MAX_EPOCHS, _PATIENCE = 200, 20
_WHAT = "gaia_oc_amd trainer, batch 32, learning rate 1e-6"


def run() -> dict[str, Comparison]:
    """Race on one set; the baseline goes first and until its own early stop."""
    with TemporaryDirectory() as folder:
        path = f"{folder}/set"
        with spark_session() as spark:
            make_mock(spark, f"{folder}/mock", _PARAMETERS)
            make_training_set(_settings(f"{folder}/mock"), path, spark)
        data = load_training_set(path)
        theirs = _published(data)
        ours = _ours(path, folder)
    n = len(data.training) + len(data.validation)
    best, own = (max(f1 for f1, _ in epochs) for epochs in (theirs, ours))
    return {
        "training_vs_published": Comparison(
            _speed(ours, n), "instances/s", f"{_WHAT}", _speed(theirs, n)
        ),
        "training_f1_vs_published": Comparison(own, "validation F1", f"{_WHAT}, best epoch", best),
        "training_time_vs_published": Comparison(
            1 / _time_to(ours, best),
            "1/s to the baseline's best F1",
            _WHAT,
            1 / _time_to(theirs, best),
        ),
    }


def _settings(mock: str) -> TrainingSettings:
    tree = {
        "mirror": {"path": f"{mock}/mirror"},
        "clusters": {"path": f"{mock}/clusters.parquet"},
        "members": {"path": f"{mock}/members.parquet"},
        "isochrones": {"path": f"{mock}/isochrones"},
        "instances": {"min_listed": 40},
    }
    return validate_tree(TrainingSettings, tree, "benchmark")


#: Validation F1 and seconds of every epoch.
_Epochs = list[tuple[float, float]]


def _speed(epochs: _Epochs, n: int) -> float:
    """Return instances a second: the median of five epochs after three."""
    return n / statistics.median(s for _, s in epochs[WARM_UPS : WARM_UPS + RUNS])


def _time_to(epochs: _Epochs, f1: float) -> float:
    """Return seconds until a validation F1 is reached; infinite where it never is."""
    total = 0.0
    for reached, seconds in epochs:
        total += seconds
        if reached >= f1:
            return total
    return float("inf")


def _ours(path: str, folder: str) -> _Epochs:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    compiled = any(shutil.which(name) for name in ("c++", "g++", "clang++"))
    loop = LoopSettings(
        device="cpu",
        workers=cores or 1,
        compile=compiled,
        precision="bfloat16" if compiled else "float32",
        max_epochs=40,
        patience=40,
    )
    start = time.perf_counter()
    train_local(TrainingJob(path, loop, f"{folder}/checkpoint.pt"))
    history = read_progress(f"{folder}/checkpoint.pt").history
    epochs = [(entry["validation"]["f1"], entry["seconds"]) for entry in history]
    # what is not in an epoch (starting processes, reading the set) counts in the race too
    outside = time.perf_counter() - start - sum(s for _, s in epochs)
    return [(epochs[0][0], epochs[0][1] + outside), *epochs[1:]]


class _Pairs(Dataset):
    """The published list of (input, label) pairs, handed out as the published data set does."""

    def __init__(self, part: TrainingSet) -> None:
        star, support, label = part.batch(torch.arange(len(part)))
        tiled = star[:, None, :].expand(-1, support.shape[1], -1)
        inputs = torch.cat((tiled, support), dim=2).double().numpy()
        self.dataset = [(x, [1 - int(y), int(y)]) for x, y in zip(inputs, label, strict=True)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = self.dataset[item]
        return torch.FloatTensor(x), torch.FloatTensor(y)


def _published(data: LoadedSet) -> _Epochs:
    training, network = _published_modules()
    torch.manual_seed(42)
    parts = [
        DataLoader(_Pairs(part), batch_size=32, shuffle=True)
        for part in (data.training, data.validation)
    ]
    model = network.D5(64, x_dim=13, pool="mean", out_dim=2)
    criterion = torch.nn.CrossEntropyLoss(weight=torch.FloatTensor([1, 5]), reduction="sum")
    optimiser = torch.optim.Adam([{"params": model.parameters()}], lr=1e-6, weight_decay=1e-5)
    epochs: _Epochs = []
    best = 0
    while len(epochs) < _MAX_EPOCHS and len(epochs) - best < _PATIENCE:
        start = time.perf_counter()
        training.step(parts[0], model, optimiser, criterion, len(epochs), "train")
        _, metrics = training.step(parts[1], model, optimiser, criterion, len(epochs), "val")
        epochs.append((float(metrics["f1"]), time.perf_counter() - start))
        if epochs[-1][0] > max((f1 for f1, _ in epochs[:-1]), default=0.0):
            best = len(epochs)
    return epochs


class _NoBar:
    def __init__(self, *_: Any, **__: Any) -> None: ...

    def update(self) -> None: ...

    def set_postfix(self, _: Any) -> None: ...


def _published_modules() -> tuple[ModuleType, ModuleType]:
    spec = find_spec("gaia_oc_amd")
    assert spec is not None
    sys.modules["gaia_oc_amd"] = module_from_spec(spec)  # not run: its __init__ asks for astroquery
    training = importlib.import_module("gaia_oc_amd.machine_learning.training")
    training.tqdm = _NoBar
    network = importlib.import_module("gaia_oc_amd.machine_learning.deepsets_zaheer")
    return training, network
