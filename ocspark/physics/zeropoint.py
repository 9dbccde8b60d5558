"""Parallax zero point of Gaia (E)DR3 (Lindegren et al. 2021, doi:10.1051/0004-6361/202039653)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIVE_PARAMETERS, SIX_PARAMETERS = 31, 95
#: Bits of the solution's code (ESA's data model): parallax and pseudocolour were solved for.
_PARALLAX, _PSEUDOCOLOUR = 1 << 2, 1 << 6


@lru_cache
def _recipe() -> Any:
    from zero_point import zpt

    zpt.load_tables()
    return zpt


def parallax_zero_point(
    g_mag: NDArray[np.floating],
    nu_eff: NDArray[np.floating],
    pseudocolour: NDArray[np.floating],
    ecl_lat_deg: NDArray[np.floating],
    solution: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Return the zero point [mas] to subtract from the parallax; 0 where the recipe has none.

    Parameters
    ----------
    g_mag : array, shape (n,)
        phot_g_mean_mag [mag].
    nu_eff, pseudocolour : arrays, shape (n,)
        nu_eff_used_in_astrometry and pseudocolour [1/µm]; NaN where missing.
    ecl_lat_deg : array, shape (n,)
        Ecliptic latitude [deg].
    solution : array, shape (n,)
        The catalogue's code, a bit for each parameter solved for. With a pseudocolour (bit 6) it
        is corrected as one of six parameters, else as one of five; without a parallax (bit 2) it
        gets 0. In DR3 the codes are 31, 95 and 3; DR4 adds others, of models of binaries.

    Returns
    -------
    array, shape (n,)
        The package gives NaN outside 6 < G < 21, 1.1 < nu_eff < 1.9 and 1.24 < pseudocolour
        < 1.72; there the parallax stays as it is.
    """
    solution = np.asarray(solution)
    known = solution & _PARALLAX != 0
    zero_point = np.zeros(solution.shape[0])
    if known.any():
        recipe = np.where(solution & _PSEUDOCOLOUR != 0, SIX_PARAMETERS, FIVE_PARAMETERS)
        columns = (g_mag, nu_eff, pseudocolour, ecl_lat_deg, recipe)
        values = _recipe().get_zpt(*(np.asarray(c)[known] for c in columns), _warnings=False)
        zero_point[known] = np.nan_to_num(values, nan=0.0)
    return zero_point
