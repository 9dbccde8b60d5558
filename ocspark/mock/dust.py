"""Model the dust of the Galactic disc, and tabulate extinction for millions of stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.mock import frame
from ocspark.mock.frame import Array
from ocspark.mock.rng import keyed_generator
from ocspark.physics.extinction import extinction_coefficients
from ocspark.physics.isochrone import MAX_TEFF

#: Extinction in the plane near the Sun [mag/kpc], scale height and length of the dust [pc] (tuned).
DUST_MAG_PER_KPC, DUST_HEIGHT_PC, DUST_LENGTH_PC = 1.3, 60.0, 2800.0
#: Clouds: standard deviation of ln density, number of waves, range of their lengths [pc].
CLOUD_SPREAD, N_WAVES, WAVE_LENGTH_PC = 0.6, 8, (100.0, 2000.0)
#: Edges of the steps along a line of sight [ln pc]; nearer there are neither dust nor stars.
LOG_DISTANCE: Array = np.linspace(np.log(20.0), np.log(30_000.0), 65)
_TEFF_RANGE, _N_TEFF = (2_200.0, MAX_TEFF), 128
#: A_band(A0) is nearly linear: with this step, interpolation errs by less than 1 mmag.
_A0_STEP, _A0_MAX = 0.25, 20.0


@dataclass(frozen=True)
class Dust:
    """An exponential disc of dust, with clouds: the density times exp(a sum of waves in space).

    Attributes
    ----------
    wave : array, shape (n_waves, 3)
        Wave vectors [rad/pc].
    phase : array, shape (n_waves,)
        Phases of the waves [rad].
    """

    wave: Array
    phase: Array

    @classmethod
    def build(cls, seed: int) -> Dust:
        """Draw the clouds of a seed."""
        rng = keyed_generator(seed, "dust")
        length = np.geomspace(*WAVE_LENGTH_PC, N_WAVES)
        direction = rng.standard_normal((N_WAVES, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return cls(2.0 * np.pi * direction / length[:, None], rng.uniform(0, 2 * np.pi, N_WAVES))

    def density(self, direction: Array, distance_pc: Array) -> Array:
        """Return the extinction A0 per length [mag/pc] along lines of sight.

        Parameters
        ----------
        direction : array, shape (n, 3)
            Unit vectors.
        distance_pc : array, shape (m,)
            Distances from the Sun.

        Returns
        -------
        array, shape (n, m)
        """
        radius, height = frame.galactocentric(direction[:, None, :] * distance_pc[:, None])
        disc = (frame.SUN_RADIUS_PC - radius) / DUST_LENGTH_PC - np.abs(height) / DUST_HEIGHT_PC
        clouds = np.zeros(np.shape(radius))
        along = np.einsum("ni,wi->wn", direction, self.wave)
        for rate, phase in zip(along, self.phase, strict=True):
            clouds += np.cos(np.multiply.outer(rate, distance_pc) + phase)
        clouds *= CLOUD_SPREAD * np.sqrt(2.0 / N_WAVES)
        return DUST_MAG_PER_KPC / 1000.0 * np.exp(disc + clouds - CLOUD_SPREAD**2 / 2.0)

    def a0_to_edges(self, direction: Array) -> Array:
        """Return A0 [mag] from the Sun to the edges `LOG_DISTANCE`, shape (n, n_edges).

        Parameters
        ----------
        direction : array, shape (n, 3)
            Unit vectors.
        """
        edge = np.exp(LOG_DISTANCE)
        steps = self.density(direction, (edge[1:] + edge[:-1]) / 2.0) * np.diff(edge)
        return np.concatenate((np.zeros((len(direction), 1)), np.cumsum(steps, axis=1)), axis=1)

    def a0(self, xyz_pc: Array) -> float:
        """Return A0 [mag] from the Sun to one heliocentric Galactic position [pc], shape (3,)."""
        distance = float(np.linalg.norm(xyz_pc))
        edges = self.a0_to_edges(np.asarray(xyz_pc)[None, :] / distance)[0]
        return float(np.interp(np.log(distance), LOG_DISTANCE, edges))


@dataclass(frozen=True)
class ExtinctionGrid:
    """Extinction in G, BP, RP on a grid of Teff and A0, much faster than the polynomials.

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
        """Return A_G, A_BP, A_RP [mag], shape (3, n): linear in A0, nearest in Teff.

        Parameters
        ----------
        teff_index : array, shape (n,)
            See `teff_index`.
        a0 : array, shape (n,)
            Extinction A0 [mag].
        """
        step = np.clip(a0, 0.0, _A0_MAX - 1e-9) / _A0_STEP
        row = step.astype(np.int64)
        fraction = step - row
        flat = self.a_band.reshape(3, -1)
        near = row * _N_TEFF + teff_index
        return flat[:, near] * (1.0 - fraction) + flat[:, near + _N_TEFF] * fraction

    def of_isochrone(self, log_teff: Array, a0: float) -> Array:
        """Return A_G, A_BP, A_RP [mag], shape (3, n), at one A0: linear in A0 and log Teff."""
        step = min(max(a0, 0.0), _A0_MAX - 1e-9) / _A0_STEP
        row = int(step)
        bands = self.a_band[:, row] * (1.0 - (step - row)) + self.a_band[:, row + 1] * (step - row)
        low, high = np.log10(_TEFF_RANGE)
        listed = np.linspace(low, high, _N_TEFF)
        return np.stack([np.interp(log_teff, listed, band) for band in bands])
