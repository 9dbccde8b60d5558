"""The network by torch on a GPU, with the interface of `ocspark.deepsets.kernel`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import elu, linear


@dataclass(frozen=True)
class PreparedDevice:
    """A cluster's three features and its support members on the device."""

    cluster: Tensor
    support: Tensor


class DeviceNetwork:
    """The network of one model on a torch device.

    Its logits agree with the compiled network's to 1e-4; float32 throughout, no TF32.

    Parameters
    ----------
    state : mapping of arrays
        Parameters by their names in the published state dict.
    device : str
        Such as ``cuda:0``.
    """

    def __init__(self, state: Mapping[str, NDArray[np.float32]], device: str) -> None:
        self._device = torch.device(device)
        self._state = {name: self._put(value) for name, value in state.items()}

    def _put(self, values: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def prepare(
        self, cluster: NDArray[np.float32], support: NDArray[np.float32], size: int
    ) -> PreparedDevice:
        """Return a cluster (3,) and its support members (m, 5), standardised, on the device."""
        return PreparedDevice(self._put(cluster), self._put(support))

    def logits(
        self, star: NDArray[np.float32], chosen: NDArray[np.int32], prepared: PreparedDevice
    ) -> NDArray[np.float32]:
        """Return logits, shape (n, 2), of stars (n, 5) with their support sets (n, size)."""
        with torch.inference_mode():
            stars = torch.cat((self._put(star), prepared.cluster.expand(len(star), 3)), dim=1)
            support = prepared.support[self._put(chosen).long()]
            return np.asarray(self._forward(stars, support).cpu().numpy())

    def _forward(self, star: Tensor, support: Tensor) -> Tensor:
        state = self._state
        gamma, lam = (state[f"phi.0.{name}.weight"] for name in ("Gamma", "Lambda"))
        # the star is the same in every set element, so its share of layer 1 is computed once
        own = linear(star, gamma[:, :8] - lam[:, :8], state["phi.0.Gamma.bias"])
        common = own - linear(support.mean(dim=1), lam[:, 8:])
        x = elu(linear(support, gamma[:, 8:]) + common[:, None, :])
        for i in (2, 4, 6, 8):
            gamma, lam = (state[f"phi.{i}.{name}.weight"] for name in ("Gamma", "Lambda"))
            common = state[f"phi.{i}.Gamma.bias"] - linear(x.mean(dim=1), lam)
            x = elu(linear(x, gamma).add_(common[:, None, :]), inplace=True)
        hidden = elu(linear(x.mean(dim=1), state["ro.1.weight"], state["ro.1.bias"]))
        return linear(hidden, state["ro.4.weight"], state["ro.4.bias"])
