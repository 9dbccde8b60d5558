"""The field: discs and halo seen through dust, star by star in any HEALPix cell.

A line of sight is a grid of distances. In each of its steps a population has the density of the
analytic model times the fraction of its luminosity function that the magnitude limit leaves, so
counts, distances and magnitudes come from one model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import healpy
import numpy as np
from numpy.typing import NDArray

from ocspark.mock import frame
from ocspark.mock.dust import ExtinctionGrid, dust_a0
from ocspark.mock.frame import Array, Columns
from ocspark.mock.rng import keyed_generator
from ocspark.mock.stars import LuminosityFunction

#: Order of the pixels in which the model counts are taken as constant (0.9 deg).
MODEL_ORDER = 6
#: Faintest star that is generated: apparent G [mag].
G_LIMIT = 20.5
HEALPIX_ORDER = 29
_LOG_DISTANCE = np.linspace(np.log(20.0), np.log(30_000.0), 65)  # edges [ln pc]


@dataclass(frozen=True)
class Population:
    """Density relative to the thin disc at the Sun, scales [pc], velocities [km/s], ages [dex]."""

    name: str
    density: float
    length_pc: float
    height_pc: float
    dispersion_kms: tuple[float, float, float]
    rotation_kms: float
    log_age_range: tuple[float, float]


#: Scales and densities after Jurić et al. (2008), kinematics after Bensby et al. (2003).
POPULATIONS = (
    Population("thin disc", 1.0, 2600.0, 300.0, (35.0, 20.0, 16.0), 219.0, (8.0, 10.0)),
    Population("thick disc", 0.04, 3600.0, 900.0, (67.0, 38.0, 35.0), 183.0, (9.9, 10.15)),
    Population("halo", 0.002, 0.0, 0.0, (160.0, 90.0, 90.0), 10.0, (10.0, 10.15)),
)


def _density(population: Population, radius_pc: Array, height_pc: Array) -> Array:
    """Return the number density at Galactocentric positions, relative to the thin disc's here."""
    if population.name == "halo":  # flattened power law, softened at the centre
        square = radius_pc**2 + (height_pc / 0.64) ** 2 + 500.0**2
        return population.density * (square / frame.SUN_RADIUS_PC**2) ** (-2.77 / 2)
    inward = (frame.SUN_RADIUS_PC - radius_pc) / population.length_pc
    return population.density * np.exp(inward - np.abs(height_pc) / population.height_pc)


@dataclass(frozen=True)
class Field:
    """The field stars of the whole sky, `n_sources` of them to be expected.

    Attributes
    ----------
    luminosity : tuple of LuminosityFunction
        One per population.
    scale : float
        Stars per unit of the model's counts.
    """

    seed: int
    luminosity: tuple[LuminosityFunction, ...]
    extinction: ExtinctionGrid
    scale: float = 1.0

    def normalised(self, n_sources: float) -> tuple[Field, Array]:
        """Return the field that is expected to have `n_sources` stars over the sky.

        And, shape (n_pixels,), how many of them in each pixel of `MODEL_ORDER`.
        """
        pixels = np.arange(12 * 4**MODEL_ORDER).reshape(-1, 256)
        counts = np.concatenate([self._counts(p).sum(axis=(1, 2)) for p in pixels])
        scale = float(n_sources / counts.sum())
        return replace(self, scale=scale), counts * scale

    def _limit(self, a0: Array, log_distance: Array) -> Array:
        # A_G <= A0 but for the hottest stars, which are not the faintest
        return G_LIMIT - a0 - 5.0 * log_distance / np.log(10.0) + 5.0

    def _counts(self, pixels: NDArray[np.int64]) -> Array:
        """Return the model's counts, shape (n_pixels, n_populations, n_distances)."""
        ra, dec = healpy.pix2ang(1 << MODEL_ORDER, pixels, nest=True, lonlat=True)
        middle = (_LOG_DISTANCE[1:] + _LOG_DISTANCE[:-1]) / 2
        distance = np.exp(middle)
        direction = frame.galactic_xyz(ra, dec, np.ones(len(pixels)))
        radius, height = frame.galactocentric(direction[:, None, :] * distance[:, None])
        limit = self._limit(dust_a0(direction[:, 2:], distance), middle)
        counts = [
            _density(p, radius, height) * distance**3 * lf.fraction_brighter(limit)
            for p, lf in zip(POPULATIONS, self.luminosity, strict=True)
        ]
        return np.stack(counts, axis=1)

    def cell(self, cell: int, order: int) -> Columns:
        """Draw the true field stars of one HEALPix cell.

        Parameters
        ----------
        cell, order : int
            NESTED pixel and its order.

        Returns
        -------
        dict of arrays, shape (n,)
            healpix_29, ascending; ra, dec [deg]; distance [pc]; parallax [mas]; pmra, pmdec
            [mas/yr]; g, bp, rp [mag].
        """
        rng = keyed_generator(self.seed, "field", order, cell)
        pixels, order = _model_pixels(cell, order)
        model = pixels >> 2 * (order - MODEL_ORDER)
        counts = self._counts(model) * (self.scale * 0.25 ** (order - MODEL_ORDER))
        expected = counts.reshape(len(pixels), -1)
        n_of_pixel = rng.poisson(expected.sum(axis=1))
        row = np.repeat(np.arange(len(pixels)), n_of_pixel)
        n = len(row)

        bits = 2 * (HEALPIX_ORDER - order)
        healpix = np.sort((pixels[row] << bits) | rng.integers(0, 1 << bits, n))
        ra, dec = healpy.pix2ang(1 << HEALPIX_ORDER, healpix, nest=True, lonlat=True)

        # one cumulative sum over all pixels: a star looks only between its own pixel's ends
        cumulative = np.cumsum(expected)
        ends = np.concatenate(([0.0], cumulative.reshape(len(pixels), -1)[:, -1]))
        wanted = ends[row] + rng.random(n) * (ends[row + 1] - ends[row])
        bin_ = np.minimum(np.searchsorted(cumulative, wanted, side="right"), cumulative.size - 1)
        population, step = np.divmod(bin_ % expected.shape[1], counts.shape[2])
        width = _LOG_DISTANCE[1] - _LOG_DISTANCE[0]
        log_distance = _LOG_DISTANCE[step] + rng.random(n) * width
        distance = np.exp(log_distance)
        xyz = frame.galactic_xyz(ra, dec, distance)

        a0 = dust_a0(xyz[:, 2] / distance, distance)
        limit = self._limit(a0, log_distance)
        brightness, kick = rng.random(n), rng.standard_normal((n, 3))
        magnitude = np.empty((3, n))
        rotation = np.empty(n)
        for i, (p, lf) in enumerate(zip(POPULATIONS, self.luminosity, strict=True)):
            mine = np.flatnonzero(population == i)
            star = lf.draw(limit[mine], brightness[mine])
            dimming = self.extinction.extinction(lf.teff_index[star], a0[mine])
            magnitude[:, mine] = lf.magnitude[:, star] + dimming
            rotation[mine] = p.rotation_kms
            kick[mine] *= p.dispersion_kms
        magnitude += 5.0 * log_distance / np.log(10.0) - 5.0
        velocity = frame.circular_velocity(xyz, rotation) + kick
        pmra, pmdec = frame.proper_motion(ra, dec, distance, velocity)
        return {
            "healpix_29": healpix,
            "ra": ra,
            "dec": dec,
            "distance": distance,
            "parallax": 1000.0 / distance,
            "pmra": pmra,
            "pmdec": pmdec,
            "g": magnitude[0],
            "bp": magnitude[1],
            "rp": magnitude[2],
        }


def _model_pixels(cell: int, order: int) -> tuple[NDArray[np.int64], int]:
    """Return the pixels that a cell is drawn in, of `MODEL_ORDER` or finer, and their order."""
    if order >= MODEL_ORDER:
        return np.array([cell]), order
    finer = 4 ** (MODEL_ORDER - order)
    return np.arange(cell * finer, (cell + 1) * finer), MODEL_ORDER
