"""Propagate astrometry and its errors to another epoch, by PyGaia (Gaia DR3 docs, §4.1.7)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pygaia.astrometry.coordinates import EpochPropagation

#: Parameters of the covariance matrix, in its order; the sixth, the radial motion, is taken as 0.
PARAMETERS = ("ra", "dec", "parallax", "pmra", "pmdec")


def propagate(
    stars: Mapping[str, NDArray[np.float64]], from_epoch: float, to_epoch: float
) -> dict[str, NDArray[np.float64]]:
    """Propagate stars to another epoch along straight lines.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
        `PARAMETERS` [deg, deg, mas, mas/yr, mas/yr]; ``<parameter>_error`` [mas, mas/yr] and
        ``<one>_<other>_corr``, which count as 0 where they are not given.
    from_epoch, to_epoch : float
        Epochs [Julian year].

    Returns
    -------
    dict
        `PARAMETERS` and their errors at `to_epoch`. Without ``ra_error`` and ``dec_error``, the
        errors of the position are only those due to the errors of the proper motion.
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
    at["ra"][at["ra"] == 360.0] = 0.0  # a tiny negative angle is rounded to 360
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
