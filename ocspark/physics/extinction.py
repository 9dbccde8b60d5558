"""Interstellar extinction in the Gaia bands from dustapprox's precomputed polynomials.

The polynomials that releases name are files in ``conf/extinction`` (dustapprox 0.2.0, Fouesneau et
al. 2022, BSD-3); others are read from the package dustapprox, if it is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.places import beside_package

#: Fouesneau et al. (2022) as the paper used it: Fitzpatrick (1999) law, Kurucz atmospheres.
DEFAULT_LAW = "gaia_kurucz_f99_a0_teff"
DEFAULT_PASSBANDS = ("GAIA_GAIA3.G", "GAIA_GAIA3.Gbp", "GAIA_GAIA3.Grp")
#: Total-to-selective extinction [dimensionless], and the unit of temperature [K].
_R0, _TEFF_UNIT = 3.1, 5040.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Polynomial:
    """Coefficients of products of A0, R0 and teffnorm, each a tuple of its factors' names."""

    terms: tuple[tuple[str, ...], ...]
    coefficients: Floats

    def predict(self, values: dict[str, Floats]) -> Floats:
        """Return k = A_band / A0, shape (n,), of A0 [mag], R0 and teffnorm, each shape (n,)."""
        n = len(next(iter(values.values())))
        # each product from its last factor on, summed in this layout: dustapprox's bits
        products = np.empty((n, len(self.terms)))
        for column, factors in enumerate(self.terms):
            product = np.ones(n)
            for factor in reversed(factors):
                product = values[factor] * product
            products[:, column] = product
        return np.asarray(np.inner(self.coefficients, products))


def law_file(law: str) -> Path | None:
    """Return the file of a law in ``conf/extinction``, None if there is none of that name."""
    path = beside_package("conf") / "extinction" / f"{law}.ecsv"
    return path if path.is_file() else None


@lru_cache
def _polynomials(law: str, passbands: tuple[str, str, str]) -> list[_Polynomial] | None:
    """Return the polynomials of a law's file, None if ``conf/extinction`` has none of that name."""
    path = law_file(law)
    if path is None:
        return None
    table = pd.read_csv(path, comment="#", index_col="passband")  # as dustapprox parses numbers
    absent = [band for band in passbands if band not in table.index]
    if absent:
        raise ValueError(f"{path.name}: no passband {absent[0]}; expected one of {[*table.index]}")
    terms = [name for name in table.columns if name == "1" or _factors(name)]
    factors = tuple(_factors(name) for name in terms)
    return [_Polynomial(factors, table.loc[band][terms].to_numpy(float)) for band in passbands]


def _factors(term: str) -> tuple[str, ...]:
    """Return the factors of a term such as ``A0^2 teffnorm``; none if it is no product of them."""
    factors: list[str] = []
    for part in term.split():
        name, _, power = part.partition("^")
        if name not in ("A0", "R0", "teffnorm"):
            return ()
        factors += [name] * int(power or 1)
    return tuple(factors)


@lru_cache
def _models(law: str, passbands: tuple[str, str, str]) -> list[Any]:
    try:
        from dustapprox.models import PrecomputedModel
    except ImportError:
        raise ValueError(
            f"extinction law {law!r} is not in conf/extinction, and dustapprox is not installed "
            "(pip install 'ocspark[extinction]')"
        ) from None
    library = PrecomputedModel()
    for info in library.find(passband=passbands[0]):
        if info.filename.endswith(f"/{law}.ecsv"):
            return [library.load_model(info, passband=band) for band in passbands]
    raise ValueError(f"dustapprox has no precomputed model '{law}' with passband {passbands[0]}")


def extinction_coefficients(
    teff: Floats,
    a0: float,
    law: str = DEFAULT_LAW,
    passbands: tuple[str, str, str] = DEFAULT_PASSBANDS,
) -> tuple[Floats, Floats, Floats]:
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
        If neither ``conf/extinction`` nor dustapprox has that polynomial.
    """
    temperature = np.asarray(teff, dtype=float)
    bands = tuple(passbands)
    polynomials = _polynomials(law, bands)
    if polynomials is None:
        table = pd.DataFrame({"teff": temperature, "A0": float(a0), "R0": _R0})
        g, bp, rp = (np.asarray(model.predict(table)) for model in _models(law, bands))
        return g, bp, rp
    values = {
        "A0": np.full(temperature.shape, float(a0)),
        "R0": np.full(temperature.shape, _R0),
        "teffnorm": temperature / _TEFF_UNIT,
    }
    g, bp, rp = (polynomial.predict(values) for polynomial in polynomials)
    return g, bp, rp
