"""Zero point and magnitude errors of stars in a cone (method §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.physics.photometry import MagnitudeErrorModel
from ocspark.physics.zeropoint import parallax_zero_point
from ocspark.release import Release

#: A set of stars: equally long columns by canonical name.
Stars = Mapping[str, NDArray]


@dataclass(frozen=True)
class Calibration:
    """How a release's parallaxes and magnitudes are calibrated."""

    zero_point: str
    magnitude_errors: MagnitudeErrorModel


def release_calibration(release: Release) -> Calibration:
    """Return a release's zero point and magnitude errors."""
    source = release.magnitude_errors
    errors = MagnitudeErrorModel.from_csv(
        str(release.magnitude_errors_path), source.base_n_obs, source.mag_range
    )
    return Calibration(release.zero_point, errors)


def calibrate(stars: Stars, calibration: Calibration) -> dict[str, NDArray]:
    """Subtract the parallax zero point and add colour and magnitude errors.

    Parameters
    ----------
    stars : mapping of arrays, each shape (n,)
        Columns of the mirror, parallax raw [mas].
    calibration : Calibration

    Returns
    -------
    dict of arrays
        All columns of `stars`, with ``parallax`` corrected [mas], and g_rp = G − G_RP,
        phot_g_mean_mag_error, g_rp_error [mag] (σ_C² = σ_G² + σ_RP²).
    """
    out = dict(stars)
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
    errors = calibration.magnitude_errors
    sigma_g = errors.sigma("G", stars["phot_g_mean_mag"], stars["phot_g_n_obs"])
    sigma_rp = errors.sigma("RP", stars["phot_rp_mean_mag"], stars["phot_rp_n_obs"])
    out["g_rp"] = stars["phot_g_mean_mag"] - stars["phot_rp_mean_mag"]
    out["phot_g_mean_mag_error"] = sigma_g
    out["g_rp_error"] = np.sqrt(sigma_g**2 + sigma_rp**2)
    return out
