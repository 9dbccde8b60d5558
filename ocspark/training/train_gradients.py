"""Compute the network's logits and gradients on a CPU, with explicit formulas.

This takes half the time of autograd: the activations of a block stay in cache, and everything
between two matrix products is one pass over them (`ocspark.training.train_program`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ocspark.deepsets.network import DeepSets
from ocspark.training.train_program import passes

#: Hidden widths must be multiples of this, so that they fill the vectors of any processor.
WIDTH_MULTIPLE = 16
#: Layers of φ after the first, by their names in the network.
_LAYERS = ("phi.2", "phi.4", "phi.6", "phi.8")


class Gradients:
    """Logits and gradients of blocks of instances, with working space for one thread.

    Parameters
    ----------
    network : DeepSets
        The network, on the CPU; its parameters may be changed in place only.
    rows : int
        Largest number of instances in a block.
    size : int
        Size of a support set.
    """

    def __init__(self, network: DeepSets, rows: int, size: int) -> None:
        self._p = {name: p.detach() for name, p in network.named_parameters()}
        width = len(self._p["ro.1.bias"])
        self._size, self._passes = size, passes(width, size)
        self._x = [torch.empty(rows * size, width) for _ in range(5)]
        self._mean = [torch.empty(rows, width) for _ in range(5)]
        self._gradient = [torch.empty(rows * size, width) for _ in range(2)]
        self._total = torch.empty(rows, width)

    def logits(self, star: Tensor, support: Tensor, masks: Tensor | None) -> Tensor:
        """Return the same as `train_network.logits`, and keep what `write` needs."""
        p, n, k = self._p, len(star), self._size
        gamma, lam = p["phi.0.Gamma.weight"], p["phi.0.Lambda.weight"]
        flat, centre = support.view(n * k, 5), support.mean(dim=1)
        common = torch.addmm(p["phi.0.Gamma.bias"], star, (gamma[:, :8] - lam[:, :8]).t())
        common.addmm_(centre, lam[:, 8:].t(), alpha=-1)
        x = torch.mm(flat, gamma[:, 8:].t(), out=self._x[0][: n * k])
        self._pass("forward", n, x, common, self._mean[0])
        for i, layer in enumerate(_LAYERS, 1):
            mean = self._mean[i - 1][:n]
            common = torch.addmm(
                p[f"{layer}.Gamma.bias"], mean, p[f"{layer}.Lambda.weight"].t(), alpha=-1
            )
            x = torch.mm(x, p[f"{layer}.Gamma.weight"].t(), out=self._x[i][: n * k])
            self._pass("forward", n, x, common, self._mean[i])
        pooled = self._mean[4][:n]
        if masks is not None:
            pooled = pooled * masks[0]
        hidden = torch.nn.functional.elu(torch.addmm(p["ro.1.bias"], pooled, p["ro.1.weight"].t()))
        kept = hidden if masks is None else hidden * masks[1]
        self._inputs = (star, flat, centre, pooled, hidden, kept, masks)
        return torch.addmm(p["ro.4.bias"], kept, p["ro.4.weight"].t())

    def write(self, error: Tensor, out: dict[str, Tensor]) -> None:
        """Write the gradients of the parameters.

        Parameters
        ----------
        error : Tensor, shape (n, 2)
            Gradient of the loss with respect to the logits that `logits` returned last.
        out : dict of Tensor
            Gets the gradient of each parameter, by name.
        """
        p, n, k = self._p, len(error), self._size
        star, flat, centre, pooled, hidden, kept, masks = self._inputs

        def linear(layer: str, change: Tensor, x: Tensor) -> Tensor:
            torch.mm(change.t(), x, out=out[f"{layer}.weight"])
            torch.sum(change, dim=0, out=out[f"{layer}.bias"])
            return change @ p[f"{layer}.weight"]

        change = linear("ro.4", error, kept)
        change *= torch.where(hidden > 0, 1.0, hidden + 1.0)
        if masks is not None:
            change *= masks[1]
        change = linear("ro.1", change, pooled)
        if masks is not None:
            change *= masks[0]
        shared, total = change.div_(k), self._total[:n]
        rows, spare = (g[: n * k] for g in self._gradient)
        self._pass("backward_last", n, rows, self._x[4], shared, total)
        for i in (4, 3, 2, 1):
            layer = _LAYERS[i - 1]
            torch.mm(rows.t(), self._x[i - 1][: n * k], out=out[f"{layer}.Gamma.weight"])
            self._means(out, layer, total, self._mean[i - 1][:n])
            shared = (total @ p[f"{layer}.Lambda.weight"]).div_(-k)
            torch.mm(rows, p[f"{layer}.Gamma.weight"], out=spare)
            rows, spare = spare, rows
            self._pass("backward", n, rows, self._x[i - 1], shared, total)
        self._means(out, "phi.0", total, torch.cat((star, centre), dim=1))
        # the star is the same in every element of the set, so it is its own mean
        own = out["phi.0.Lambda.weight"][:, :8].neg()
        torch.cat((own, (flat.t() @ rows).t()), dim=1, out=out["phi.0.Gamma.weight"])

    def _means(self, out: dict[str, Tensor], layer: str, total: Tensor, mean: Tensor) -> None:
        torch.mm(total.t(), mean, out=out[f"{layer}.Lambda.weight"]).neg_()
        torch.sum(total, dim=0, out=out[f"{layer}.Gamma.bias"])

    def _pass(self, name: str, n: int, *arrays: Tensor) -> None:
        getattr(self._passes, name)(n, *(array.data_ptr() for array in arrays))
