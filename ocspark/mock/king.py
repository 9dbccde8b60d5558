"""Draw the positions of a cluster's stars: a King (1962) profile with a halo around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocspark.mock.frame import Array

_N_RADII = 2_000


@dataclass(frozen=True)
class KingProfile:
    """Number density of a cluster about its centre.

    Attributes
    ----------
    core_pc, tidal_pc : float
        King's core and tidal radius [pc].
    halo_fraction : float
        Share of the stars that belong to the halo, a Plummer sphere of half the tidal radius.
    cut_pc : float
        Largest distance of a star from the centre [pc].
    """

    core_pc: float
    tidal_pc: float
    halo_fraction: float
    cut_pc: float

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw positions relative to the centre [pc], shape (n, 3), in random directions."""
        radius, number = king_cumulative(self.core_pc, self.tidal_pc)
        inside = np.interp(rng.random(n), number, radius)
        scale = self.tidal_pc / 2.0
        within_cut = (1.0 + (scale / self.cut_pc) ** 2) ** -1.5
        mass = np.maximum(rng.random(n), 1e-12) * within_cut
        halo = scale / np.sqrt(mass ** (-2.0 / 3.0) - 1.0)
        radius = np.where(rng.random(n) < self.halo_fraction, halo, np.minimum(inside, self.cut_pc))
        direction = rng.standard_normal((n, 3))
        return direction * (radius / np.linalg.norm(direction, axis=1))[:, None]

    @property
    def half_pc(self) -> float:
        """Radius on the sky [pc] within which half of the King profile's stars lie."""
        radius = np.linspace(0.0, self.tidal_pc, _N_RADII)
        number = king_projected(radius, self.core_pc, self.tidal_pc)
        return float(np.interp(0.5 * number[-1], number, radius))


def king_cumulative(core_pc: float, tidal_pc: float) -> tuple[Array, Array]:
    """Return radii in space [pc] and the share of stars within each (King 1962, Eq. 27).

    Projected on the sky, this density is King's empirical profile (Eq. 14).
    """
    radius = np.linspace(0.0, tidal_pc, _N_RADII)
    z = np.sqrt((1.0 + (radius / core_pc) ** 2) / (1.0 + (tidal_pc / core_pc) ** 2))
    z = np.minimum(z, 1.0)
    density = (np.arccos(z) / z - np.sqrt(1.0 - z**2)) / z**2
    shells = radius**2 * density
    number = np.concatenate(([0.0], np.cumsum((shells[1:] + shells[:-1]) / 2.0)))
    return radius, number / number[-1]


def king_projected(radius_pc: Array, core_pc: float, tidal_pc: float) -> Array:
    """Return the number of stars within a radius on the sky, up to a constant (King 1962, Eq. 18).

    Radii beyond the tidal radius count as the tidal radius.
    """
    x = np.minimum(radius_pc / core_pc, tidal_pc / core_pc) ** 2
    edge = 1.0 + (tidal_pc / core_pc) ** 2
    return np.asarray(
        np.log1p(x) - 4.0 * (np.sqrt(1.0 + x) - 1.0) / np.sqrt(edge) + x / edge, dtype=float
    )
