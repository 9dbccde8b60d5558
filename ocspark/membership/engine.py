"""Compute membership probabilities of candidates by Monte Carlo sampling (paper §3.4).

Every star gets the same bits whatever other stars are in its batch, and in whatever order: random
numbers are keyed by star, and a row of the compiled network does not depend on other rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ocspark.deepsets.model import TrainedModel
from ocspark.keyed import normals, star_keys, subsets
from ocspark.membership.adaptive import (
    checkpoints,
    find_certain,
    jeffreys_interval,
    judging_orders,
    sum_of_others,
)
from ocspark.membership.sampling import (
    distance_in_astrometry,
    replace_unusable_errors,
    sample_astrometry,
    sample_measurements,
    sampled_features,
)
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
class Sampling:
    """Settings of the Monte Carlo sampling (method §10).

    Attributes
    ----------
    n_samples : int
        Samples of each star.
    support_size : int
        Members in a support set.
    seed : int
        Seed of all draws.
    leave_one_out : bool
        Whether a support member is left out of its own support sets.
    adaptive : bool
        Whether samples with certain votes are not judged (`ocspark.membership.adaptive`).
    colour_covariance : bool
        Whether G and the colour are drawn with the noise that they share.
    """

    n_samples: int
    support_size: int
    seed: int
    leave_one_out: bool
    adaptive: bool = False
    colour_covariance: bool = False


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
                judge = _Judge(self._network, self._model, self._sampling, cluster, own)
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


class _Judge:
    """Judge samples of one cluster's stars.

    All stars are support members that leave themselves out (`own`), or none is.
    """

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
        self, stars: CalibratedStars, place: NDArray[np.int64], samples: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Judge all samples of some stars.

        Parameters
        ----------
        stars : CalibratedStars
            Stars to judge.
        place : array, shape (n,)
            Index of each among the support members, −1 for none.
        samples : array, shape (s,)
            Numbers of the samples.

        Returns
        -------
        votes, total, judged : arrays, shape (n,)
            Samples called member, the sum of member minus non-member logits over all samples, and
            the number of samples that the network judged.
        """
        margins = self._margins(stars, place, samples)
        votes, total = (margins > 0).sum(axis=1), margins.astype(np.float64).sum(axis=1)
        return votes, total, np.full(len(votes), len(samples))

    def count_until_certain(
        self, stars: CalibratedStars, place: NDArray[np.int64], samples: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Judge samples until the votes of all are certain; arguments and result as in `count`.

        See `ocspark.membership.adaptive`. For a star of which all samples are judged the result
        equals that of `count` bit for bit, whatever other stars there are.
        """
        n, s = len(place), len(samples)
        ends = checkpoints(s)
        if len(ends) == 1:
            return self.count(stars, place, samples)
        drawn = sample_astrometry(stars, normals(self._keys(stars), samples, 3))
        distance = distance_in_astrometry(drawn, self._cluster, self._model.source_std)
        ranked = np.argsort(distance, axis=1, kind="stable")
        from_far, from_near = (ranked[:, ranks] for ranks in judging_orders(s))
        margins = np.zeros((n, s), np.float32)  # in the order in which samples are judged

        def judge(rows: NDArray[np.int64], begin: int, end: int) -> None:
            own = samples[order[rows, begin:end]]
            margins[rows, begin:end] = self._margins(stars.take(rows), place[rows], own)

        live, order = np.arange(n), from_far
        judge(live, 0, 1)
        member = margins[:, :1] > 0
        order = np.where(member, from_near, from_far)
        sign = np.where(member, np.float32(-1), np.float32(1))
        judged, others = np.full(n, s), np.zeros(n)
        for begin, end in pairwise((1, *ends)):
            judge(live, begin, end)
            if end == s:
                break
            certain, never = find_certain(margins[live, :end] * sign[live], s)
            done = live[certain]
            judged[done], others[done] = end, sum_of_others(margins[done, :end], s)
            judge(live[never], end, s)
            live = live[~(certain | never)]
        votes = (margins > 0).sum(axis=1) + np.where(member[:, 0], s - judged, 0)
        by_sample = np.empty_like(margins)  # so that sums equal those of `count` bit for bit
        np.put_along_axis(by_sample, order, margins, axis=1)
        return votes, by_sample.astype(np.float64).sum(axis=1) + others, judged

    def _keys(self, stars: CalibratedStars) -> NDArray[np.uint64]:
        return star_keys(self._sampling.seed, self._cluster.cluster_key, stars["source_id"])

    def _margins(
        self, stars: CalibratedStars, place: NDArray[np.int64], samples: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return member minus non-member logits of samples, shape (n, s).

        `samples` has the shape (s,), or (n, s) if each star has its own.
        """
        keys, shape = self._keys(stars), (len(place), samples.shape[-1])
        if not all(shape):
            return np.empty(shape, np.float32)
        drawn = sample_measurements(
            stars, normals(keys, samples, 5), self._sampling.colour_covariance
        )
        features = sampled_features(stars, drawn, self._cluster)
        star = self._model.standardise(features, self._cluster.distance)
        chosen = subsets(keys, samples, self._available, self._size)
        if self._own:
            chosen += chosen >= place[:, None, None]
        logits = self._network.logits(
            star.reshape(-1, 5), chosen.reshape(-1, self._size), self._prepared
        )
        return np.asarray((logits[:, 1] - logits[:, 0]).reshape(shape))
