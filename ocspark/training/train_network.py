"""Evaluate the network of `ocspark.deepsets.network` in training, with given dropout masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import elu, linear

from ocspark.deepsets.network import DeepSets


def logits(network: DeepSets, star: Tensor, support: Tensor, masks: Tensor | None) -> Tensor:
    """Return the logits of `DeepSets.forward`, with the star repeated for each support member.

    Parameters
    ----------
    network : DeepSets
        The network.
    star : Tensor, shape (b, 8)
        Standardised features of star and cluster.
    support : Tensor, shape (b, k, 5)
        Standardised features of the support sets.
    masks : Tensor, shape (2, b, width), optional
        Factors of the two dropout layers, 0 or 1/(1 − rate); no dropout by default.

    Returns
    -------
    Tensor, shape (b, 2)
    """
    p = dict(network.named_parameters())
    gamma, lam = p["phi.0.Gamma.weight"], p["phi.0.Lambda.weight"]
    # the star is the same in every element of the set, so its part of layer 1 is computed once
    own = linear(star, gamma[:, :8] - lam[:, :8], p["phi.0.Gamma.bias"])
    common = own - linear(support.mean(dim=1), lam[:, 8:])
    x = elu(linear(support, gamma[:, 8:]) + common[:, None, :])
    for layer in ("phi.2", "phi.4", "phi.6", "phi.8"):
        common = p[f"{layer}.Gamma.bias"] - linear(x.mean(dim=1), p[f"{layer}.Lambda.weight"])
        x = elu(linear(x, p[f"{layer}.Gamma.weight"]) + common[:, None, :])
    pooled = x.mean(dim=1)
    if masks is not None:
        pooled = pooled * masks[0]
    hidden = elu(linear(pooled, p["ro.1.weight"], p["ro.1.bias"]))
    if masks is not None:
        hidden = hidden * masks[1]
    return linear(hidden, p["ro.4.weight"], p["ro.4.bias"])


def dropout_masks(n: int, width: int, rate: float, generator: torch.Generator) -> Tensor:
    """Draw the factors of the two dropout layers, shape (2, n, width)."""
    kept = torch.rand((2, n, width), generator=generator, device=generator.device) >= rate
    return kept.to(torch.float32) / (1.0 - rate)
