"""Astrometry at another epoch, with errors (Gaia DR3 documentation, section 4.1.7, by PyGaia)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pygaia.astrometry.coordinates import EpochPropagation

#: Of the covariance matrix, in its order; the sixth is the radial motion, taken as 0.
PARAMETERS = ("ra", "dec", "parallax", "pmra", "pmdec")


def propagate(
    stars: Mapping[str, NDArray[np.float64]], from_epoch: float, to_epoch: float
) -> dict[str, NDArray[np.float64]]:
    """Move stars along straight lines to another epoch.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
        `PARAMETERS` [deg, deg, mas, mas/yr, mas/yr]; ``<parameter>_error`` [mas, mas/yr] and
        ``<one>_<other>_corr``, of which those that are not there count as 0.
    from_epoch, to_epoch : float
        Julian years.

    Returns
    -------
    dict
        `PARAMETERS` and their errors at `to_epoch`. Without ``ra_error`` and ``dec_error`` the
        errors of the position are those that the errors of the motion have added since.
    """
    n = len(stars["ra"])
    if not n:
        empty = np.empty(0)
        return {name + end: empty for name in PARAMETERS for end in ("", "_error")}
    values = np.zeros((6, n))
    for place, name in enumerate(PARAMETERS):
        values[place] = np.radians(stars[name]) if place < 2 else stars[name]
    moved, covariance = EpochPropagation().propagate_astrometry_and_covariance_matrix(
        values, _covariance(stars, n), from_epoch, to_epoch
    )
    at = {name: moved[place] for place, name in enumerate(PARAMETERS)}
    at["ra"], at["dec"] = np.mod(np.degrees(at["ra"]), 360.0), np.degrees(at["dec"])
    at["ra"][at["ra"] == 360.0] = 0.0  # what a tiny negative angle is rounded to
    for place, name in enumerate(PARAMETERS):
        at[f"{name}_error"] = np.sqrt(np.maximum(covariance[:, place, place], 0.0))
    return at


def _covariance(stars: Mapping[str, NDArray[np.float64]], n: int) -> NDArray[np.float64]:
    """Return the covariance matrices at the first epoch [mas, mas/yr], shape (n, 6, 6)."""
    matrix = np.zeros((n, 6, 6))
    errors = [stars.get(f"{name}_error", np.zeros(n)) for name in PARAMETERS]
    for i, one in enumerate(PARAMETERS):
        matrix[:, i, i] = errors[i] ** 2
        for j, other in enumerate(PARAMETERS[i + 1 :], i + 1):
            if f"{one}_{other}_corr" in stars:
                shared = stars[f"{one}_{other}_corr"] * errors[i] * errors[j]
                matrix[:, i, j] = matrix[:, j, i] = shared
    return matrix
