"""Interstellar extinction in the Gaia bands from dustapprox's precomputed polynomials."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Fouesneau et al. (2022) as the paper used it: Fitzpatrick (1999) law, Kurucz atmospheres.
DEFAULT_LAW = "gaia_kurucz_f99_a0_teff"
DEFAULT_PASSBANDS = ("GAIA_GAIA3.G", "GAIA_GAIA3.Gbp", "GAIA_GAIA3.Grp")


@lru_cache
def _models(law: str, passbands: tuple[str, str, str]) -> list[Any]:
    from dustapprox.models import PrecomputedModel

    library = PrecomputedModel()
    for info in library.find(passband=passbands[0]):
        if info.filename.endswith(f"/{law}.ecsv"):
            return [library.load_model(info, passband=band) for band in passbands]
    raise ValueError(f"dustapprox has no precomputed model '{law}' with passband {passbands[0]}")


def extinction_coefficients(
    teff: NDArray[np.float64],
    a0: float,
    law: str = DEFAULT_LAW,
    passbands: tuple[str, str, str] = DEFAULT_PASSBANDS,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return k = A_band / A0 in G, BP and RP.

    Parameters
    ----------
    teff : array, shape (n,)
        Effective temperatures [K]; the polynomials hold from 3 500 to 50 000 K.
    a0 : float
        Extinction at 550 nm [mag].
    law : str
        Name of the dustapprox polynomial (file name without ``.ecsv``).
    passbands : tuple of str
        Its names of the G, BP and RP bands.

    Returns
    -------
    tuple of arrays, each shape (n,)
        k_G, k_BP, k_RP, dimensionless.

    Raises
    ------
    ValueError
        If dustapprox does not ship that polynomial.
    """
    table = pd.DataFrame({"teff": np.asarray(teff, dtype=float), "A0": float(a0), "R0": 3.1})
    g, bp, rp = (np.asarray(model.predict(table)) for model in _models(law, tuple(passbands)))
    return g, bp, rp
