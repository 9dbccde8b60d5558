"""The network as one compiled function, its bits fixed by the code and not by the processor.

LLVM (llvmlite) compiles it for the processor at hand; no C compiler is needed. The order of every
sum is written down and each product is a fused multiply-add (IEEE 754), so results are the same
bits whatever the vector width, batch or neighbours. ELU's exponential is a polynomial fused into
the matrix products; it errs by less than 4.3e-8 absolutely (torch's by 6.0e-8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.deepsets.program import LAYERS, STAR, compiled, scratch_size, weight_shapes

#: Widths are padded with zeros to a multiple of this, whole tiles of the longest vectors.
_WIDTH_MULTIPLE = 32
_GAMMA_LAMBDA = ("Gamma", "Lambda")


@dataclass(frozen=True)
class Prepared:
    """The network for one cluster.

    Attributes
    ----------
    weights : array of float32
        All weights in the order the function reads them; the cluster's share of layer 1 is in
        its bias.
    table : array of float32, shape (members, 2 × width)
        Contribution of each support member to layer 1: to its own row, and to all rows by the mean.
    size : int
        Size of the support sets.
    """

    weights: NDArray[np.float32]
    table: NDArray[np.float32]
    size: int


class Kernel:
    """The compiled network of one model.

    Parameters
    ----------
    state : mapping of arrays
        Parameters by their names in the published state dict.
    width : int
        Hidden width.
    """

    def __init__(self, state: Mapping[str, NDArray[np.float32]], width: int) -> None:
        self._state = state
        self._width = -(-width // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE

    def prepare(
        self, cluster: NDArray[np.float32], support: NDArray[np.float32], size: int
    ) -> Prepared:
        """Return the network for a cluster.

        Parameters
        ----------
        cluster : array, shape (3,)
            Standardised cluster features.
        support : array, shape (m, 5)
            Standardised features of the support members.
        size : int
            Size of the support sets.
        """
        width, state = self._width, self._state
        gamma, lam = (state[f"phi.0.{name}.weight"].astype(np.float64) for name in _GAMMA_LAMBDA)
        common = gamma - lam  # on what is the same in every set element
        parts = {
            "bias": state["phi.0.Gamma.bias"] + _product(cluster[None], common[:, 5:8])[0],
            "star": common[:, :5].T,
            "head": state["ro.1.weight"].T / size,  # of the sum over the set, not the mean
            "head_bias": state["ro.1.bias"],
            "out": state["ro.4.weight"].T,
            "out_bias": state["ro.4.bias"],
        }
        for i in range(1, LAYERS):
            own, mean = (state[f"phi.{2 * i}.{name}.weight"].T for name in _GAMMA_LAMBDA)
            parts |= {f"gamma{i}": own, f"lambda{i}": mean / -size}
            parts[f"bias{i}"] = state[f"phi.{2 * i}.Gamma.bias"]
        shapes = weight_shapes(width)
        weights = [_padded(parts[name], shape).ravel() for name, shape in shapes.items()]
        shares = (_product(support, gamma[:, 8:]), _product(support, lam[:, 8:]) / -size)
        table = [_padded(share, (len(support), width)) for share in shares]
        return Prepared(np.concatenate(weights), np.concatenate(table, axis=1), size)

    def logits(
        self, star: NDArray[np.float32], chosen: NDArray[np.int32], prepared: Prepared
    ) -> NDArray[np.float32]:
        """Evaluate the network.

        Parameters
        ----------
        star : array, shape (n, 5)
            Standardised features of the star.
        chosen : array, shape (n, size)
            Its support set: rows of the support members given to `prepare`.
        prepared : Prepared

        Returns
        -------
        array, shape (n, 2)
            Logits; class 1 is "member".
        """
        n, size, width = len(star), prepared.size, self._width
        out = np.empty((n, 2), np.float32)
        if n == 0:
            return out
        if chosen.shape != (n, size) or star.shape != (n, STAR):
            raise ValueError(f"shapes {star.shape}, {chosen.shape}; expected (n, 5), (n, {size})")
        if chosen.min() < 0 or chosen.max() >= len(prepared.table):
            raise ValueError("a support set holds a member that there is not")
        arrays = [
            np.ascontiguousarray(star, np.float32),
            np.ascontiguousarray(chosen, np.int32),
            prepared.table,
            prepared.weights,
            np.zeros(scratch_size(width, size), np.float32),
            out,
        ]
        program = compiled(width, size)
        program.call(n, *(array.ctypes.data for array in arrays))
        return out


def _product(x: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x Wᵀ, summed in a fixed order: a library's would change the bits."""
    total = np.zeros((len(x), len(weights)))
    for i in range(x.shape[1]):
        total += x[:, i : i + 1].astype(np.float64) * weights[:, i]
    return total


def _padded(values: NDArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    out = np.zeros(shape, np.float32)
    out[tuple(slice(0, n) for n in values.shape)] = values
    return out
