"""Magnitude uncertainties from DPAC's (E)DR3 splines (GAIA-C5-TN-UB-JMC-031)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        import pandas as pd  # here, since tasks get the splines and read no table

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
        inside = np.clip(np.asarray(mag, dtype=float), *self.mag_range)
        log_sigma = evaluate_cubic_spline(self.knots[band], self.coefficients[band], inside)
        scale = np.sqrt(self.base_n_obs[band] / np.asarray(n_obs, dtype=float))
        return np.asarray(10.0**log_sigma * scale)


def evaluate_cubic_spline(
    knots: NDArray[np.float64], coefficients: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the values of a cubic B-spline, NaN outside its base interval.

    De Boor's recurrence (1972, doi:10.1016/0021-9045(72)90080-9) with the operations in the order
    of `scipy.interpolate.BSpline`, whose values these are, bit for bit; that package alone costs
    a worker a third of a second and 50 MB.

    Parameters
    ----------
    knots : array, shape (n + 4,)
        Ascending; the base interval is from the fourth to the fourth last.
    coefficients : array, shape (n,)
        More of them do not count.
    x : array
    """
    n = len(knots) - 4
    interval = np.clip(np.searchsorted(knots, x, side="right") - 1, 3, n - 1)
    basis = [np.ones(np.shape(x))]  # the B-splines of a degree that are not zero in the interval
    for degree in range(1, 4):
        lower, basis = basis, [np.zeros(np.shape(x))]
        for i in range(1, degree + 1):
            above, below = knots[interval + i], knots[interval + i - degree]
            weight = lower[i - 1] / (above - below)
            basis[i - 1] += weight * (above - x)
            basis.append(weight * (x - below))
    value = np.zeros(np.shape(x))
    for i, of_spline in enumerate(basis):
        value += coefficients[interval + i - 3] * of_spline
    return np.where((x >= knots[3]) & (x <= knots[n]), value, np.nan)


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
