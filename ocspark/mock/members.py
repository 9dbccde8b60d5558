"""Imitate the literature on a planted cluster: a member list, and a row of a cluster table.

The list resembles those of Cantat-Gaudin et al. (2018, 2020): G < 18, probabilities in steps of
0.1, mostly the core. The row has observed means and dispersions of the listed members with
p >= 0.7.
"""

from __future__ import annotations

import numpy as np

from ocspark.mock import frame
from ocspark.mock.clusters import LIST_LIMIT, MockCluster
from ocspark.mock.frame import Array, Columns

#: Limits of the list's certain members: distance from the centre, in half-number radii and in
#: standard deviations.
CORE_RADII, CORE_SIGMAS = 2.2, 3.0
#: Share of the core's members that get a low probability at random.
DOUBTED = 0.1
#: Least probability of the members that the row of the cluster table is computed from.
ROW_PROBABILITY = 0.7
#: Scatter of literature values about the truth: log age [dex], A0 [mag], ln distance.
LOG_AGE_SCATTER, A0_SCATTER, DISTANCE_SCATTER = 0.03, 0.03, 0.02


def list_probabilities(
    cluster: MockCluster,
    true: Columns,
    observed: Columns,
    rng: np.random.Generator,
) -> Array:
    """Return each star's probability in the member list, 0 for stars not in it.

    Parameters
    ----------
    cluster : MockCluster
        The cluster.
    true : dict of arrays, shape (n,)
        See `ocspark.mock.clusters.draw_stars`.
    observed : dict of arrays, shape (n,)
        The same stars as observed.
    rng : Generator
        Source of the random numbers.

    Returns
    -------
    array, shape (n,)
    """
    ra, dec, distance = frame.sky_position(cluster.xyz_pc)
    pmra, pmdec = frame.proper_motion(ra, dec, distance, cluster.velocity_kms)
    projected = np.radians(_separation_deg(observed["ra"], observed["dec"], ra, dec)) * distance
    spread_pm = cluster.dispersion_kms * 1000.0 / (frame.AU_PER_YEAR_KMS * distance)
    half_pc = cluster.profile.half_pc
    spread_parallax = 1000.0 * half_pc / distance**2
    bright = true["is_member"] & (observed["phot_g_mean_mag"] < LIST_LIMIT)
    # the observed median: authors of lists do not subtract the parallax zero point
    parallax = np.nan_to_num(np.nanmedian(np.where(bright, observed["parallax"], np.nan)))
    deviations = [
        projected / (CORE_RADII * half_pc) * CORE_SIGMAS,
        _scaled(observed["pmra"], pmra, observed["pmra_error"], spread_pm),
        _scaled(observed["pmdec"], pmdec, observed["pmdec_error"], spread_pm),
        _scaled(observed["parallax"], parallax, observed["parallax_error"], spread_parallax),
    ]
    worst = np.max(np.stack(deviations), axis=0) / CORE_SIGMAS
    complete = ~np.isnan(worst + observed["phot_bp_mean_mag"] + observed["phot_rp_mean_mag"])
    doubt, step = rng.random(len(worst)), rng.integers(1, 10, len(worst))
    edge = np.clip(np.ceil(10.0 * (2.0 - np.nan_to_num(worst, nan=9.0))), 0, 9)
    probability = np.where((worst < 1.0) & (doubt > DOUBTED), 10, np.minimum(edge, step))
    # authors of lists use the photometry too: interlopers are never certain members
    probability = np.where(true["is_member"], probability, np.minimum(probability, 1 + step // 3))
    listed = complete & (observed["phot_g_mean_mag"] < LIST_LIMIT)
    return np.where(listed, probability, 0) / 10.0


def catalogue_row(
    cluster: MockCluster,
    observed: Columns,
    probability: Array,
    rng: np.random.Generator,
) -> dict[str, object]:
    """Return the cluster's row of the cluster table, in canonical columns and units.

    Parameters
    ----------
    cluster : MockCluster
        The cluster.
    observed : dict of arrays, shape (n,)
        Its observed stars.
    probability : array, shape (n,)
        Their probabilities in the member list.
    rng : Generator
        Source of the random numbers.
    """
    chosen = probability >= ROW_PROBABILITY
    if np.count_nonzero(chosen) < 3:
        chosen = ~np.isnan(observed["parallax"].astype(float))
    directions = frame.galactic_xyz(observed["ra"][chosen], observed["dec"][chosen], np.array(1.0))
    ra, dec, _ = frame.sky_position(directions.mean(axis=0))
    row: dict[str, object] = {"cluster": cluster.name, "ra": float(ra), "dec": float(dec)}
    for name in ("pmra", "pmdec", "parallax"):
        values = observed[name][chosen].astype(float)
        row[name], row[f"{name}_dispersion"] = float(np.mean(values)), float(np.std(values))
    scatter = rng.standard_normal(3)
    row["log_age"] = round(cluster.log_age + LOG_AGE_SCATTER * float(scatter[0]), 2)
    row["a0"] = round(max(cluster.a0 + A0_SCATTER * float(scatter[1]), 0.0), 2)
    row["distance"] = round(cluster.distance_pc * float(np.exp(DISTANCE_SCATTER * scatter[2])), 1)
    return row


def _scaled(value: Array, centre: Array | float, error: Array, spread: Array | float) -> Array:
    """Return distances from a centre in units of error and intrinsic spread together."""
    return np.asarray(np.abs(value - centre) / np.hypot(error.astype(float), spread))


def _separation_deg(ra: Array, dec: Array, ra0: Array | float, dec0: Array | float) -> Array:
    """Return angular separations from one position [deg]."""
    one = np.ones_like(ra)
    between = frame.galactic_xyz(ra, dec, one) - frame.galactic_xyz(ra0, dec0, 1.0)
    return np.degrees(2.0 * np.arcsin(np.minimum(np.linalg.norm(between, axis=-1) / 2.0, 1.0)))
