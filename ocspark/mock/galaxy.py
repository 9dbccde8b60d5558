"""Draw the field stars of any HEALPix cell: discs, bulge and halo, seen through dust.

A line of sight is a grid of distances. In each step a population counts its analytic density times
the fraction of its luminosity function above the magnitude limit, so that counts, distances and
magnitudes follow from one model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import healpy
import numpy as np
from numpy.typing import NDArray

from ocspark.mock import frame
from ocspark.mock.dust import LOG_DISTANCE, Dust, ExtinctionGrid
from ocspark.mock.frame import Array, Columns
from ocspark.mock.populations import DISPERSION_LENGTH_PC, POPULATIONS, density
from ocspark.mock.rng import keyed_generator
from ocspark.mock.stars import BINARY_FRACTION, G_LIMIT, G_STEPS, LuminosityFunction
from ocspark.sky.healpix import HEALPIX_ORDER, HealpixPixel, coarser, finer, n_pixels

#: Order of the pixels in which the model's counts are constant (0.9 deg wide).
MODEL_ORDER = 6


@dataclass(frozen=True)
class GalacticField:
    """The field stars of the whole sky.

    Attributes
    ----------
    seed : int
        Seed of every random draw.
    luminosity : tuple of LuminosityFunction
        One per population, in the order of `POPULATIONS`.
    extinction : ExtinctionGrid
        Extinction in G, BP and RP.
    dust : Dust
        Distribution of the dust.
    scale : float
        Stars per unit of the model's counts.
    """

    seed: int
    luminosity: tuple[LuminosityFunction, ...]
    extinction: ExtinctionGrid
    dust: Dust
    scale: float = 1.0

    def normalised(self, n_sources: float) -> tuple[GalacticField, Array]:
        """Scale the field to an expected number of stars over the whole sky.

        Parameters
        ----------
        n_sources : float
            Expected number of stars that the survey detects.

        Returns
        -------
        field : GalacticField
            The scaled field.
        expected : array, shape (n_pixels,)
            Expected stars in each pixel of `MODEL_ORDER`.
        """
        counts = []
        for pixels in np.arange(n_pixels(MODEL_ORDER)).reshape(-1, 256):
            a0 = self.dust.a0_to_edges(_directions(pixels))
            counts.append(self._counts(pixels, a0, seen=True).sum(axis=(1, 2)))
        expected = np.concatenate(counts)
        scale = float(n_sources / expected.sum())
        return replace(self, scale=scale), expected * scale

    def _counts(self, pixels: NDArray[np.int64], a0: Array, seen: bool = False) -> Array:
        """Return the model's counts, shape (n_pixels, n_populations, n_distances).

        They are of stars to `G_LIMIT` or, with `seen`, of stars that the survey detects.
        """
        middle = (LOG_DISTANCE[1:] + LOG_DISTANCE[:-1]) / 2
        distance = np.exp(middle)
        xyz = _directions(pixels)[:, None, :] * distance[:, None]
        radius, height = frame.galactocentric(xyz)
        limit = _absolute(G_LIMIT, (a0[:, 1:] + a0[:, :-1]) / 2, middle)
        counts = [
            density(p, radius, height) * distance**3 * lf.fraction_brighter(limit, seen)
            for p, lf in zip(POPULATIONS, self.luminosity, strict=True)
        ]
        return np.stack(counts, axis=1)

    def cell(self, cell: HealpixPixel) -> Columns:
        """Draw the true field stars of one HEALPix cell.

        Parameters
        ----------
        cell : HealpixPixel
            The cell.

        Returns
        -------
        dict of arrays, shape (n,)
            healpix_29, ascending; ra, dec [deg]; distance [pc]; parallax [mas]; pmra, pmdec
            [mas/yr]; g, bp, rp [mag].
        """
        rng = keyed_generator(self.seed, "field", cell.order, cell.pixel)
        pixels, order = _model_pixels(cell)
        model = coarser(pixels, MODEL_ORDER, order)
        edges_a0 = self.dust.a0_to_edges(_directions(model))
        counts = self._counts(model, edges_a0)
        expected = counts.reshape(len(pixels), -1) * (self.scale * 0.25 ** (order - MODEL_ORDER))
        n_of_pixel = rng.poisson(expected.sum(axis=1))
        row = np.repeat(np.arange(len(pixels)), n_of_pixel)
        n = len(row)

        # one cumulative sum over all pixels; each star is searched between its own pixel's ends
        cumulative = np.cumsum(expected)
        ends = np.concatenate(([0.0], cumulative.reshape(len(pixels), -1)[:, -1]))
        wanted = ends[row] + rng.random(n) * (ends[row + 1] - ends[row])
        bin_ = np.minimum(np.searchsorted(cumulative, wanted, side="right"), cumulative.size - 1)
        population, step = np.divmod(bin_ % expected.shape[1], counts.shape[2])
        within = rng.random(n)
        log_distance = LOG_DISTANCE[step] + within * (LOG_DISTANCE[1] - LOG_DISTANCE[0])
        near = edges_a0[row, step]
        a0 = near + within * (edges_a0[row, step + 1] - near)
        magnitude = self._magnitudes(population, a0, log_distance, rng)

        limit = np.array(G_STEPS)[rng.integers(0, len(G_STEPS), n)]
        bits = 2 * (HEALPIX_ORDER - order)
        healpix = np.sort((pixels[row] << bits) | rng.integers(0, 1 << bits, n))
        kick = rng.standard_normal((n, 3))
        seen = magnitude[0] <= limit
        return _moving_stars(
            healpix[seen],
            np.exp(log_distance[seen]),
            magnitude[:, seen],
            population[seen],
            kick[seen],
        )

    def _magnitudes(
        self,
        population: NDArray[np.int64],
        a0: Array,
        log_distance: Array,
        rng: np.random.Generator,
    ) -> Array:
        """Draw apparent G, BP, RP [mag], shape (3, n)."""
        limit = _absolute(G_LIMIT, a0, log_distance)
        n = len(a0)
        brightness, ratio = rng.random(n), rng.uniform(0.2, 1.0, n)
        ratio[rng.random(n) >= BINARY_FRACTION] = 0.0
        magnitude = np.empty((3, n))
        for i, lf in enumerate(self.luminosity):
            rows = np.flatnonzero(population == i)
            star = lf.draw(limit[rows], brightness[rows])
            dimming = self.extinction.extinction(lf.teff_index[star], a0[rows])
            magnitude[:, rows] = lf.with_companions(star, ratio[rows]) + dimming
        magnitude += 5.0 * log_distance / np.log(10.0) - 5.0
        return magnitude


def _moving_stars(
    healpix: NDArray[np.int64],
    distance: Array,
    magnitude: Array,
    population: NDArray[np.int64],
    kick: Array,
) -> Columns:
    """Return stars with positions at the centres of pixels of order 29, and with their motions."""
    ra, dec = healpy.pix2ang(1 << HEALPIX_ORDER, healpix, nest=True, lonlat=True)
    xyz = frame.galactic_xyz(ra, dec, distance)
    rotation = np.array([p.rotation_kms for p in POPULATIONS], dtype=float)[population]
    dispersion = np.array([p.dispersion_kms for p in POPULATIONS], dtype=float)[population]
    radius, _ = frame.galactocentric(xyz)
    outward = np.where([p.name.endswith("disc") for p in POPULATIONS], 1.0, 0.0)[population]
    dispersion *= np.exp(outward * (frame.SUN_RADIUS_PC - radius) / DISPERSION_LENGTH_PC)[:, None]
    velocity = frame.circular_velocity(xyz, rotation) + kick * dispersion
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


def _absolute(limit_mag: float, a0: Array, log_distance: Array) -> Array:
    """Return the absolute G [mag] of a limit in apparent G, at ln distances [pc]."""
    # A_G <= A0 except for the hottest stars, which are far brighter than the limit
    return limit_mag - a0 - 5.0 * log_distance / np.log(10.0) + 5.0


def _directions(pixels: NDArray[np.int64]) -> Array:
    """Return unit vectors, shape (n, 3), to the centres of pixels of `MODEL_ORDER`."""
    ra, dec = healpy.pix2ang(1 << MODEL_ORDER, pixels, nest=True, lonlat=True)
    return frame.galactic_xyz(ra, dec, 1.0)


def _model_pixels(cell: HealpixPixel) -> tuple[NDArray[np.int64], int]:
    """Return the pixels of `MODEL_ORDER` (or finer) in which a cell is drawn, and their order."""
    order = max(cell.order, MODEL_ORDER)
    first, end = finer(cell.pixel, cell.order, order), finer(cell.pixel + 1, cell.order, order)
    return np.arange(first, end), order
