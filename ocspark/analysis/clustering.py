"""Find members by HDBSCAN on parallax and proper motion, as Tarricq et al. (2022) did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN

SPACE = ("parallax", "pmra", "pmdec")


@dataclass(frozen=True)
class Baseline:
    """Settings of the baseline.

    Attributes
    ----------
    max_g : float
        Stars fainter than this are left out, as T22 does [mag].
    min_cluster_size : int
        Least number of stars in a group, and the number of neighbours that defines a density.
    n_draws : int
        Number of draws of the astrometry from its errors. A star's probability is the fraction of
        draws in which it is in the cluster's group.
    max_stars : int
        Most stars clustered at once. HDBSCAN's time grows with the square of their number, and its
        memory linearly. Of a cone with more stars, those nearest to the cluster's mean in units of
        the sample's spread are taken.
    """

    max_g: float = 18.0
    min_cluster_size: int = 15
    n_draws: int = 10
    max_stars: int = 10_000


def cluster_members(
    stars: Mapping[str, NDArray],
    mean: tuple[float, float, float],
    seed: int,
    how: Baseline,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return source_id and probability of the members that HDBSCAN finds.

    The three dimensions are scaled by their robust spread. The cluster's group is the one whose
    median is nearest to the cluster's mean, at most twice the group's own spread away; positions on
    the sky are not used (T22). If there is no such group, half and a third of the smallest size are
    tried; if that fails, too, the draw has no members.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
        All kept stars of the cone, sorted by source_id, with `SPACE`, its errors and
        phot_g_mean_mag.
    mean : (float, float, float)
        The cluster's parallax [mas], pmra and pmdec [mas/yr].
    seed : int
        Seed of the draws: the cluster's key.
    how : Baseline
        Settings.

    Returns
    -------
    source_id : array of int64, shape (m,)
        The members.
    probability : array, shape (m,)
        Fraction of draws, above 0.
    """
    bright = np.flatnonzero(stars["phot_g_mean_mag"] < how.max_g)
    values = np.column_stack([stars[name][bright] for name in SPACE])
    errors = np.column_stack([stars[f"{name}_error"][bright] for name in SPACE])
    if len(values) < 2 * how.min_cluster_size:
        return np.empty(0, np.int64), np.empty(0)
    low, high = np.percentile(values, [16.0, 84.0], axis=0)
    scale = np.maximum(0.5 * (high - low), 1e-6)
    centre = np.asarray(mean)
    distance = np.linalg.norm((values - centre) / scale, axis=1)
    near = np.sort(np.argsort(distance, kind="stable")[: how.max_stars])
    values, errors, bright = values[near], errors[near], bright[near]
    rng = np.random.default_rng([seed % 2**64])
    votes = np.zeros(len(values))
    for draw in range(how.n_draws):
        # the first draw is the measurement, so that a single draw is plain HDBSCAN
        noise = rng.standard_normal(values.shape) * errors if draw else 0.0
        points = (values + noise - centre) / scale
        # a sparse cluster may be a group only with a smaller least size
        for part in (1, 2, 3):
            group = _in_group(points, max(2, how.min_cluster_size // part))
            if group.any():
                break
        votes += group
    found = votes > 0
    return stars["source_id"][bright[found]], votes[found] / how.n_draws


def _in_group(points: NDArray[np.float64], min_cluster_size: int) -> NDArray[np.bool_]:
    """Return which points are in the group around the origin; none if there is no such group."""
    found = HDBSCAN(
        min_cluster_size=min_cluster_size,
        cluster_selection_method="eom",
        algorithm="kd_tree",
        copy=True,
    ).fit(points)
    best, nearest = -1, np.inf
    for label in range(int(found.labels_.max()) + 1):
        group = points[found.labels_ == label]
        middle = np.median(group, axis=0)
        spread = np.linalg.norm(np.std(group, axis=0))
        away = float(np.linalg.norm(middle))
        if away < nearest and away <= 2.0 * spread:
            best, nearest = label, away
    return np.asarray(found.labels_ == best) if best >= 0 else np.zeros(len(points), dtype=bool)
