"""Train a network (paper §3.3, method §9) in one process or several, with exact resume.

Every batch is divided among the processes and gradients are summed over them. The result depends
on settings, training set and number of processes alone. Orders and dropout are drawn per epoch from
(seed, epoch), so that a run resumed from a checkpoint ends in the same bits.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ocspark import storage
from ocspark.deepsets.network import DeepSets
from ocspark.errors import InputError
from ocspark.training.train_blocks import Blocks
from ocspark.training.train_metrics import metrics
from ocspark.training.training_set import TrainingSet
from ocspark.training.training_settings import LoopSettings

_CHECKPOINT = ("identity", "network", "optimiser", "history", "best_epoch", "best")
#: Parameters of a network by name.
State = dict[str, Tensor]
#: A function called after every epoch with the epoch's number (from 1), its entry of the history,
#: and whether its validation F1 is the best so far.
Report = Callable[[int, dict[str, dict[str, float]], bool], None]


@dataclass
class TrainingProgress:
    """The state of a training run.

    Attributes
    ----------
    history : list of dict
        For each epoch, ``train`` and ``validation`` with ``loss`` (mean per instance) and
        `METRICS`, and ``seconds``.
    best_epoch : int
        Epoch (from 1) with the highest validation F1; 0 before the first.
    best : dict of Tensor
        Weights of that epoch.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best: State = field(default_factory=dict)

    @property
    def best_f1(self) -> float:
        """Validation F1 of the best epoch."""
        return self.history[self.best_epoch - 1]["validation"]["f1"] if self.best_epoch else -1.0

    def finished(self, loop: LoopSettings) -> bool:
        """Return whether the last epoch is done, or F1 has not risen for `patience` epochs."""
        done = len(self.history)
        return done >= loop.max_epochs or done - self.best_epoch >= loop.patience


class Trainer:
    """The part of a training run that one process does.

    Parameters
    ----------
    training, validation : TrainingSet
        Both parts of the set, whole in every process.
    loop : LoopSettings
        Settings of network and loop.
    identity : str
        Fingerprint of set and settings; a checkpoint with another one is refused.
    start : dict of Tensor, optional
        Initial weights, random by default.
    """

    def __init__(
        self,
        training: TrainingSet,
        validation: TrainingSet,
        loop: LoopSettings,
        identity: str,
        start: State | None = None,
    ) -> None:
        self._rank, self._world = _place()
        self._device = choose_device(loop.device, self._rank)
        self._sets = {"train": training.to(self._device), "validation": validation.to(self._device)}
        self._loop, self._identity = loop, f"{identity}-{self._world}"
        torch.manual_seed(loop.seed)
        self.network = DeepSets(width=loop.width).to(self._device)
        if start is not None:
            self.network.load_state_dict(start)
        # dropout is applied by masks, so the module's train or eval mode does not matter
        self._optimiser = torch.optim.Adam(
            self.network.parameters(),
            lr=loop.learning_rate,
            weight_decay=loop.weight_decay,
            fused=True,  # one pass over the parameters instead of many small operations
        )
        self._blocks = Blocks(self.network, loop)
        self.progress = TrainingProgress()

    def run(self, checkpoint: str | None = None, report: Report | None = None) -> TrainingProgress:
        """Train to the last epoch or early stop, starting from the checkpoint if there is one.

        Parameters
        ----------
        checkpoint : str, optional
            File that the first process replaces after every epoch.
        report : callable, optional
            See `Report`; called by the first process.
        """
        if checkpoint is not None and storage.is_file(checkpoint):
            self._resume(checkpoint)
        while not self.progress.finished(self._loop):
            better = self.epoch()
            if self._rank == 0:
                if checkpoint is not None:
                    self._save(checkpoint)
                if report is not None:
                    report(len(self.progress.history), self.progress.history[-1], better)
        return self.progress

    def epoch(self) -> bool:
        """Train for one more epoch; return whether its validation F1 is the best so far."""
        epoch, started = len(self.progress.history), time.monotonic()
        with _one_thread():
            entry: dict[str, Any] = {
                "train": self._train(epoch),
                "validation": self.evaluate("validation"),
            }
        entry["seconds"] = time.monotonic() - started
        better = entry["validation"]["f1"] > self.progress.best_f1
        self.progress.history.append(entry)
        if better:
            self.progress.best_epoch = epoch + 1
            self.progress.best = {
                name: value.detach().cpu().clone()
                for name, value in self.network.state_dict().items()
            }
        return better

    def _train(self, epoch: int) -> dict[str, float]:
        """Optimise for one epoch; return loss and metrics, measured along the way with dropout."""
        data, loop = self._sets["train"], self._loop
        order = torch.randperm(len(data), generator=self._generator(epoch, 0))
        order = order.to(self._device)
        masks = self._generator(epoch, 1 + self._rank)
        tally = torch.zeros(5, dtype=torch.float64, device=self._device)
        for i in range(0, len(order), loop.batch_size):
            self._blocks.gradient.zero_()
            batch = order[i : i + loop.batch_size]
            tally += self._blocks.tally(data, batch[self._rank :: self._world], masks)
            if self._world > 1:
                dist.all_reduce(self._blocks.gradient)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), loop.max_gradient_norm)
            self._optimiser.step()
        return self._summary(tally, len(data))

    def evaluate(self, part: str) -> dict[str, float]:
        """Return loss and metrics of the part ``train`` or ``validation``, without dropout."""
        data = self._sets[part]
        rows = torch.arange(self._rank, len(data), self._world, device=self._device)
        return self._summary(self._blocks.tally(data, rows, None), len(data))

    def _summary(self, tally: Tensor, n: int) -> dict[str, float]:
        """Return mean loss and metrics over all processes."""
        if self._world > 1:
            dist.all_reduce(tally)
        loss, tp, fp, tn, fn = tally.tolist()
        return {"loss": loss / n, **metrics(int(tp), int(fp), int(tn), int(fn))}

    def _generator(self, epoch: int, stream: int) -> torch.Generator:
        # distinct seeds for distinct epochs and streams: there are fewer than 4099 streams
        seed = (self._loop.seed * 1_000_003 + epoch) * 4099 + stream
        return torch.Generator().manual_seed(seed % 2**63)

    def _save(self, path: str) -> None:
        buffer = io.BytesIO()
        torch.save(
            {
                "identity": self._identity,
                "network": self.network.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "history": self.progress.history,
                "best_epoch": self.progress.best_epoch,
                "best": self.progress.best,
            },
            buffer,
        )
        storage.write_file(path, buffer.getvalue())

    def _resume(self, path: str) -> None:
        saved = _read_checkpoint(path)
        if saved["identity"] != self._identity:
            raise InputError(
                f"{path}: is a checkpoint of another training set, other settings or another "
                "number of workers; expected another output folder"
            )
        self.network.load_state_dict(saved["network"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self.progress = TrainingProgress(saved["history"], saved["best_epoch"], saved["best"])


def read_progress(path: str) -> TrainingProgress:
    """Return the progress of the run that wrote a checkpoint."""
    saved = _read_checkpoint(path)
    return TrainingProgress(saved["history"], saved["best_epoch"], saved["best"])


def _read_checkpoint(path: str) -> dict[str, Any]:
    try:
        saved = torch.load(
            io.BytesIO(storage.read_bytes(path)), map_location="cpu", weights_only=True
        )
        return {name: saved[name] for name in _CHECKPOINT}
    except Exception as error:  # torch raises many kinds of errors for other files
        raise InputError(f"{path}: is not a checkpoint of a training run: {error!r}") from None


def choose_device(wanted: str, rank: int) -> torch.device:
    """Return the device of a process.

    Parameters
    ----------
    wanted : str
        ``cpu``, ``cuda`` or ``auto``, which is a GPU if there is one.
    rank : int
        Number of the process; processes take the GPUs in turn.

    Raises
    ------
    InputError
        If ``cuda`` is wanted and there is no GPU.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device: cuda, but there is no GPU; expected auto or cpu")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", rank % torch.cuda.device_count())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread, so that the cores are free for the threads of `Blocks`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _place() -> tuple[int, int]:
    """Return this process's rank and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
