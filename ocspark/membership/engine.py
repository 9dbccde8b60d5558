"""The Monte Carlo engine: candidates, a cluster and a network give probabilities (paper §3.4).

No Spark here. Results are the same bits whatever the batch, order or neighbours of a star: draws
are keyed, and the network sees blocks whose row counts are multiples of 64.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import elu, linear

from ocspark.deepsets.weights import TrainedModel
from ocspark.membership.keyed import normals, star_keys, subsets
from ocspark.selection.calibrate import Stars
from ocspark.selection.candidates import features, radius_pc
from ocspark.selection.model import ClusterModel

#: Network evaluations per full block: 256 × 10 × 64 float32 stay in a core's L2 cache.
BLOCK = 256
#: Row counts of partial blocks are multiples of this.
ROW_MULTIPLE = 64
#: Evaluations drawn at once, at least one star's; bounds memory whatever the batch.
_EVALUATIONS_AT_ONCE = 6400


@dataclass(frozen=True)
class Sampling:
    """The Monte Carlo settings (method §10)."""

    n_samples: int
    support_size: int
    seed: int
    leave_one_out: bool


@dataclass(frozen=True)
class Membership:
    """Result per candidate, each shape (n,).

    Attributes
    ----------
    probability : float64
        Fraction of the samples called member.
    mean_logit : float64
        Mean over the samples of (member logit − non-member logit).
    n_samples : int32
    """

    probability: NDArray[np.float64]
    mean_logit: NDArray[np.float64]
    n_samples: NDArray[np.int32]


class Engine:
    """A network ready to judge the candidates of any cluster.

    Parameters
    ----------
    model : TrainedModel
    sampling : Sampling
    """

    def __init__(self, model: TrainedModel, sampling: Sampling) -> None:
        self._model = model
        self._sampling = sampling

    @cached_property
    def _layers(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(Γ, b, Λ) of the five equivariant layers."""
        state = {name: torch.from_numpy(value) for name, value in self._model.state.items()}
        return [
            (
                state[f"phi.{2 * i}.Gamma.weight"],
                state[f"phi.{2 * i}.Gamma.bias"],
                state[f"phi.{2 * i}.Lambda.weight"],
            )
            for i in range(5)
        ]

    @cached_property
    def _head(self) -> list[Tensor]:
        names = ("ro.1.weight", "ro.1.bias", "ro.4.weight", "ro.4.bias")
        return [torch.from_numpy(self._model.state[name]) for name in names]

    def logits(
        self, star: NDArray[np.float32], support: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Evaluate the network.

        Parameters
        ----------
        star : array, shape (m, 8)
            Standardised features of the star (5) and the cluster (3).
        support : array, shape (m, k, 5)
            Standardised features of its support set.

        Returns
        -------
        array, shape (m, 2)
            Logits; class 1 is "member".
        """
        m, size = support.shape[:2]
        padded = -(-m // ROW_MULTIPLE) * ROW_MULTIPLE
        if padded != m:
            star = np.concatenate((star, np.zeros((padded - m, 8), np.float32)))
            support = np.concatenate((support, np.zeros((padded - m, size, 5), np.float32)))
        out = np.empty((padded, 2), np.float32)
        with torch.inference_mode(), _one_thread():
            for i in range(0, padded, BLOCK):
                stars, supports = (torch.from_numpy(a[i : i + BLOCK]) for a in (star, support))
                out[i : i + BLOCK] = self._block(stars, supports).numpy()
        return out[:m]

    def _block(self, star: Tensor, support: Tensor) -> Tensor:
        gamma, bias, lam = self._layers[0]
        # the star is the same in every set element, so its share of layer 1 is computed once
        own = linear(star, gamma[:, :8] - lam[:, :8], bias)
        common = own - linear(support.mean(dim=1), lam[:, 8:])
        x = elu(linear(support, gamma[:, 8:]) + common[:, None, :], inplace=True)
        for gamma, bias, lam in self._layers[1:]:
            common = bias - linear(x.mean(dim=1), lam)
            x = elu(linear(x, gamma).add_(common[:, None, :]), inplace=True)
        w1, b1, w2, b2 = self._head
        return linear(elu(linear(x.mean(dim=1), w1, b1)), w2, b2)

    def membership(self, stars: Stars, cluster: ClusterModel) -> Membership:
        """Return the membership of calibrated candidates of one cluster.

        Parameters
        ----------
        stars : mapping of arrays, shape (n,)
            Calibrated candidates with errors and the three astrometric correlations.
        cluster : ClusterModel
            With at least two support members.
        """
        n, n_samples = len(stars["source_id"]), self._sampling.n_samples
        votes, total = np.empty(n, np.int64), np.empty(n)
        support = self._model.standardise(cluster.support_features, cluster.distance)
        step = max(1, _EVALUATIONS_AT_ONCE // n_samples)
        for i in range(0, n, step):
            part = {k: v[i : i + step] for k, v in stars.items()}
            margin = self._margins(part, cluster, support)
            votes[i : i + step] = (margin > 0).sum(axis=1)
            total[i : i + step] = margin.astype(np.float64).sum(axis=1)
        return Membership(votes / n_samples, total / n_samples, np.full(n, n_samples, np.int32))

    def _margins(
        self, stars: Stars, cluster: ClusterModel, support: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return member minus non-member logit, shape (n, samples)."""
        samples = np.arange(self._sampling.n_samples, dtype=np.int64)
        keys = star_keys(self._sampling.seed, cluster.cluster_key, stars["source_id"])
        n, s = len(keys), len(samples)
        drawn = draw(stars, normals(keys, samples, 5))
        star = np.empty((n, s, 8), np.float32)
        star[..., :5] = self._model.standardise(
            sampled_features(stars, drawn, cluster), cluster.distance
        )
        star[..., 5:] = self._model.standardise_cluster(
            cluster.a0, cluster.log_age, cluster.parallax
        )
        place = self._own_place(stars, cluster)
        margin = np.empty((n, s), np.float32)
        for others in np.unique(place >= 0):  # rows with and without themselves in the support
            rows = np.flatnonzero((place >= 0) == others)
            chosen = self._support_sets(keys[rows], samples, len(support), place[rows])
            logits = self.logits(
                star[rows].reshape(-1, 8), support[chosen].reshape(-1, chosen.shape[-1], 5)
            )
            margin[rows] = (logits[:, 1] - logits[:, 0]).reshape(len(rows), s)
        return margin

    def _own_place(self, stars: Stars, cluster: ClusterModel) -> NDArray[np.int64]:
        """Return each star's index among the support members it must leave out, or −1."""
        place = np.searchsorted(cluster.support_id, stars["source_id"])
        place = np.minimum(place, len(cluster.support_id) - 1)
        own = cluster.support_id[place] == stars["source_id"]
        return np.where(own & self._sampling.leave_one_out, place, -1)

    def _support_sets(
        self,
        keys: NDArray[np.uint64],
        samples: NDArray[np.int64],
        n_support: int,
        place: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        left_out = bool(len(place)) and place[0] >= 0
        available = n_support - left_out
        chosen = subsets(keys, samples, available, min(self._sampling.support_size, available))
        if left_out:
            chosen += chosen >= place[:, None, None]
        return chosen


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: where its threads cut an array changes last bits of ELU."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def draw(stars: Stars, normal: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return sampled ϖ, pmra, pmdec, G and C of each star from its covariance.

    The three Gaia correlations join ϖ, pmra and pmdec; G and C are drawn on their own, as the
    paper's code does. Where the correlations are not positive definite the Cholesky factor is cut
    so that every quantity keeps its own error; nothing becomes NaN.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
    normal : array, shape (n, s, 5)
        Standard normal deviates.

    Returns
    -------
    dict of arrays, shape (n, s)
        parallax, pmra, pmdec, phot_g_mean_mag, g_rp.
    """
    c21, c31, c32 = (
        stars[name] for name in ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr")
    )
    # Cholesky factor of the 3×3 correlation matrix
    l22 = np.sqrt(np.maximum(1.0 - c21**2, 0.0))
    l32 = np.divide(c32 - c21 * c31, l22, out=np.zeros_like(l22), where=l22 > 0)
    rest = np.sqrt(np.maximum(1.0 - c31**2, 0.0))
    l32 = np.clip(l32, -rest, rest)
    l33 = np.sqrt(np.maximum(1.0 - c31**2 - l32**2, 0.0))
    z = np.moveaxis(normal, -1, 0)
    scatter = {
        "parallax": z[0],
        "pmra": c21[:, None] * z[0] + l22[:, None] * z[1],
        "pmdec": c31[:, None] * z[0] + l32[:, None] * z[1] + l33[:, None] * z[2],
        "phot_g_mean_mag": z[3],
        "g_rp": z[4],
    }
    return {
        name: stars[name][:, None] + stars[f"{name}_error"][:, None] * deviate
        for name, deviate in scatter.items()
    }


def sampled_features(
    stars: Stars, drawn: dict[str, NDArray[np.float64]], cluster: ClusterModel
) -> NDArray[np.float64]:
    """Return the five features of every sample, shape (n, s, 5); f_R stays the star's own."""
    shape = drawn["parallax"].shape
    flat = {name: value.reshape(-1) for name, value in drawn.items()}
    radius = np.repeat(radius_pc(stars, cluster), shape[1])
    return features(flat, cluster, radius).reshape(*shape, 5)
