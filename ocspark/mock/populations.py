"""Define the stellar populations of the mock Galaxy: densities, kinematics, ages, metallicities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocspark.mock import frame
from ocspark.mock.frame import Array


@dataclass(frozen=True)
class Population:
    """A stellar population of the Galaxy.

    Attributes
    ----------
    name : str
        Name of the population.
    density : float
        Number density at the Sun (of the bulge: at the centre), relative to the whole thin disc's.
    length_pc, height_pc : float
        Scale length and height [pc]; 0 for the halo.
    dispersion_kms : tuple of float
        Velocity dispersions U, V, W [km/s].
    rotation_kms : float
        Mean rotation [km/s].
    log_age_range : tuple of float
        Lowest and highest log age [dex].
    metallicities : tuple of (Z, share)
        Metallicities with their shares.
    """

    name: str
    density: float
    length_pc: float
    height_pc: float
    dispersion_kms: tuple[float, float, float]
    rotation_kms: float
    log_age_range: tuple[float, float]
    metallicities: tuple[tuple[float, float], ...]


#: Scales and densities after Jurić et al. (2008), kinematics after Bensby et al. (2003) and
#: Nordström et al. (2004), adjusted to real fields; a bulge of 1.5e10 solar masses. Metallicities
#: are those of the isochrone grid.
POPULATIONS = (
    Population(
        "young disc", 0.15, 2600, 100, (15, 11, 7), 226, (7.0, 9.0), ((0.0164, 0.7), (0.0095, 0.3))
    ),
    Population(
        "thin disc",
        0.85,
        2600,
        300,
        (31, 20, 16),
        218,
        (9.0, 10.0),
        ((0.0164, 0.5), (0.0095, 0.4), (0.0054, 0.1)),
    ),
    Population(
        "thick disc",
        0.07,
        3200,
        850,
        (60, 38, 36),
        185,
        (9.9, 10.15),
        ((0.0095, 0.2), (0.0054, 0.5), (0.0031, 0.3)),
    ),
    Population(
        "halo",
        0.004,
        0,
        0,
        (140, 80, 75),
        10,
        (10.0, 10.15),
        ((0.00098, 0.5), (0.00055, 0.3), (0.00031, 0.2)),
    ),
    Population(
        "bulge", 120, 500, 300, (110, 100, 90), 80, (9.9, 10.1), ((0.0164, 0.6), (0.0095, 0.4))
    ),
)
#: Velocity dispersions of the discs fall outwards with this e-folding length [pc].
DISPERSION_LENGTH_PC = 7500.0


def density(population: Population, radius_pc: Array, height_pc: Array) -> Array:
    """Return the number density at Galactocentric positions, over the thin disc's at the Sun.

    Parameters
    ----------
    population : Population
        The population.
    radius_pc, height_pc : array
        Distance from the Galaxy's axis and height above its plane [pc].
    """
    if population.name == "halo":  # flattened power law, softened at the centre
        square = radius_pc**2 + (height_pc / 0.64) ** 2 + 500.0**2
        return population.density * (square / frame.SUN_RADIUS_PC**2) ** (-2.77 / 2)
    if population.name == "bulge":
        scaled = np.hypot(radius_pc / population.length_pc, height_pc / population.height_pc)
        return population.density * np.exp(-scaled)
    inward = (frame.SUN_RADIUS_PC - radius_pc) / population.length_pc
    return population.density * np.exp(inward - np.abs(height_pc) / population.height_pc)
