"""Calibrate stars: parallax zero point, colours and magnitude errors (method §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocspark.physics.photometry import MagnitudeErrorModel, flux_error_in_mag
from ocspark.physics.zeropoint import parallax_zero_point
from ocspark.tables.source_columns import CORRELATIONS
from ocspark.tables.stars import CalibratedStars, RawStars

if TYPE_CHECKING:
    from ocspark.release import Release


@dataclass(frozen=True)
class Calibration:
    """Rules by which a release's parallaxes and magnitudes are calibrated.

    Attributes
    ----------
    zero_point : str
        Where the parallax zero point comes from; see `Release.zero_point`.
    magnitude_errors : MagnitudeErrorModel
        Errors of magnitudes by magnitude and number of observations.
    from_fluxes : bool
        Whether magnitude errors follow from flux errors instead of `magnitude_errors`.
    n_obs : mapping or None
        Number of observations by band, the same for all sources; None for each source's own.
    correlations : str
        Where the correlations come from; see `Release.correlations`.
    """

    zero_point: str
    magnitude_errors: MagnitudeErrorModel
    from_fluxes: bool = False
    n_obs: Mapping[str, float] | None = None
    correlations: str = "columns"


def release_calibration(release: Release) -> Calibration:
    """Return the calibration that a release prescribes."""
    source = release.magnitude_errors
    errors = MagnitudeErrorModel.from_csv(
        str(release.magnitude_errors_path), source.base_n_obs, source.mag_range
    )
    n_obs = None if source.n_obs == "columns" else {str(b): n for b, n in source.n_obs.items()}
    return Calibration(
        release.zero_point, errors, source.method == "flux_errors", n_obs, release.correlations
    )


def calibrate(stars: RawStars, calibration: Calibration) -> CalibratedStars:
    """Return stars with the parallax zero point subtracted, with colours and magnitude errors.

    Parameters
    ----------
    stars : RawStars
        Sources with the columns of the release.
    calibration : Calibration
        The release's, from `release_calibration`.

    Returns
    -------
    CalibratedStars
        All columns of `stars`, with ``parallax`` corrected [mas]; correlations of 0 where there
        are none; g_rp = G − G_RP, bp_rp = G_BP − G_RP, phot_g_mean_mag_error, g_rp_error [mag]
        (σ_C² = σ_G² + σ_RP²).
    """
    out = dict(stars.columns)
    if calibration.zero_point == "lindegren2021":
        zero_point = parallax_zero_point(
            stars["phot_g_mean_mag"],
            stars["nu_eff"],
            stars["pseudocolour"],
            stars["ecl_lat"],
            stars["solution"],
        )
        out["parallax"] = stars["parallax"] - zero_point
    elif calibration.zero_point == "column":  # as with the recipe, 0 where there is none
        out["parallax"] = stars["parallax"] - np.nan_to_num(stars["parallax_bias"], nan=0.0)
    if calibration.correlations != "columns":
        for name in CORRELATIONS:
            if calibration.correlations == "zero":
                out[name] = np.zeros(len(stars))
            else:
                out[name] = np.nan_to_num(stars[name], nan=0.0)
    sigma_g, sigma_rp = (_magnitude_error(stars, band, calibration) for band in ("G", "RP"))
    out["g_rp"] = stars["phot_g_mean_mag"] - stars["phot_rp_mean_mag"]
    out["bp_rp"] = stars["phot_bp_mean_mag"] - stars["phot_rp_mean_mag"]
    out["phot_g_mean_mag_error"] = sigma_g
    out["g_rp_error"] = np.sqrt(sigma_g**2 + sigma_rp**2)
    return CalibratedStars(out)


def _magnitude_error(stars: RawStars, band: str, calibration: Calibration) -> NDArray[np.float64]:
    name = f"phot_{band.lower()}"
    if calibration.from_fluxes:
        return flux_error_in_mag(stars[f"{name}_mean_flux"], stars[f"{name}_mean_flux_error"])
    n_obs = calibration.n_obs
    numbers = stars[f"{name}_n_obs"] if n_obs is None else np.array(n_obs[band])
    return calibration.magnitude_errors.sigma(band, stars[f"{name}_mean_mag"], numbers)
