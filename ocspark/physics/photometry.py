"""Magnitude uncertainties from DPAC's (E)DR3 splines (GAIA-C5-TN-UB-JMC-031)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import BSpline

BANDS = ("G", "BP", "RP")


@dataclass(frozen=True)
class MagnitudeErrorModel:
    """Splines of log10(sigma) against magnitude at a base number of observations.

    Attributes
    ----------
    knots, coefficients : dict of band -> array
        Cubic B-splines per band; magnitudes [mag], log10 of sigma [mag].
    base_n_obs : dict of band -> float
        Observations the splines stand for (200, 20, 20).
    mag_range : tuple of float
        Magnitudes outside are clipped to this range [mag].
    """

    knots: dict[str, NDArray[np.float64]]
    coefficients: dict[str, NDArray[np.float64]]
    base_n_obs: dict[str, float]
    mag_range: tuple[float, float]

    @classmethod
    def from_csv(
        cls, path: str, base_n_obs: dict[str, float], mag_range: tuple[float, float]
    ) -> MagnitudeErrorModel:
        """Read ``LogErrVsMagSpline.csv`` (columns knots_G, coeff_G, …)."""
        table = pd.read_csv(path)
        pairs = {b: table[[f"knots_{b}", f"coeff_{b}"]].dropna().to_numpy(float).T for b in BANDS}
        return cls(
            knots={b: pairs[b][0] for b in BANDS},
            coefficients={b: pairs[b][1] for b in BANDS},
            base_n_obs=base_n_obs,
            mag_range=mag_range,
        )

    def sigma(
        self, band: str, mag: NDArray[np.floating], n_obs: NDArray[np.number]
    ) -> NDArray[np.float64]:
        """Return the uncertainty [mag] of each star.

        Parameters
        ----------
        band : {"G", "BP", "RP"}
        mag : array, shape (n,)
            Mean magnitude in the band [mag].
        n_obs : array, shape (n,)
            Observations that contributed, positive.
        """
        spline = BSpline(self.knots[band], self.coefficients[band], 3, extrapolate=False)
        log_sigma = spline(np.clip(np.asarray(mag, dtype=float), *self.mag_range))
        scale = np.sqrt(self.base_n_obs[band] / np.asarray(n_obs, dtype=float))
        return np.asarray(10.0**log_sigma * scale)


def flux_error_in_mag(
    flux: NDArray[np.floating], flux_error: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the errors [mag] of magnitudes −2.5 log10(flux), to first order.

    Parameters
    ----------
    flux, flux_error : arrays, shape (n,)
        In the same unit, positive.
    """
    error = np.asarray(flux_error, dtype=float)
    return np.asarray(2.5 / np.log(10.0) * error / np.asarray(flux, dtype=float))
