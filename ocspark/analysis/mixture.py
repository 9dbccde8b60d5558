"""Find members of a cluster without a list by two Gaussians in parallax and proper motion.

Sanders (1971, A&A 14, 226) introduced the method for proper motions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

SPACE = ("parallax", "pmra", "pmdec")
#: Fainter stars are left out, since their errors are too large to separate clusters [mag].
MAX_G = 17.0
#: Least number of stars for a fit.
MIN_STARS = 30
#: Largest distance of stars from the mean in dispersions, as the search cuts.
_REACH = 10.0
#: Largest distance of the fitted cluster from the given mean, in dispersions.
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
        Stars around the cluster, sorted by source_id, with `SPACE` and phot_g_mean_mag.
    mean, dispersion : sequence of 3 floats
        Mean and dispersion of the cluster's parallax [mas], pmra and pmdec [mas/yr], from which
        the fit starts.

    Returns
    -------
    source_id : array of int64, shape (m,)
        The stars.
    probability : array, shape (m,)
        Probability of each of being a member.
        Both are empty if there are too few stars, or if near the mean there is no group that is
        narrower than the field.
    """
    bright = np.flatnonzero(stars["phot_g_mean_mag"] < MAX_G)
    nobody = np.empty(0, np.int64), np.empty(0)
    if len(bright) < MIN_STARS:
        return nobody
    values = np.column_stack([stars[name][bright] for name in SPACE])
    points = (values - np.array(mean)) / np.array(dispersion)
    # without enough field stars the fit would split the cluster, so some are added, evenly spread
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
