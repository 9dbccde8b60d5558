"""What Gaia would have measured: errors, correlations, solution types and missing values.

Numbers marked "tuned" follow the medians of real Gaia EDR3 fields; the rest is cited.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocspark.mock.frame import Array, Columns, ecliptic_latitude
from ocspark.physics.photometry import MagnitudeErrorModel
from ocspark.physics.zeropoint import parallax_zero_point

#: sigma_parallax [µas] = sqrt(40 + 800 z + 30 z²), z = 10^(0.4 (max(G, 13) - 15)): ESA's Gaia
#: science performance, as in PyGaia 3 (`pygaia.errors.astrometric`), for 34 months of data.
PARALLAX_ERROR_TERMS = (40.0, 800.0, 30.0)
PARALLAX_ERROR_BRIGHT_MAG = 13.0
#: sigma of pmra and pmdec [mas/yr] over sigma of parallax [mas], same source.
PMRA_ERROR_RATIO, PMDEC_ERROR_RATIO = 1.03, 0.89
#: Widest correlation: any three up to 0.4 make a positive definite matrix.
MAX_CORRELATION, CORRELATION_SPREAD = 0.4, 0.18
#: Solutions of 2, 5 and 6 parameters (astrometric_params_solved).
TWO_PARAMETERS, FIVE_PARAMETERS, SIX_PARAMETERS = 3, 31, 95
#: Mean G observations and their spread; BP and RP have one transit for nine G CCDs (tuned).
MEAN_N_OBS, N_OBS_SPREAD, CCDS_PER_TRANSIT = 330.0, 0.2, 9.3

#: Columns of the mirror, Gaia's names and types.
SOURCE_TYPES: dict[str, type[np.generic]] = {
    "source_id": np.int64,
    "ra": np.float64,
    "dec": np.float64,
    "parallax": np.float64,
    "pmra": np.float64,
    "pmdec": np.float64,
    "parallax_error": np.float32,
    "pmra_error": np.float32,
    "pmdec_error": np.float32,
    "parallax_pmra_corr": np.float32,
    "parallax_pmdec_corr": np.float32,
    "pmra_pmdec_corr": np.float32,
    "phot_g_mean_mag": np.float32,
    "phot_bp_mean_mag": np.float32,
    "phot_rp_mean_mag": np.float32,
    "phot_g_n_obs": np.int16,
    "phot_bp_n_obs": np.int16,
    "phot_rp_n_obs": np.int16,
    "nu_eff_used_in_astrometry": np.float32,
    "pseudocolour": np.float32,
    "ecl_lat": np.float64,
    "astrometric_params_solved": np.int16,
    "_healpix_29": np.int64,
}
_ASTROMETRY = (
    "parallax pmra pmdec parallax_error pmra_error pmdec_error "
    "parallax_pmra_corr parallax_pmdec_corr pmra_pmdec_corr"
).split()


def parallax_error(g_mag: Array) -> Array:
    """Return the median parallax error [mas] at apparent G [mag]."""
    z = 10.0 ** (0.4 * (np.maximum(g_mag, PARALLAX_ERROR_BRIGHT_MAG) - 15.0))
    constant, linear, square = PARALLAX_ERROR_TERMS
    return np.sqrt(constant + linear * z + square * z**2) / 1000.0


def effective_wavenumber(bp_rp: Array) -> Array:
    """Return nu_eff [1/µm] of a colour BP - RP [mag] (Lindegren et al. 2021, Eq. 3)."""
    return 1.76 - 1.61 / np.pi * np.arctan(0.531 * bp_rp)


def observe(true: Columns, errors: MagnitudeErrorModel, rng: np.random.Generator) -> Columns:
    """Observe stars.

    Parameters
    ----------
    true : dict of arrays, shape (n,)
        healpix_29; ra, dec [deg]; parallax [mas]; pmra, pmdec [mas/yr]; g, bp, rp [mag].
    errors : MagnitudeErrorModel
        The errors that the pipeline will assume.
    rng : Generator
        Its stream is used in a fixed order.

    Returns
    -------
    dict of arrays, shape (n,)
        The columns of `SOURCE_TYPES` but ``source_id``; NaN where Gaia has null. The parallax
        carries the zero point of Lindegren et al. (2021).
    """
    ra, dec, g = true["ra"], true["dec"], true["g"]
    n = len(g)
    ecl_lat = ecliptic_latitude(ra, dec)
    observed: Columns = {
        "ra": ra,
        "dec": dec,
        "ecl_lat": ecl_lat,
        "_healpix_29": true["healpix_29"],
        **_photometry(true, errors, ecl_lat, rng),
    }
    mag_g = observed["phot_g_mean_mag"].astype(np.float64)
    bp_rp = observed["phot_bp_mean_mag"].astype(float) - observed["phot_rp_mean_mag"].astype(float)
    solution = _solution(mag_g, np.isnan(bp_rp), rng)
    colour = effective_wavenumber(np.nan_to_num(true["bp"] - true["rp"]))
    five, six = solution == FIVE_PARAMETERS, solution == SIX_PARAMETERS
    # a pseudocolour comes from the chromaticity of the images, much less well than from BP and RP
    guessed = colour + rng.standard_normal(n) * np.clip(0.02 * (g - 13.0), 0.02, 0.15)
    nu_eff = np.where(five, effective_wavenumber(bp_rp), np.nan).astype(np.float32)
    pseudocolour = np.where(six, guessed, np.nan).astype(np.float32)

    depth = np.sqrt(MEAN_N_OBS / observed["phot_g_n_obs"].astype(float))
    sigma = parallax_error(g) * depth * 10.0 ** (0.05 * rng.standard_normal(n))
    sigma = np.where(six, 1.2, 1.0) * sigma
    sigmas = [(sigma * f).astype(np.float32) for f in (1.0, PMRA_ERROR_RATIO, PMDEC_ERROR_RATIO)]
    correlations = np.clip(
        CORRELATION_SPREAD * rng.standard_normal((3, n)), -MAX_CORRELATION, MAX_CORRELATION
    ).astype(np.float32)
    noise = correlated_normals(correlations.astype(float), rng.standard_normal((3, n)))
    zero_point = parallax_zero_point(mag_g, nu_eff, pseudocolour, ecl_lat, solution)
    astrometry = (
        true["parallax"] + zero_point + noise[0] * sigmas[0],
        true["pmra"] + noise[1] * sigmas[1],
        true["pmdec"] + noise[2] * sigmas[2],
        *sigmas,
        *correlations,
    )
    for name, values in zip(_ASTROMETRY, astrometry, strict=True):
        observed[name] = np.where(solution == TWO_PARAMETERS, np.nan, values)
    observed["nu_eff_used_in_astrometry"] = nu_eff
    observed["pseudocolour"] = pseudocolour
    observed["astrometric_params_solved"] = solution
    return {
        name: observed[name].astype(dtype, copy=False)
        for name, dtype in SOURCE_TYPES.items()
        if name in observed
    }


def correlated_normals(correlations: Array, normals: Array) -> Array:
    """Give independent normals the correlations of parallax, pmra and pmdec.

    Parameters
    ----------
    correlations : array, shape (3, n)
        (parallax, pmra), (parallax, pmdec), (pmra, pmdec).
    normals : array, shape (3, n)

    Returns
    -------
    array, shape (3, n)
        The rows of the Cholesky factor of each 3 × 3 matrix, times `normals`.
    """
    ab, ac, bc = correlations
    l22 = np.sqrt(1.0 - ab**2)
    l32 = (bc - ab * ac) / l22
    l33 = np.sqrt(1.0 - ac**2 - l32**2)
    x, y, z = normals
    return np.stack((x, ab * x + l22 * y, ac * x + l32 * y + l33 * z))


def _photometry(
    true: Columns, errors: MagnitudeErrorModel, ecl_lat: Array, rng: np.random.Generator
) -> Columns:
    g = true["g"]
    n = len(g)
    # the scanning law looks most often at |ecliptic latitude| = 45 deg, least at the equator
    scans = 0.75 + 0.5 * np.exp(-(((np.abs(ecl_lat) - 45.0) / 15.0) ** 2))
    n_g = MEAN_N_OBS * scans * np.exp(N_OBS_SPREAD * rng.standard_normal(n))
    n_g *= np.clip(1.0 - 0.15 * (g - 18.0), 0.5, 1.0)  # windows of faint sources are lost (tuned)
    n_g = np.clip(np.rint(n_g), 30, 2000)
    counts = {"g": n_g}
    for band in ("bp", "rp"):
        share = rng.uniform(0.85, 1.05, n) / CCDS_PER_TRANSIT
        counts[band] = np.maximum(np.rint(n_g * share * np.clip(1.0 - 0.1 * (g - 18), 0.6, 1)), 3)
    lost = rng.random(n) < 0.003 + 0.04 / (1.0 + np.exp(-(g - 19.5) / 0.5))
    result: Columns = {}
    for band in ("g", "bp", "rp"):
        scatter = errors.sigma(band.upper(), true[band], counts[band]) * rng.standard_normal(n)
        magnitude, count = true[band] + scatter, counts[band]
        if band != "g":
            magnitude, count = np.where(lost, np.nan, magnitude), np.where(lost, 0, count)
        result[f"phot_{band}_mean_mag"] = magnitude.astype(np.float32)
        result[f"phot_{band}_n_obs"] = count.astype(np.int16)
    return result


def _solution(
    g_mag: Array, colourless: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int16]:
    """Draw the kind of astrometric solution; without a colour it cannot have five parameters."""
    u = rng.random(len(g_mag))
    two = 0.003 + 0.25 / (1.0 + np.exp(-(g_mag - 20.7) / 0.15))
    six = 0.03 + 0.65 / (1.0 + np.exp(-(g_mag - 19.9) / 0.35))
    solution = np.where(u < two + six, SIX_PARAMETERS, FIVE_PARAMETERS)
    solution[colourless] = SIX_PARAMETERS
    solution[u < two] = TWO_PARAMETERS
    return solution.astype(np.int16)
