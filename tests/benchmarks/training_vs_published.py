"""Training instances a second, F1 and time to reach it, against the published trainer.

Both train on the same set, made from a mock by the training set job: its members are the true ones
to G = 21, so that faint ones scatter among non-members and no trainer reaches an F1 of 1. The
baseline is `step` of gaia_oc_amd as it comes, with its DataLoader, loss, clipping and optimiser at
its batch size, on one thread or torch's own number, whichever is faster; progress bars are off.
Ours is what conf/training.yaml says. Three comparisons:

- speed: training and validation instances a second, whole epochs in turn;
- processor time: the same over the processor time of all threads, for a machine that is not quiet;
- F1 and time: ours from scratch against the published learning rate, which gets `_SECONDS` (it
  rises so slowly that its early stop would take most of an hour), and against the published
  trainer at our learning rate.
"""

from __future__ import annotations

import dataclasses
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader, Dataset

from ocspark.mock.generate import write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.settings import validate_tree
from ocspark.training.make_training_set import make_training_set
from ocspark.training.train import Trainer
from ocspark.training.training_set import LoadedSet, TrainingSet, load_training_set
from ocspark.training.training_settings import (
    LoopSettings,
    TrainingSettings,
    load_training_settings,
)
from tests.benchmarks.measure import RUNS, WARM_UPS, Comparison, spark_session

_PARAMETERS = MockParameters(sources=300_000, clusters=40, seed=7)
#: Seconds of training that the published trainer gets in the race for F1.
_SECONDS = 60.0
_PUBLISHED_RATE = 1e-6
_EPOCHS = 10
_WHAT = "gaia_oc_amd trainer, batch 32"

#: Does an epoch, training and validation; returns the validation F1.
_Epoch = Callable[[], float]
#: Validation F1, seconds and seconds of processor time of each epoch.
_Epochs = list[tuple[float, float, float]]


def run() -> dict[str, Comparison]:
    """Train on one set, each trainer in turn."""
    with TemporaryDirectory() as folder:
        with spark_session() as spark:
            write_mock(spark, f"{folder}/mock", _PARAMETERS)
            _list_true_members(f"{folder}/mock")
            make_training_set(_settings(f"{folder}/mock"), f"{folder}/set", spark)
        data = load_training_set(f"{folder}/set")
    loop = load_training_settings().training.model_copy(update={"device": "cpu"})
    n = len(data.training) + len(data.validation)
    threads = _fastest_threads(data)
    return _speeds(data, loop, threads, n) | _races(data, loop, threads)


def _speeds(data: LoadedSet, loop: LoopSettings, threads: int, n: int) -> dict[str, Comparison]:
    epochs = (_ours(data, loop), _published(data, _PUBLISHED_RATE, threads))
    rounds = [[_timed(epoch) for epoch in epochs] for _ in range(WARM_UPS + RUNS)][WARM_UPS:]
    ours, theirs = (
        [n / statistics.median(r[i][clock] for r in rounds) for clock in (1, 2)] for i in (0, 1)
    )
    extra = {"instances": n, "threads": torch.get_num_threads(), "baseline_threads": threads}
    return {
        "training_vs_published": Comparison(ours[0], "instances/s", _WHAT, theirs[0], extra),
        "training_cpu_vs_published": Comparison(
            ours[1], "instances/s of processor time", _WHAT, theirs[1]
        ),
    }


def _races(data: LoadedSet, loop: LoopSettings, threads: int) -> dict[str, Comparison]:
    ours = _train(_ours(data, loop), _EPOCHS)
    theirs = _train(_published(data, _PUBLISHED_RATE, threads), 1, _SECONDS)
    same_rate = _train(_published(data, loop.learning_rate, threads), 1, _SECONDS)
    own, best, best_same = (max(f1 for f1, *_ in race) for race in (ours, theirs, same_rate))
    about = f"{_WHAT}, learning rate {_PUBLISHED_RATE:g}, {len(theirs)} epochs"
    races = {"ours": ours, "baseline": same_rate}
    reached = {"f1": best_same, **{who: _until(race, best_same) for who, race in races.items()}}
    return {
        "training_f1_vs_published": Comparison(
            own,
            "validation F1",
            about,
            best,
            {
                "batch_size": loop.batch_size,
                "learning_rate": loop.learning_rate,
                "seconds": sum(seconds for _, seconds, _ in ours),
                "baseline_seconds": sum(seconds for _, seconds, _ in theirs),
            },
        ),
        "training_time_vs_published": Comparison(
            _rate(_until(ours, best)),
            "1/s to the baseline's F1",
            about,
            _rate(_until(theirs, best)),
            {"seconds_to_f1_at_our_rate": reached},
        ),
    }


def _list_true_members(mock: str) -> None:
    """Write the mock's true members as a list."""
    truth = pq.read_table(f"{mock}/truth.parquet").select(["cluster", "source_id"])
    certain = pa.array(np.ones(len(truth)))
    pq.write_table(truth.append_column("probability", certain), f"{mock}/listed.parquet")


def _settings(mock: str) -> TrainingSettings:
    tree = {
        "mirror": {"path": f"{mock}/mirror"},
        "clusters": {"path": f"{mock}/clusters.parquet"},
        "members": {"path": f"{mock}/listed.parquet"},
        "isochrones": {"path": f"{mock}/isochrones"},
        "instances": {"min_listed": 40},  # so small a mock has few richer clusters
    }
    return validate_tree(TrainingSettings, tree, "benchmark")


def _timed(epoch: _Epoch) -> tuple[float, float, float]:
    """Return validation F1, seconds and seconds of processor time of an epoch."""
    start, used = time.perf_counter(), time.process_time()
    f1 = epoch()
    return f1, time.perf_counter() - start, time.process_time() - used


def _train(epoch: _Epoch, least_epochs: int, least_seconds: float = 0.0) -> _Epochs:
    epochs: _Epochs = []
    while len(epochs) < least_epochs or sum(s for _, s, _ in epochs) < least_seconds:
        epochs.append(_timed(epoch))
    return epochs


def _until(epochs: _Epochs, f1: float) -> float | None:
    """Return seconds until a validation F1 is reached; None where it never is."""
    for i, (reached, *_) in enumerate(epochs):
        if reached >= f1:
            return float(sum(seconds for _, seconds, _ in epochs[: i + 1]))
    return None


def _rate(seconds: float | None) -> float:
    return 0.0 if seconds is None else 1 / seconds


def _ours(data: LoadedSet, loop: LoopSettings) -> _Epoch:
    trainer = Trainer(data.training, data.validation, loop, "benchmark")

    def epoch() -> float:
        trainer.epoch()
        return float(trainer.progress.history[-1]["validation"]["f1"])

    return epoch


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
    some = dataclasses.replace(data, training=data.training.only(torch.arange(2000)))

    def seconds(threads: int) -> float:
        return _timed(_published(some, _PUBLISHED_RATE, threads))[1]

    return min((1, torch.get_num_threads()), key=seconds)


def _published(data: LoadedSet, rate: float, threads: int) -> _Epoch:
    training, network = _published_modules()
    torch.manual_seed(42)
    parts = [
        DataLoader(_Pairs(part), batch_size=32, shuffle=True)
        for part in (data.training, data.validation)
    ]
    model = network.D5(64, x_dim=13, pool="mean", out_dim=2)
    criterion = torch.nn.CrossEntropyLoss(weight=torch.FloatTensor([1, 5]), reduction="sum")
    optimiser = torch.optim.Adam([{"params": model.parameters()}], lr=rate, weight_decay=1e-5)

    def epoch() -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        training.step(parts[0], model, optimiser, criterion, 0, "train")
        _, metrics = training.step(parts[1], model, optimiser, criterion, 0, "val")
        torch.set_num_threads(before)
        return float(metrics["f1"])

    return epoch


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
