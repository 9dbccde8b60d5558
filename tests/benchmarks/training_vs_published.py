"""Training instances a second, F1 and time to reach it, against the published trainer.

Both train on the same set, made from a mock by the training set job, with a validation pass after
every epoch; a speed is training and validation instances over the seconds of whole epochs. The
baseline is `step` of gaia_oc_amd as it comes, with its DataLoader, loss, clipping and optimiser at
its batch size, on one thread or torch's own number, whichever is faster; progress bars are off.
Two races:

- speed: ours with a worker per core, compiled where there is a C++ compiler, bfloat16 products;
- F1 and time: ours as conf/training.yaml has it, nothing compiled, as many threads as the
  baseline, against the published learning rate for `_SECONDS` (it rises so slowly that its early
  stop would take long) and, as an extra, against the published trainer at our learning rate.
"""

from __future__ import annotations

import dataclasses
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
from ocspark.deepsets.training_settings import (
    LoopSettings,
    TrainingSettings,
    load_training_settings,
)
from ocspark.mock.generate import MockParameters, make_mock
from ocspark.runs.training_set import make_training_set
from ocspark.settings import validate_tree
from tests.benchmarks.measure import RUNS, WARM_UPS, Comparison, spark_session

_PARAMETERS = MockParameters(sources=300_000, clusters=24, seed=7)
#: Seconds of training that the published trainer gets in the race for F1.
_SECONDS = 30.0
_PUBLISHED_RATE = 1e-6
_EPOCHS = 20
_WHAT = "gaia_oc_amd trainer, batch 32"


def run() -> dict[str, Comparison]:
    """Train on one set, each trainer in turn."""
    with TemporaryDirectory() as folder:
        path = f"{folder}/set"
        with spark_session() as spark:
            make_mock(spark, f"{folder}/mock", _PARAMETERS)
            make_training_set(_settings(f"{folder}/mock"), path, spark)
        data = load_training_set(path)
        plain = load_training_settings().training.model_copy(
            update={"device": "cpu", "max_epochs": _EPOCHS, "patience": _EPOCHS}
        )
        threads = _fastest_threads(data)
        theirs = _published(data, _PUBLISHED_RATE, WARM_UPS + RUNS, _SECONDS, threads)
        same_rate = _published(data, plain.learning_rate, 3, 0.0, threads)
        default = _ours(path, plain, f"{folder}/plain.pt")
        options = {**_fast_options(), "max_epochs": WARM_UPS + RUNS}
        fast = _ours(path, plain.model_copy(update=options), f"{folder}/fast.pt")
    n = len(data.training) + len(data.validation)
    best, own, best_same = (max(f1 for f1, _ in race) for race in (theirs, default, same_rate))
    spent = f"{len(theirs)} epochs in {_total(theirs):.0f} s"
    about = f"{_WHAT}, learning rate {_PUBLISHED_RATE:g}, {spent}"
    return {
        "training_vs_published": Comparison(
            _speed(fast, n),
            "instances/s",
            _WHAT,
            _speed(theirs, n),
            {
                "options": _fast_options(),
                "cores": _cores(),
                "baseline_threads": threads,
                "without_options": _speed(default, n),
                "instances": n,
            },
        ),
        "training_f1_vs_published": Comparison(
            own,
            "validation F1",
            about,
            best,
            {
                "seconds": _total(default),
                "baseline_at_our_rate": {"f1": best_same, "seconds": _total(same_rate)},
            },
        ),
        "training_time_vs_published": Comparison(
            _rate_to(default, best),
            "1/s to the baseline's F1",
            about,
            _rate_to(theirs, best),
            {
                "seconds_to_f1_at_our_rate": {
                    "f1": best_same,
                    "ours": _time_to(default, best_same),
                    "baseline": _time_to(same_rate, best_same),
                }
            },
        ),
    }


def _settings(mock: str) -> TrainingSettings:
    tree = {
        "mirror": {"path": f"{mock}/mirror"},
        "clusters": {"path": f"{mock}/clusters.parquet"},
        "members": {"path": f"{mock}/members.parquet"},
        "isochrones": {"path": f"{mock}/isochrones"},
        "instances": {"min_listed": 40},  # so small a mock has few richer clusters
    }
    return validate_tree(TrainingSettings, tree, "benchmark")


def _cores() -> int:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return own or 1


def _fast_options() -> dict[str, Any]:
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        return {"workers": _cores()}
    return {"workers": _cores(), "compile": True, "precision": "bfloat16"}


#: Validation F1 and seconds of every epoch.
_Epochs = list[tuple[float, float]]


def _speed(epochs: _Epochs, n: int) -> float:
    """Return instances a second: the median of five epochs after three."""
    return n / statistics.median(s for _, s in epochs[WARM_UPS : WARM_UPS + RUNS])


def _total(epochs: _Epochs) -> float:
    return sum(seconds for _, seconds in epochs)


def _time_to(epochs: _Epochs, f1: float) -> float | None:
    """Return seconds until a validation F1 is reached; None where it never is."""
    for i, (reached, _) in enumerate(epochs):
        if reached >= f1:
            return _total(epochs[: i + 1])
    return None


def _rate_to(epochs: _Epochs, f1: float) -> float:
    seconds = _time_to(epochs, f1)
    return 0.0 if seconds is None else 1 / seconds


def _ours(path: str, loop: LoopSettings, checkpoint: str) -> _Epochs:
    start = time.perf_counter()
    train_local(TrainingJob(path, loop, checkpoint))
    history = read_progress(checkpoint).history
    epochs = [(entry["validation"]["f1"], entry["seconds"]) for entry in history]
    # what is not in an epoch (starting processes, reading the set) counts in the race too
    outside = time.perf_counter() - start - _total(epochs)
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


def _fastest_threads(data: LoadedSet) -> int:
    """Return the number of threads with which the published trainer is faster now."""
    default = torch.get_num_threads()
    some = dataclasses.replace(data, training=data.training.only(torch.arange(2000)))
    return min(
        (1, default), key=lambda threads: _total(_published(some, _PUBLISHED_RATE, 1, 0.0, threads))
    )


def _published(
    data: LoadedSet, rate: float, least_epochs: int, least_seconds: float, threads: int
) -> _Epochs:
    training, network = _published_modules()
    torch.manual_seed(42)
    parts = [
        DataLoader(_Pairs(part), batch_size=32, shuffle=True)
        for part in (data.training, data.validation)
    ]
    model = network.D5(64, x_dim=13, pool="mean", out_dim=2)
    criterion = torch.nn.CrossEntropyLoss(weight=torch.FloatTensor([1, 5]), reduction="sum")
    optimiser = torch.optim.Adam([{"params": model.parameters()}], lr=rate, weight_decay=1e-5)
    torch.set_num_threads(threads)
    epochs: _Epochs = []
    while len(epochs) < least_epochs or _total(epochs) < least_seconds:
        start = time.perf_counter()
        training.step(parts[0], model, optimiser, criterion, len(epochs), "train")
        _, metrics = training.step(parts[1], model, optimiser, criterion, len(epochs), "val")
        epochs.append((float(metrics["f1"]), time.perf_counter() - start))
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
