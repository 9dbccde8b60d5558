"""Certain members of a cluster that has no list: two Gaussians in parallax and proper motion.

Sanders (1971, A&A 14, 226) did so for proper motions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

SPACE = ("parallax", "pmra", "pmdec")
#: Stars fainter than this [mag] are left out: their errors are as large as clusters are apart.
MAX_G = 17.0
#: Fewest stars that a mixture is fitted to.
MIN_STARS = 30
#: How far stars lie from the mean at most, in dispersions: as far as they are searched for.
_REACH = 10.0
#: The cluster's Gaussian lies within this many dispersions of the values given, or is another's.
MAX_OFFSET = 3.0


def mixture_members(
    stars: Mapping[str, NDArray],
    mean: Sequence[float],
    dispersion: Sequence[float],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return source_id and probability of stars in the cluster's Gaussian beside the field's.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
        Stars around the cluster, sorted by source_id: `SPACE` and phot_g_mean_mag.
    mean, dispersion : sequence of 3 floats
        The cluster's parallax [mas], pmra and pmdec [mas/yr], from which the fit starts.

    Returns
    -------
    source_id : array of int64, shape (m,)
    probability : array, shape (m,)
        Both empty if there are too few stars, or no group narrower than the field near the mean.
    """
    bright = np.flatnonzero(stars["phot_g_mean_mag"] < MAX_G)
    nobody = np.empty(0, np.int64), np.empty(0)
    if len(bright) < MIN_STARS:
        return nobody
    values = np.column_stack([stars[name][bright] for name in SPACE])
    points = (values - np.array(mean)) / np.array(dispersion)
    # a sky with hardly any field would have the cluster split in two: some stars are spread evenly
    spread = np.random.default_rng(0).uniform(-_REACH, _REACH, (10 + len(points) // 20, 3))
    sample = np.concatenate([points, spread])
    field = np.cov(sample.T)
    fit = GaussianMixture(
        n_components=2,
        weights_init=[0.3, 0.7],
        means_init=[np.zeros(3), np.median(sample, axis=0)],
        precisions_init=[4.0 * np.eye(3), np.linalg.inv(field)],
        max_iter=300,
        random_state=0,
    ).fit(sample)
    own, other = (np.linalg.det(covariance) for covariance in fit.covariances_)
    if own >= other or np.linalg.norm(fit.means_[0]) > MAX_OFFSET:
        return nobody
    probability = fit.predict_proba(points)[:, 0]
    return np.asarray(stars["source_id"])[bright], probability
