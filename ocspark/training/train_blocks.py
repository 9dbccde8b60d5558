"""Compute loss, counts and gradients of many instances, in blocks on the threads of a processor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from ocspark.deepsets.network import DeepSets
from ocspark.training.train_gradients import WIDTH_MULTIPLE, Gradients
from ocspark.training.train_network import dropout_masks, logits
from ocspark.training.training_set import TrainingSet
from ocspark.training.training_settings import LoopSettings

#: Instances in a block: on a CPU, whose cache then holds a block's activations, and on a GPU.
_BLOCK, _BLOCK_ON_GPU = 512, 32_768


class Blocks:
    """The network's loss and gradients over any number of instances.

    The result of a block does not depend on the thread that computes it, and blocks are added up in
    order, so that a run is the same on any number of threads.

    Parameters
    ----------
    network : DeepSets
        The network; the gradients of its parameters become views of `gradient`.
    loop : LoopSettings
        Settings of network and loop.

    Attributes
    ----------
    gradient : Tensor, shape (number of parameters,)
        Sum of the gradients of all instances evaluated since it was last set to zero.
    """

    def __init__(self, network: DeepSets, loop: LoopSettings) -> None:
        self._network, self._loop = network, loop
        self._device = next(network.parameters()).device
        self._class_weights = torch.tensor(loop.class_weights, device=self._device)
        named = dict(network.named_parameters())
        self._shapes = {name: parameter.shape for name, parameter in named.items()}
        self._sizes = [parameter.numel() for parameter in named.values()]
        self.gradient = self._empty().zero_()
        for name, part in self._parts(self.gradient).items():
            named[name].grad = part
        self._own = self._device.type == "cpu" and loop.width % WIDTH_MULTIPLE == 0
        self._block = _BLOCK if self._device.type == "cpu" else _BLOCK_ON_GPU
        self._pool = ThreadPoolExecutor(
            torch.get_num_threads() if self._own else 1, "block", torch.set_num_threads, (1,)
        )
        self._idle: SimpleQueue[Gradients] = SimpleQueue()

    def tally(self, data: TrainingSet, rows: Tensor, masks: torch.Generator | None) -> Tensor:
        """Evaluate instances; in training, add their gradients to `gradient`.

        Parameters
        ----------
        data : TrainingSet
            The instances.
        rows : Tensor
            Indices of the instances to evaluate.
        masks : Generator, optional
            Source of dropout masks; None to evaluate without dropout and gradients.

        Returns
        -------
        Tensor of float64, shape (5,)
            Sum of the weighted loss (Eq. 16); true and false positives, true and false negatives.
        """
        blocks = rows.split(self._block) if len(rows) else ()
        seeds: list[int | None] = [None] * len(blocks)
        if masks is not None:
            seeds = torch.randint(2**62, (len(blocks),), generator=masks).tolist()
        work = partial(self._written_out if self._own else self._by_autograd, data)
        total = torch.zeros(5, dtype=torch.float64, device=self._device)
        for tally, gradient in self._pool.map(work, blocks, seeds):
            total += tally
            if gradient is not None:
                self.gradient += gradient
        return total

    def _written_out(
        self, data: TrainingSet, rows: Tensor, seed: int | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return tally and gradient of a block by the compiled functions of `Gradients`."""
        worker = self._worker(data.support.shape[1])
        star, support, label = data.batch(rows)
        with torch.no_grad():
            out = worker.logits(star, support, self._masks(len(rows), seed))
            loss, error = self._loss(out, label)
            gradient = None
            if seed is not None:
                gradient = self._empty()
                worker.write(error, self._parts(gradient))
        self._idle.put(worker)
        return _tally(loss, out, label), gradient

    def _by_autograd(
        self, data: TrainingSet, rows: Tensor, seed: int | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return tally and gradient of a block by torch's autograd."""
        star, support, label = data.batch(rows)
        with torch.set_grad_enabled(seed is not None):
            out = logits(self._network, star, support, self._masks(len(rows), seed))
        loss, error = self._loss(out.detach(), label)
        gradient = None
        if seed is not None:
            parts = torch.autograd.grad(out, list(self._network.parameters()), error)
            gradient = torch.cat([part.reshape(-1) for part in parts])
        return _tally(loss, out.detach(), label), gradient

    def _worker(self, size: int) -> Gradients:
        """Return a `Gradients` that no other thread is using."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return Gradients(self._network, self._block, size)

    def _masks(self, n: int, seed: int | None) -> Tensor | None:
        if seed is None:
            return None
        generator = torch.Generator(self._device).manual_seed(seed)
        return dropout_masks(n, self._loop.width, self._loop.dropout, generator)

    def _loss(self, out: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed weighted cross-entropy (Eq. 16) and its gradient, shape (n, 2)."""
        weight, target = self._class_weights[label][:, None], label[:, None]
        logarithm = log_softmax(out, dim=1)
        loss = -(logarithm.gather(1, target) * weight).sum()
        error = logarithm.exp_().scatter_add_(1, target, torch.full_like(weight, -1.0))
        return loss, error.mul_(weight)

    def _empty(self) -> Tensor:
        return torch.empty(sum(self._sizes), device=self._device)

    def _parts(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the views of a flat tensor that belong to each parameter, by name."""
        parts = zip(self._shapes.items(), flat.split(self._sizes), strict=True)
        return {name: part.view(shape) for (name, shape), part in parts}


def _tally(loss: Tensor, out: Tensor, label: Tensor) -> Tensor:
    called, true = out[:, 1] > out[:, 0], label == 1
    counts = torch.stack((called & true, called & ~true, ~called & ~true, ~called & true))
    return torch.cat((loss.double()[None], counts.sum(dim=1).double()))
