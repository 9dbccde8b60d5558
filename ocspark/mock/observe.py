"""Observe true stars as Gaia does: errors, correlations, solution types and missing values.

Medians of astrometric errors are PyGaia's for the release; errors of magnitudes are those that the
main job assumes. Numbers marked "tuned" were adjusted to real Gaia EDR3 fields, by magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ocspark.mock.curves import (
    BRIGHT_EXCESS,
    COLOUR_SCATTER,
    COLOURLESS,
    COLOURLESS_TWO,
    DEPTH_SCATTER,
    DISTURBANCE,
    DISTURBED,
    ERROR_SCATTER,
    FAINT_DEPTH,
    PER_COLOUR,
    PSEUDOCOLOUR_SCATTER,
    SIX,
    SIX_DISTURBANCE,
    TWO,
)
from ocspark.mock.frame import Array, Columns
from ocspark.mock.observatory import Observatory
from ocspark.mock.scanning import scanning_effects
from ocspark.physics.zeropoint import FIVE_PARAMETERS, SIX_PARAMETERS, parallax_zero_point

#: Largest correlation (any three of up to 0.45 make a positive definite matrix), and the scatter
#: of the three correlations within a field.
MAX_CORRELATION, CORRELATION_SCATTER = 0.45, (0.09, 0.10, 0.12)
#: Shares of the solutions of binaries that lack some values. No shares are published: these only
#: make every case occur.
BINARY_NULLS = {
    ("nu_eff", "pseudocolour"): 0.5,
    ("parallax_bias",): 0.5,
    ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr"): 0.3,
}
#: Magnitudes of 1 electron/s (Riello et al. 2021, doi:10.1051/0004-6361/202039587, Table 3).
FLUX_ZERO_POINTS = {"g": 25.6874, "rp": 24.7479}
_ASTROMETRY = (
    "parallax pmra pmdec parallax_error pmra_error pmdec_error "
    "parallax_pmra_corr parallax_pmdec_corr pmra_pmdec_corr"
).split()


def effective_wavenumber(bp_rp: Array) -> Array:
    """Return nu_eff [1/µm] of a colour BP - RP [mag] (Lindegren et al. 2021, Eq. 3)."""
    return 1.76 - 1.61 / np.pi * np.arctan(0.531 * bp_rp)


def observe(true: Columns, by: Observatory, rng: np.random.Generator) -> Columns:
    """Return what the release has measured of true stars.

    Parameters
    ----------
    true : dict of arrays, shape (n,)
        healpix_29; ra, dec [deg]; parallax [mas]; pmra, pmdec [mas/yr]; g, bp, rp [mag].
    by : Observatory
        The release that observes.
    rng : Generator
        Source of all random numbers, drawn in a fixed order.

    Returns
    -------
    dict of arrays, shape (n,)
        The columns of `Observatory.names` but ``source_id``; NaN where Gaia has null. The zero
        point of Lindegren et al. (2021) is added to the parallax and is ``parallax_bias``.
    """
    g, n = true["g"], len(true["g"])
    place = scanning_effects(true["ra"], true["dec"])
    colourless = rng.random(n) < np.interp(g, *COLOURLESS)
    n_parameters = draw_solutions(g, colourless, rng)
    two, six = n_parameters == 2, n_parameters == 6
    observed: Columns = {
        "ra": true["ra"],
        "dec": true["dec"],
        "ecl_lat": place.ecl_lat,
        "_healpix_29": true["healpix_29"],
        "solution": _coded(n_parameters, by.codes),
        **_photometry(true, by, place.depth, colourless, rng),
    }
    mag_g = observed["phot_g_mean_mag"].astype(np.float64)
    bp_rp = observed["phot_bp_mean_mag"].astype(float) - observed["phot_rp_mean_mag"].astype(float)
    guess = effective_wavenumber(true["bp"] - true["rp"])
    # a pseudocolour comes from the chromaticity of images and is far less precise than BP − RP
    guess += rng.standard_normal(n) * np.interp(g, *PSEUDOCOLOUR_SCATTER)
    nu_eff = np.where(two | six, np.nan, effective_wavenumber(bp_rp)).astype(np.float32)
    pseudocolour = np.where(six, guess, np.nan).astype(np.float32)

    errors, correlations = _covariance(g, six, by, place.log_error, place.log_ratio, rng)
    correlations = np.clip(
        correlations + place.correlation, -MAX_CORRELATION, MAX_CORRELATION
    ).astype(np.float32)
    noise = correlated_normals(correlations.astype(float), rng.standard_normal((3, n)))
    recipe = np.where(six, SIX_PARAMETERS, np.where(two, 0, FIVE_PARAMETERS))
    zero_point = parallax_zero_point(mag_g, nu_eff, pseudocolour, place.ecl_lat, recipe)
    zero_point = zero_point.astype(np.float32)
    astrometry = (
        true["parallax"] + zero_point + noise[0] * errors[0],
        true["pmra"] + noise[1] * errors[1],
        true["pmdec"] + noise[2] * errors[2],
        *errors,
        *correlations,
    )
    for name, values in zip(_ASTROMETRY, astrometry, strict=True):
        values[two] = np.nan
        observed[name] = values
    observed["nu_eff"], observed["pseudocolour"] = nu_eff, pseudocolour
    observed["ref_epoch"] = np.full(n, by.epoch)
    observed["parallax_bias"] = np.where(two, np.nan, zero_point.astype(np.float64))
    if by.other_codes:
        _solve_otherwise(observed, by.other_codes, rng)
    return {name: observed[name] for name in by.names if name != "source_id"}


def draw_solutions(
    g_mag: Array, colourless: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int16]:
    """Draw the number of astrometric parameters of each source: 2, 5 or 6.

    Parameters
    ----------
    g_mag : array, shape (n,)
        True G [mag].
    colourless : array of bool, shape (n,)
        Sources without BP and RP, which have 2 or 6 parameters.
    rng : Generator
        Source of the random numbers.
    """
    n = len(g_mag)
    two, share = np.interp(g_mag, *TWO), np.interp(g_mag, *COLOURLESS)
    two_colourless = np.maximum(two, COLOURLESS_TWO)
    # the share among sources with a colour, such that the share of all sources is `TWO`
    two_coloured = np.maximum(two - share * two_colourless, 0.0) / (1.0 - share)
    is_two = rng.random(n) < np.where(colourless, two_colourless, two_coloured)
    is_six = colourless | (rng.random(n) < np.interp(g_mag, *SIX))
    return np.where(is_two, 2, np.where(is_six, 6, 5)).astype(np.int16)


def _solve_otherwise(
    observed: Columns, shares: Mapping[int, float], rng: np.random.Generator
) -> None:
    """Replace the solutions of some sources by other kinds, in place.

    The bits of a solution's code say what it solves (ESA's data model); what it does not solve
    becomes NaN. Sources with two parameters keep their solution. Solutions of binaries (codes of
    128 and more) lack further values in the shares of `BINARY_NULLS`.
    """
    code = observed["solution"]
    drawn = rng.choice(
        np.array([0, *shares]), len(code), p=[1.0 - sum(shares.values()), *shares.values()]
    )
    changed = (drawn > 0) & ~np.isnan(observed["parallax"])
    code[changed] = drawn[changed]
    solved = {"parallax": code & 4 > 0, "pmra": code & 8 > 0, "pmdec": code & 16 > 0}
    for name in _ASTROMETRY:
        for part, there in solved.items():
            if part in name:
                observed[name][changed & ~there] = np.nan
    observed["parallax_bias"][changed & ~solved["parallax"]] = np.nan
    observed["nu_eff"][changed & (code & 64 > 0)] = np.nan
    observed["pseudocolour"][changed & (code & 64 == 0)] = np.nan
    for names, share in BINARY_NULLS.items():
        lacking = changed & (code >= 128) & (rng.random(len(code)) < share)
        for name in names:
            observed[name][lacking] = np.nan


def _coded(n_parameters: NDArray[np.int16], codes: Mapping[int, int]) -> NDArray[np.int16]:
    """Return the release's code of each number of parameters."""
    table = np.zeros(7, dtype=np.int16)
    for number, code in codes.items():
        table[number] = code
    return table[n_parameters]


def _covariance(
    g: Array,
    six: NDArray[np.bool_],
    by: Observatory,
    log_error: Array,
    log_ratio: Array,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], Array]:
    """Return errors [mas, mas/yr, mas/yr] and the scatter of correlations, each (3, n)."""
    n = len(g)
    log_error = log_error + np.interp(g, *BRIGHT_EXCESS) + ERROR_SCATTER * rng.standard_normal(n)
    scale = np.where(rng.random(n) < DISTURBED, np.interp(g, *DISTURBANCE), 0.0)
    scale = np.where(six, np.interp(g, *SIX_DISTURBANCE), scale)
    log_error += scale * rng.standard_exponential(n)
    errors = by.astrometric_errors(g) * 10.0**log_error
    errors[1:] *= 10.0**log_ratio
    scatter = np.array(CORRELATION_SCATTER)[:, None] * rng.standard_normal((3, n))
    return errors.astype(np.float32), scatter


def correlated_normals(correlations: Array, normals: Array) -> Array:
    """Give independent normals the correlations of parallax, pmra and pmdec.

    Parameters
    ----------
    correlations : array, shape (3, n)
        (parallax, pmra), (parallax, pmdec), (pmra, pmdec).
    normals : array, shape (3, n)
        Independent standard normals.

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
    true: Columns,
    by: Observatory,
    depth: Array,
    colourless: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Columns:
    """Return magnitudes, numbers of observations and, where the release has them, fluxes."""
    g, n = true["g"], len(true["g"])
    n_g = by.mean_n_obs * depth * np.interp(g, *FAINT_DEPTH)
    n_g *= np.exp(DEPTH_SCATTER * rng.standard_normal(n))
    counts = {"g": np.clip(np.rint(n_g), 10, 5000)}
    for band in ("bp", "rp"):
        share = np.exp(COLOUR_SCATTER * rng.standard_normal(n)) / np.interp(g, *PER_COLOUR)
        counts[band] = np.maximum(np.rint(n_g * share), 2)
    result: Columns = {}
    for band in ("g", "bp", "rp"):
        sigma = by.errors.sigma(band.upper(), true[band], counts[band])
        magnitude = (true[band] + sigma * rng.standard_normal(n)).astype(np.float32)
        count = counts[band].astype(np.int16)
        if band != "g":
            magnitude[colourless], count[colourless] = np.nan, 0
        result[f"phot_{band}_mean_mag"], result[f"phot_{band}_n_obs"] = magnitude, count
        if f"phot_{band}_mean_flux" in by.names:
            flux = 10.0 ** (-0.4 * (magnitude.astype(float) - FLUX_ZERO_POINTS[band]))
            result[f"phot_{band}_mean_flux"] = flux
            error = flux * sigma * np.log(10.0) / 2.5
            result[f"phot_{band}_mean_flux_error"] = error.astype(np.float32)
    return result
