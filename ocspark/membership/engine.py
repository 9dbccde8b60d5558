"""The Monte Carlo engine: candidates, a cluster and a network give probabilities (paper §3.4).

No Spark here. Results are the same bits whatever the batch, order or neighbours of a star: draws
are keyed, and a row of the compiled network does not depend on its neighbours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocspark.deepsets.device import DeviceNetwork
from ocspark.deepsets.kernel import Kernel
from ocspark.deepsets.weights import TrainedModel
from ocspark.membership.adaptive import decided, interval, looks
from ocspark.membership.keyed import normals, star_keys, subsets
from ocspark.membership.sampling import draw, mend, sampled_features
from ocspark.selection.calibrate import Stars
from ocspark.selection.model import ClusterModel

#: Evaluations drawn at once: some 10 MB a thread beside the stars, whatever the batch.
_AT_ONCE = 6400
#: The same on a GPU, which wants more work at a time: some 1 GB of its memory.
_AT_ONCE_ON_DEVICE = 65_536


@dataclass(frozen=True)
class Sampling:
    """The Monte Carlo settings (method §10)."""

    n_samples: int
    support_size: int
    seed: int
    leave_one_out: bool
    adaptive: bool = False
    colour_covariance: bool = False


@dataclass(frozen=True)
class Membership:
    """Result per candidate, each shape (n,).

    Attributes
    ----------
    probability : float64
        Fraction of the samples called member.
    p_low, p_high : float64
        Interval of the probability, see `ocspark.membership.adaptive.interval`.
    mean_logit : float64
        Mean over the samples of (member logit − non-member logit); NaN without samples.
    n_samples : int32
        0 for a star whose place, motion, parallax or photometry is not a number: it is no member.
    errors_mended : bool
        Whether errors or correlations could not be drawn from as they are.
    """

    probability: NDArray[np.float64]
    p_low: NDArray[np.float64]
    p_high: NDArray[np.float64]
    mean_logit: NDArray[np.float64]
    n_samples: NDArray[np.int32]
    errors_mended: NDArray[np.bool_]


class Engine:
    """A network ready to judge the candidates of any cluster.

    Parameters
    ----------
    model : TrainedModel
    sampling : Sampling
    device : str, optional
        A torch device such as ``cuda:0``; None for the compiled network on the processor.
    threads : int
        Threads among which a cluster's stars are shared out.
    """

    def __init__(
        self,
        model: TrainedModel,
        sampling: Sampling,
        device: str | None = None,
        threads: int = 1,
    ) -> None:
        self._model = model
        self._sampling = sampling
        self._device = device
        self._threads = threads

    @cached_property
    def _network(self) -> Kernel | DeviceNetwork:
        if self._device is None:
            return Kernel(self._model.state, self._model.width)
        return DeviceNetwork(self._model.state, self._device)

    def membership(self, stars: Stars, cluster: ClusterModel) -> Membership:
        """Return the membership of calibrated candidates of one cluster.

        Parameters
        ----------
        stars : mapping of arrays, shape (n,)
            Calibrated candidates with errors and the three astrometric correlations.
        cluster : ClusterModel
            With at least two support members.
        """
        good, mended, usable = mend(stars)
        n = len(mended)
        votes, drawn, total = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
        place = self._own_place(good, cluster)
        with ThreadPoolExecutor(self._threads) as pool:
            for own in (False, True):  # stars without and with themselves among the support
                rows = np.flatnonzero(usable & ((place >= 0) == own))
                if not len(rows):
                    continue
                judge = _Judge(self._network, self._model, self._sampling, cluster, own)
                begin = 0
                for end in looks(self._sampling.n_samples, self._sampling.adaptive):
                    if not len(rows):
                        break
                    parts = self._parts(rows, end - begin)
                    some = [{k: v[part] for k, v in good.items()} for part in parts]
                    counts = pool.map(
                        partial(judge.count, samples=np.arange(begin, end)),
                        some,
                        [place[part] for part in parts],
                    )
                    for part, (members, margins) in zip(parts, counts, strict=True):
                        votes[part] += members
                        total[part] += margins
                    drawn[rows] = begin = end
                    if self._sampling.adaptive:
                        rows = rows[~decided(votes[rows], end)]
        low, high = interval(votes, drawn)
        probability = np.divide(votes, drawn, out=np.zeros(n), where=usable)
        mean = np.divide(total, drawn, out=np.full(n, np.nan), where=usable)
        return Membership(probability, low, high, mean, drawn.astype(np.int32), mended)

    def _parts(self, rows: NDArray[np.int64], n_samples: int) -> list[NDArray[np.int64]]:
        most = _AT_ONCE if self._device is None else _AT_ONCE_ON_DEVICE
        turns = -(-len(rows) // (max(1, most // n_samples) * self._threads))
        return np.array_split(rows, min(turns * self._threads, len(rows)))

    def _own_place(self, stars: Stars, cluster: ClusterModel) -> NDArray[np.int64]:
        """Return each star's index among the support members it must leave out, or −1."""
        place = np.searchsorted(cluster.support_id, stars["source_id"])
        place = np.minimum(place, len(cluster.support_id) - 1)
        own = cluster.support_id[place] == stars["source_id"]
        return np.where(own & self._sampling.leave_one_out, place, -1)


class _Judge:
    """The network prepared for a cluster, for stars that leave themselves out or need not."""

    def __init__(
        self,
        network: Kernel | DeviceNetwork,
        model: TrainedModel,
        sampling: Sampling,
        cluster: ClusterModel,
        own: bool,
    ) -> None:
        self._network: Any = network
        self._model, self._sampling, self._cluster, self._own = model, sampling, cluster, own
        self._available = len(cluster.support_id) - own
        self._size = min(sampling.support_size, self._available)
        self._prepared = self._network.prepare(
            model.standardise_cluster(cluster.a0, cluster.log_age, cluster.parallax),
            model.standardise(cluster.support_features, cluster.distance),
            self._size,
        )

    def count(
        self, stars: Stars, place: NDArray[np.int64], samples: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return votes and the sum of member minus non-member logits over samples, shape (n,)."""
        keys = star_keys(self._sampling.seed, self._cluster.cluster_key, stars["source_id"])
        drawn = draw(stars, normals(keys, samples, 5), self._sampling.colour_covariance)
        features = sampled_features(stars, drawn, self._cluster)
        star = self._model.standardise(features, self._cluster.distance)
        chosen = subsets(keys, samples, self._available, self._size)
        if self._own:
            chosen += chosen >= place[:, None, None]
        logits = self._network.logits(
            star.reshape(-1, 5), chosen.reshape(-1, self._size), self._prepared
        )
        margin = (logits[:, 1] - logits[:, 0]).reshape(len(keys), len(samples))
        return (margin > 0).sum(axis=1), margin.astype(np.float64).sum(axis=1)
