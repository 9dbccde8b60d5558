"""Draw samples of stars from their covariances, and compute features of samples (method §10)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocspark.membership.nearest import nearest_points
from ocspark.selection.candidates import radius_pc
from ocspark.selection.model import ClusterModel
from ocspark.tables.stars import CalibratedStars

SAMPLED = ("parallax", "pmra", "pmdec", "phot_g_mean_mag", "g_rp")
#: Up to so many samples per star, a search tree finds the nearest isochrone points faster.
_FEW_SAMPLES = 30
_CORRELATIONS = ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr")
_ERRORS = tuple(f"{name}_error" for name in SAMPLED)


def replace_unusable_errors(
    stars: CalibratedStars,
) -> tuple[CalibratedStars, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the columns that sampling needs, with unusable errors and correlations replaced.

    An error that is missing or not positive becomes 0, so that the star is drawn as measured; a
    missing correlation becomes 0. Correlations that are not positive definite stay:
    `sample_measurements` limits them.

    Parameters
    ----------
    stars : CalibratedStars
        Candidates with their errors.

    Returns
    -------
    stars : CalibratedStars
        The same stars.
    mended : array of bool, shape (n,)
        Whether errors or correlations were unusable.
    usable : array of bool, shape (n,)
        Whether position, parallax, proper motion, G and colour are finite.
    """
    needed = ("source_id", "ra", "dec", *SAMPLED, *_ERRORS, *_CORRELATIONS)
    good = dict(stars.select(needed).columns)
    mended = np.zeros(len(stars), dtype=bool)
    for name in SAMPLED:
        error = stars[f"{name}_error"]
        bad = ~((error > 0) & np.isfinite(error))
        good[f"{name}_error"] = np.where(bad, 0.0, error)
        mended |= bad
    for name in _CORRELATIONS:
        bad = ~np.isfinite(stars[name])
        good[name] = np.where(bad, 0.0, stars[name])
        mended |= bad
    a, b, c = (good[name] for name in _CORRELATIONS)
    mended |= np.maximum(np.maximum(np.abs(a), np.abs(b)), np.abs(c)) >= 1.0
    mended |= 1.0 - a**2 - b**2 - c**2 + 2.0 * a * b * c <= 0.0  # the determinant
    usable = np.all([np.isfinite(stars[name]) for name in ("ra", "dec", *SAMPLED)], axis=0)
    return CalibratedStars(good), mended, usable


def sample_measurements(
    stars: CalibratedStars, normal: NDArray[np.float64], colour_covariance: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Draw samples of ϖ, pmra, pmdec, G and C of each star from its covariance.

    ϖ, pmra and pmdec are drawn with Gaia's three correlations, G and C independently, as in the
    paper's code. If the correlations are not positive definite, the Cholesky factor is limited so
    that every quantity keeps its own error; nothing becomes NaN.

    Parameters
    ----------
    stars : CalibratedStars
        Stars from `replace_unusable_errors`.
    normal : array, shape (n, s, 5)
        Standard normal deviates.
    colour_covariance : bool
        Whether the noise of G is also in C = G − G_RP, cov(G, C) = σ_G², or C is independent.

    Returns
    -------
    dict of arrays, shape (n, s)
        parallax, pmra, pmdec, phot_g_mean_mag, g_rp.
    """
    z = np.moveaxis(normal, -1, 0)
    colour = z[4]
    if colour_covariance:
        g_error, colour_error = stars["phot_g_mean_mag_error"], stars["g_rp_error"]
        known = colour_error > 0
        shared = np.divide(g_error, colour_error, out=np.zeros_like(colour_error), where=known)
        shared = np.minimum(shared, 1.0)[:, None]
        colour = shared * z[3] + np.sqrt(1.0 - shared**2) * colour
    photometry = _scattered(stars, {"phot_g_mean_mag": z[3], "g_rp": colour})
    return sample_astrometry(stars, normal[..., :3]) | photometry


def sample_astrometry(
    stars: CalibratedStars, normal: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Draw samples of ϖ, pmra and pmdec alone, the same as `sample_measurements` draws.

    Parameters
    ----------
    stars : CalibratedStars
        Stars from `replace_unusable_errors`.
    normal : array, shape (n, s, 3)
        The first three deviates of those that `sample_measurements` gets.

    Returns
    -------
    dict of arrays, shape (n, s)
        parallax, pmra, pmdec.
    """
    c21, c31, c32 = (np.clip(stars[name], -1.0, 1.0) for name in _CORRELATIONS)
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
    }
    return _scattered(stars, scatter)


def _scattered(
    stars: CalibratedStars, scatter: dict[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    return {
        name: stars[name][:, None] + stars[f"{name}_error"][:, None] * deviate
        for name, deviate in scatter.items()
    }


def distance_in_astrometry(
    drawn: dict[str, NDArray[np.float64]], cluster: ClusterModel, scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance of samples from the cluster in proper motion and parallax, shape (n, s).

    It is |μ − μ_c| plus |ϖ − ϖ_c|, each over its scale. Sorted by it, the samples of a star are
    nearly sorted by margin.

    Parameters
    ----------
    drawn : dict of arrays, shape (n, s)
        Samples from `sample_astrometry`.
    cluster : ClusterModel
        The cluster.
    scale : array, shape (5,)
        Standard deviations by which the network scales f_R, f_μ, f_ϖ, f_C, f_G.
    """
    x, y = drawn["pmra"] - cluster.pmra, drawn["pmdec"] - cluster.pmdec
    distance = np.sqrt(x * x + y * y) / scale[1]
    return np.asarray(distance + np.abs(drawn["parallax"] - cluster.parallax) / scale[2])


def sampled_features(
    stars: CalibratedStars, drawn: dict[str, NDArray[np.float64]], cluster: ClusterModel
) -> NDArray[np.float64]:
    """Return the five features of every sample, shape (n, s, 5); f_R is that of the star."""
    out = np.empty((5, *drawn["parallax"].shape))
    out[0] = radius_pc(stars, cluster)[:, None]
    x, y = drawn["pmra"] - cluster.pmra, drawn["pmdec"] - cluster.pmdec
    out[1] = np.sqrt(x * x + y * y)
    out[2] = drawn["parallax"] - cluster.parallax
    colour, g_mag = drawn["g_rp"], drawn["phot_g_mean_mag"]
    if colour.shape[1] <= _FEW_SAMPLES:
        out[3], out[4] = cluster.isochrone_vector(colour, g_mag)
    else:
        scale = np.array([cluster.delta_c, cluster.delta_g])
        nearest = nearest_points(colour / scale[0], g_mag / scale[1], cluster.curve / scale)
        out[3] = colour - cluster.curve[nearest, 0]
        out[4] = g_mag - cluster.curve[nearest, 1]
    return np.moveaxis(out, 0, -1)
