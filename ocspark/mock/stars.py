"""Draw stars from PARSEC isochrones: luminosity functions for the field, tracks for clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.frame import Array
from ocspark.physics.isochrone import LAST_STAGE, MAX_TEFF

#: Faintest apparent G of the generated stars [mag].
G_LIMIT = 21.0
#: The survey's completeness falls in equal steps at these magnitudes (tuned).
G_STEPS = (20.5, 20.7, 20.8, 20.85, 20.9, 20.95, 21.0, 21.0)
#: Share of stars with an unresolved companion.
BINARY_FRACTION = 0.35
#: Pieces into which the gap between two isochrone points is divided, so that masses are nearly
#: continuous. The field needs fewer, since the points of its many isochrones interleave.
_PIECES, _FIELD_PIECES = 8, 3
#: Grid of absolute G [mag] on which the share of brighter stars is tabulated.
_BRIGHTEST, _FAINTEST, _STEP = -10.0, 25.0, 0.02
#: PARSEC label of the main sequence, along which stars grow brighter with mass.
_MAIN_SEQUENCE = 1
_NO_LIGHT = 60.0  # magnitude of a companion below the lowest listed mass
_POINT = ["initial_mass", "log_teff", "g_mag", "bp_mag", "rp_mag"]


def kroupa_cumulative(mass: Array) -> Array:
    """Return the number of stars below a mass [M_sun] (Kroupa 2001), up to a constant factor."""
    low = np.minimum(mass, 0.5) ** -0.3 / -0.3
    high = 0.5 * (np.maximum(mass, 0.5) ** -1.3 - 0.5**-1.3) / -1.3
    return low + high


def add_magnitudes(first: Array, second: Array) -> Array:
    """Return the magnitude [mag] of two unresolved stars together."""
    return first - 2.5 * np.log10(1.0 + 10.0 ** (-0.4 * (second - first)))


@dataclass(frozen=True)
class LuminosityFunction:
    """Stars of a population, sorted by brightness, to be drawn down to limits in absolute G.

    Attributes
    ----------
    magnitude : array, shape (3, n)
        Absolute G, BP, RP [mag], sorted by G.
    mass : array, shape (n,)
        Initial mass [M_sun].
    teff_index : array, shape (n,)
        Columns of the stars in `ExtinctionGrid`.
    cumulative : array, shape (n,)
        Fraction of all stars that are as bright or brighter.
    brighter : array, shape (2, n_grid)
        The same fraction on an even grid of limits, of all stars and of those that the survey
        detects, with the steps of completeness `G_STEPS`.
    main_sequence : array, shape (4, m)
        Initial mass (ascending) and absolute G, BP, RP of companions, from the oldest isochrone:
        its main sequence holds only stars that live at all ages.
    """

    magnitude: NDArray[np.float64]
    mass: NDArray[np.float64]
    teff_index: NDArray[np.int64]
    cumulative: NDArray[np.float64]
    brighter: NDArray[np.float64]
    main_sequence: NDArray[np.float64]

    @classmethod
    def from_isochrones(
        cls,
        isochrones: pd.DataFrame,
        log_age_range: tuple[float, float],
        metallicities: Sequence[tuple[float, float]],
    ) -> LuminosityFunction:
        """Mix the isochrones of a range of ages at a constant star formation rate.

        Parameters
        ----------
        isochrones : DataFrame
            See `ocspark.inputs.isochrones.read_isochrones`; several metallicities.
        log_age_range : tuple of float
            Lowest and highest log age [dex].
        metallicities : sequence of (Z, share)
            Metallicities with their shares; the isochrones nearest in Z are used.
        """
        low, high = log_age_range
        kept = isochrones[(isochrones["log_age"] >= low) & (isochrones["log_age"] <= high)]
        kept = kept[kept["label"] <= LAST_STAGE]
        listed = np.unique(kept["z_ini"])
        rows = []
        for metallicity, share in metallicities:
            z_ini = listed[np.argmin(np.abs(listed - metallicity))]
            for log_age, points in kept[kept["z_ini"] == z_ini].groupby("log_age"):
                fine = _subdivide(points[_POINT].to_numpy(dtype=float), _FIELD_PIECES)
                number = np.diff(kroupa_cumulative(fine[:, 0]), append=np.nan)
                # log ages are evenly spaced, so each covers a span of years as long as its age
                weight = np.maximum(np.nan_to_num(number), 0.0) * share * 10.0 ** float(log_age)
                rows.append(np.column_stack((fine, weight)))
        table = np.concatenate(rows)
        table = table[np.argsort(table[:, 2], kind="stable")]
        cumulative = np.cumsum(table[:, 5])
        cumulative /= cumulative[-1]
        grid = np.arange(_BRIGHTEST, _FAINTEST, _STEP)
        offsets = np.array([0.0, *(step - G_LIMIT for step in G_STEPS)])
        shares = np.interp(grid + offsets[:, None], table[:, 2], cumulative, left=0.0)
        z_main = listed[np.argmin(np.abs(listed - max(metallicities, key=lambda m: m[1])[0]))]
        oldest = kept[(kept["z_ini"] == z_main) & (kept["log_age"] == kept["log_age"].max())]
        single = oldest[oldest["label"] <= _MAIN_SEQUENCE]
        return cls(
            magnitude=np.ascontiguousarray(table[:, 2:5].T),
            mass=table[:, 0].copy(),
            teff_index=ExtinctionGrid.teff_index(table[:, 1]),
            cumulative=cumulative,
            brighter=np.stack((shares[0], shares[1:].mean(axis=0))),
            main_sequence=single[["initial_mass", "g_mag", "bp_mag", "rp_mag"]].to_numpy(float).T,
        )

    def fraction_brighter(self, limit_mag: Array, seen: bool = False) -> Array:
        """Return the fraction of all stars with absolute G up to `limit_mag` [mag].

        With `seen`, only stars that the survey detects are counted.
        """
        last = self.brighter.shape[1] - 1
        at = np.clip((limit_mag - _BRIGHTEST) / _STEP, 0.0, last - 1e-6)
        low = at.astype(np.int64)
        share = self.brighter[int(seen)]
        return share[low] + (at - low) * (share[low + 1] - share[low])

    def draw(self, limit_mag: Array, uniform: Array) -> NDArray[np.int64]:
        """Draw stars with absolute G up to `limit_mag` [mag].

        Parameters
        ----------
        limit_mag : array, shape (n,)
            Faintest absolute G of each star.
        uniform : array, shape (n,)
            Random numbers in [0, 1).

        Returns
        -------
        array of int64, shape (n,)
            Indices of the stars.
        """
        last = np.searchsorted(self.magnitude[0], limit_mag, side="right") - 1
        last = np.maximum(last, 0)
        index = np.searchsorted(self.cumulative, uniform * self.cumulative[last])
        return np.minimum(index, last)

    def with_companions(self, star: NDArray[np.int64], mass_ratio: Array) -> Array:
        """Return absolute G, BP, RP [mag], shape (3, n), of stars and their companions together.

        Parameters
        ----------
        star : array, shape (n,)
            Indices as `draw` returns them.
        mass_ratio : array, shape (n,)
            Initial mass of the companion over that of the star, 0 for none.
        """
        magnitude = self.magnitude[:, star]
        double = np.flatnonzero(mass_ratio)
        mass = self.mass[star[double]] * mass_ratio[double]
        for band in range(3):
            faint = np.interp(
                mass, self.main_sequence[0], self.main_sequence[band + 1], left=_NO_LIGHT
            )
            magnitude[band, double] = add_magnitudes(magnitude[band, double], faint)
        return magnitude


@dataclass(frozen=True)
class Track:
    """The apparent isochrone of a cluster, as in the main job, with the IMF along it.

    Attributes
    ----------
    points : array, shape (n, 4)
        Initial mass [M_sun] and apparent G, BP, RP [mag].
    number : array, shape (n,)
        Relative number of stars from each point to the next; 0 beyond the magnitude limit.
    main_sequence : array, shape (m, 4)
        Points of the main sequence, for companions.
    """

    points: NDArray[np.float64]
    number: NDArray[np.float64]
    main_sequence: NDArray[np.float64]

    @classmethod
    def apparent(
        cls,
        isochrone: pd.DataFrame,
        distance_pc: float,
        a0: float,
        limit_mag: float,
        extinction: ExtinctionGrid,
    ) -> Track:
        """Redden and shift an isochrone; extinction acts on its listed points (method §5).

        Parameters
        ----------
        isochrone : DataFrame
            Points of one age and metallicity (`ocspark.inputs.isochrones`).
        distance_pc, a0 : float
            Distance [pc] and extinction A0 [mag].
        limit_mag : float
            Faintest apparent G [mag].
        extinction : ExtinctionGrid
            Extinction in G, BP and RP.
        """
        listed = isochrone[isochrone["label"] <= LAST_STAGE]
        if a0 != 0:
            listed = listed[10.0 ** listed["log_teff"] <= MAX_TEFF]
        values = listed[["initial_mass", "g_mag", "bp_mag", "rp_mag"]].to_numpy(dtype=float)
        if a0 != 0:
            values[:, 1:] += extinction.of_isochrone(listed["log_teff"].to_numpy(dtype=float), a0).T
        values[:, 1:] += 5.0 * np.log10(distance_pc) - 5.0
        fine = _subdivide(values)
        number = np.maximum(np.diff(kroupa_cumulative(fine[:, 0]), append=-np.inf), 0.0)
        number[fine[:, 1] > limit_mag] = 0.0
        return cls(fine, number, values[listed["label"].to_numpy() <= _MAIN_SEQUENCE])

    def fraction_brighter(self, g_mag: float) -> float:
        """Return the share of stars with apparent G up to `g_mag` [mag]."""
        return float(self.number[self.points[:, 1] <= g_mag].sum() / self.number.sum())

    def draw(self, n: int, binary_fraction: float, rng: np.random.Generator) -> dict[str, Array]:
        """Draw stars along the isochrone.

        Parameters
        ----------
        n : int
            Number of stars.
        binary_fraction : float
            Share of stars with an unresolved companion.
        rng : Generator
            Source of the random numbers.

        Returns
        -------
        dict of arrays, shape (n,)
            initial_mass and companion_mass (0 for single stars) [M_sun], g, bp, rp [mag].
        """
        cumulative = np.cumsum(self.number)
        index = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
        index = np.minimum(index, len(self.points) - 2)
        along = rng.random(n)[:, None]
        star = self.points[index] * (1.0 - along) + self.points[index + 1] * along
        binary = rng.random(n) < binary_fraction
        companion = star[:, 0] * rng.uniform(0.2, 1.0, n) * binary
        magnitudes = []
        for band in (1, 2, 3):
            faint = np.interp(
                companion, self.main_sequence[:, 0], self.main_sequence[:, band], left=_NO_LIGHT
            )
            magnitudes.append(add_magnitudes(star[:, band], faint))
        return {
            "initial_mass": star[:, 0],
            "companion_mass": companion,
            **dict(zip(("g", "bp", "rp"), magnitudes, strict=True)),
        }


def _subdivide(points: Array, pieces: int = _PIECES) -> Array:
    """Insert evenly spaced points between given ones: shape (n, k) becomes (m, k)."""
    at = np.arange((len(points) - 1) * pieces + 1) / pieces
    listed = np.arange(len(points))
    return np.stack([np.interp(at, listed, column) for column in points.T], axis=1)
