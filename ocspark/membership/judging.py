"""Judge samples of one cluster's stars with the network: all, or until votes are certain."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ocspark.deepsets.model import TrainedModel
from ocspark.keyed import normals, star_keys, subsets
from ocspark.membership.adaptive import checkpoints, find_certain, judging_orders, sum_of_others
from ocspark.membership.sampling import (
    distance_in_astrometry,
    sample_astrometry,
    sample_measurements,
    sampled_features,
)
from ocspark.selection.model import ClusterModel
from ocspark.tables.stars import CalibratedStars

if TYPE_CHECKING:
    from ocspark.deepsets.device import DeviceNetwork
    from ocspark.deepsets.kernel import Kernel


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


class SampleJudge:
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
