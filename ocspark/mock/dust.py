"""A smooth layer of dust, and extinction coefficients fast enough for millions of stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.mock.frame import Array
from ocspark.physics.extinction import extinction_coefficients
from ocspark.physics.isochrone import MAX_TEFF

#: Extinction in the plane near the Sun [mag/kpc] and scale height of the dust [pc].
DUST_MAG_PER_KPC, DUST_HEIGHT_PC = 0.7, 125.0
_TEFF_RANGE, _N_TEFF = (2_200.0, MAX_TEFF), 128
#: A_band(A0) is so nearly straight that this step errs by less than a millimagnitude.
_A0_STEP, _A0_MAX = 0.25, 20.0


def dust_a0(sin_latitude: Array, distance_pc: Array) -> Array:
    """Return A0 [mag] to a distance [pc] through an exponential layer that the Sun lies in."""
    slope = np.maximum(np.abs(sin_latitude), 1e-6) / DUST_HEIGHT_PC
    return DUST_MAG_PER_KPC / 1000.0 * -np.expm1(-distance_pc * slope) / slope


@dataclass(frozen=True)
class ExtinctionGrid:
    """A_band on a grid of Teff and A0: the polynomials take microseconds a star, this nanoseconds.

    Attributes
    ----------
    a_band : array, shape (3, n_a0, n_teff)
        A_G, A_BP, A_RP [mag].
    """

    a_band: NDArray[np.float64]

    @classmethod
    def build(cls) -> ExtinctionGrid:
        """Tabulate `ocspark.physics.extinction`."""
        teff = np.geomspace(*_TEFF_RANGE, _N_TEFF)
        a0 = np.arange(0.0, _A0_MAX + _A0_STEP / 2, _A0_STEP)
        bands = [np.stack(extinction_coefficients(teff, float(a))) * a for a in a0]
        return cls(np.stack(bands, axis=1))

    @staticmethod
    def teff_index(log_teff: Array) -> NDArray[np.int64]:
        """Return the grid column nearest to each log10 Teff."""
        low, high = np.log10(_TEFF_RANGE)
        index = np.rint((log_teff - low) / (high - low) * (_N_TEFF - 1))
        return np.clip(index, 0, _N_TEFF - 1).astype(np.int64)

    def extinction(self, teff_index: NDArray[np.int64], a0: Array) -> Array:
        """Return A_G, A_BP, A_RP [mag], shape (3, n), linear in A0 and nearest in Teff."""
        step = np.clip(a0, 0.0, _A0_MAX - 1e-9) / _A0_STEP
        row = step.astype(np.int64)
        fraction = step - row
        flat = self.a_band.reshape(3, -1)
        near = row * _N_TEFF + teff_index
        return flat[:, near] * (1.0 - fraction) + flat[:, near + _N_TEFF] * fraction

    def of_isochrone(self, log_teff: Array, a0: float) -> Array:
        """Return A_G, A_BP, A_RP [mag], shape (3, n), for one A0; linear in log10 Teff too."""
        step = min(max(a0, 0.0), _A0_MAX - 1e-9) / _A0_STEP
        row = int(step)
        bands = self.a_band[:, row] * (1.0 - (step - row)) + self.a_band[:, row + 1] * (step - row)
        low, high = np.log10(_TEFF_RANGE)
        listed = np.linspace(low, high, _N_TEFF)
        return np.stack([np.interp(log_teff, listed, band) for band in bands])
