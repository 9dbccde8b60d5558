"""Compute membership probabilities of candidates by Monte Carlo sampling (paper §3.4).

Every star gets the same bits whatever other stars are in its batch, and in whatever order: random
numbers are keyed by star, and a row of the compiled network does not depend on other rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocspark.deepsets.model import TrainedModel
from ocspark.membership.adaptive import jeffreys_interval
from ocspark.membership.judging import SampleJudge, Sampling
from ocspark.membership.sampling import replace_unusable_errors
from ocspark.selection.model import ClusterModel
from ocspark.tables.stars import CalibratedStars

if TYPE_CHECKING:
    from ocspark.deepsets.device import DeviceNetwork
    from ocspark.deepsets.kernel import Kernel

#: Samples drawn at once: they take some 10 MB per thread, whatever the number of stars.
_AT_ONCE = 6400
#: The same on a GPU, which is fast only with more work at once: some 1 GB of its memory.
_AT_ONCE_ON_DEVICE = 65_536
#: With adaptive sampling, which judges few samples, so many times more stars are drawn at once.
_STARS_PER_SAMPLE_JUDGED = 16
#: Most samples of a star that are drawn at once.
_SAMPLES_AT_ONCE = 1000


@dataclass(frozen=True)
class Membership:
    """Results of the candidates of a cluster, arrays of shape (n,).

    Attributes
    ----------
    probability : float64
        Fraction of all samples called member, including those with certain votes.
    p_low, p_high : float64
        Ends of the interval from `ocspark.membership.adaptive.jeffreys_interval`.
    mean_logit : float64
        Mean over the samples of (member logit − non-member logit), interpolated where the network
        judged only some; NaN without samples.
    n_samples : int32
        Samples that the network judged; 0 for a star that lacks a position, proper motion,
        parallax or magnitude, which is no member.
    errors_mended : bool
        Whether errors or correlations were unusable and have been replaced.
    """

    probability: NDArray[np.float64]
    p_low: NDArray[np.float64]
    p_high: NDArray[np.float64]
    mean_logit: NDArray[np.float64]
    n_samples: NDArray[np.int32]
    errors_mended: NDArray[np.bool_]


class Engine:
    """Evaluate the candidates of any cluster with a network.

    Parameters
    ----------
    model : TrainedModel
        The network and its conventions.
    sampling : Sampling
        How stars are sampled.
    device : str, optional
        A torch device such as ``cuda:0``; None for the compiled network on the processor.
    threads : int
        Number of threads among which a cluster's stars are divided.
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
        # torch and LLVM are large: a worker loads the one that it uses, when it evaluates first
        if self._device is None:
            from ocspark.deepsets.kernel import Kernel

            return Kernel(self._model.state, self._model.width)
        from ocspark.deepsets.device import DeviceNetwork

        return DeviceNetwork(self._model.state, self._device)

    def membership(self, stars: CalibratedStars, cluster: ClusterModel) -> Membership:
        """Return the membership of the candidates of one cluster.

        Parameters
        ----------
        stars : CalibratedStars
            Candidates with errors and the three astrometric correlations.
        cluster : ClusterModel
            The cluster, with at least two support members.
        """
        good, mended, usable = replace_unusable_errors(stars)
        n, n_samples = len(mended), self._sampling.n_samples
        votes, judged = np.zeros((2, n), np.int64)
        total = np.zeros(n)
        place = self._own_place(good, cluster)
        with ThreadPoolExecutor(self._threads) as pool:
            for own in (False, True):  # stars that leave nothing out, then those that do
                rows = np.flatnonzero(usable & ((place >= 0) == own))
                if not len(rows):
                    continue
                judge = SampleJudge(self._network, self._model, self._sampling, cluster, own)
                count = judge.count_until_certain if self._sampling.adaptive else judge.count
                for begin in range(0, n_samples, _SAMPLES_AT_ONCE):
                    samples = np.arange(begin, min(begin + _SAMPLES_AT_ONCE, n_samples))
                    parts = self._parts(rows, len(samples))
                    some = [good.take(part) for part in parts]
                    counts = pool.map(
                        partial(count, samples=samples), some, [place[part] for part in parts]
                    )
                    for part, (members, margins, seen) in zip(parts, counts, strict=True):
                        votes[part] += members
                        total[part] += margins
                        judged[part] += seen
        low, high = jeffreys_interval(votes, np.where(usable, n_samples, 0))
        probability = votes / n_samples
        mean = np.where(usable, total / n_samples, np.nan)
        return Membership(probability, low, high, mean, judged.astype(np.int32), mended)

    def _parts(self, rows: NDArray[np.int64], n_samples: int) -> list[NDArray[np.int64]]:
        most = _AT_ONCE if self._device is None else _AT_ONCE_ON_DEVICE
        if self._sampling.adaptive:
            most *= _STARS_PER_SAMPLE_JUDGED
        turns = -(-len(rows) // (max(1, most // n_samples) * self._threads))
        return np.array_split(rows, min(turns * self._threads, len(rows)))

    def _own_place(self, stars: CalibratedStars, cluster: ClusterModel) -> NDArray[np.int64]:
        """Return the index of each star among the support members, or −1 if it is none."""
        place = np.searchsorted(cluster.support_id, stars["source_id"])
        place = np.minimum(place, len(cluster.support_id) - 1)
        own = cluster.support_id[place] == stars["source_id"]
        return np.where(own & self._sampling.leave_one_out, place, -1)
