"""Convert between positions and velocities in the Galaxy and those seen from the Sun.

Galactic Cartesian coordinates are heliocentric [pc]: x towards the Galactic centre, y in the
direction of rotation, z to the north Galactic pole; velocities have the same axes [km/s].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Columns of a table by name, all of one length.
Columns = dict[str, NDArray[Any]]

#: Rows are the Galactic axes in ICRS (Hipparcos catalogue, ESA SP-1200, vol. 1, §1.5.3).
ICRS_TO_GALACTIC: Array = np.array(
    [
        [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
        [+0.4941094278755837, -0.4448296299600112, +0.7469822444972189],
        [-0.8676661490190047, -0.1980763734312015, +0.4559837761750669],
    ]
)
#: Distance to the centre [pc] (GRAVITY 2018) and height above the plane [pc] (Bennett & Bovy 2019).
SUN_RADIUS_PC, SUN_HEIGHT_PC = 8122.0, 20.8
#: Flat rotation curve [km/s] (Eilers et al. 2019).
ROTATION_KMS = 229.0
#: Motion of the Sun against the local standard of rest, U, V, W [km/s] (Schönrich et al. 2010).
SOLAR_MOTION_KMS = (11.10, 12.24, 7.25)
#: Speed of 1 au/yr [km/s]: v = 4.740 mu/parallax.
AU_PER_YEAR_KMS = 4.740470446
#: Obliquity of the ecliptic at J2000 [deg].
OBLIQUITY_DEG = 23.4392911


def _rotate(vectors: Array, matrix: Array) -> Array:
    # not matmul: the rounding of a BLAS may depend on the number of threads
    return np.einsum("...j,ij->...i", vectors, matrix)


def galactic_xyz(
    ra_deg: Array | float, dec_deg: Array | float, distance_pc: Array | float
) -> Array:
    """Return heliocentric Galactic positions [pc], shape (n, 3), of ICRS positions."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    unit = np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=-1)
    return _rotate(unit, ICRS_TO_GALACTIC) * np.asarray(distance_pc)[..., None]


def sky_position(xyz_pc: Array) -> tuple[Array, Array, Array]:
    """Return ra in [0, 360), dec [deg] and distance [pc] of Galactic positions, shape (n, 3)."""
    icrs = _rotate(xyz_pc, ICRS_TO_GALACTIC.T)
    ra = np.degrees(np.arctan2(icrs[..., 1], icrs[..., 0])) % 360.0
    dec = np.degrees(np.arctan2(icrs[..., 2], np.hypot(icrs[..., 0], icrs[..., 1])))
    return np.where(ra >= 360.0, 0.0, ra), dec, np.linalg.norm(xyz_pc, axis=-1)


def galactocentric(xyz_pc: Array) -> tuple[Array, Array]:
    """Return the distance from the Galaxy's axis and the height above its plane [pc]."""
    return (
        np.hypot(xyz_pc[..., 0] - SUN_RADIUS_PC, xyz_pc[..., 1]),
        xyz_pc[..., 2] + SUN_HEIGHT_PC,
    )


def circular_velocity(xyz_pc: Array, rotation_kms: Array | float = ROTATION_KMS) -> Array:
    """Return the velocity of circular rotation relative to the Sun [km/s], shape (n, 3)."""
    radius, _ = galactocentric(xyz_pc)
    radius = np.maximum(radius, 1.0)  # the axis itself has no direction of rotation
    velocity = np.empty(np.shape(xyz_pc))
    velocity[..., 0] = rotation_kms * xyz_pc[..., 1] / radius - SOLAR_MOTION_KMS[0]
    velocity[..., 1] = rotation_kms * (SUN_RADIUS_PC - xyz_pc[..., 0]) / radius
    velocity[..., 1] -= ROTATION_KMS + SOLAR_MOTION_KMS[1]
    velocity[..., 2] = -SOLAR_MOTION_KMS[2]
    return velocity


def proper_motion(
    ra_deg: Array, dec_deg: Array, distance_pc: Array, velocity_kms: Array
) -> tuple[Array, Array]:
    """Return pmra (with cos dec) and pmdec [mas/yr] of heliocentric Galactic velocities, (n, 3)."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    sin_ra, cos_ra = np.sin(ra), np.cos(ra)
    v = _rotate(velocity_kms, ICRS_TO_GALACTIC.T)
    along_ra = v[..., 1] * cos_ra - v[..., 0] * sin_ra
    along_dec = np.cos(dec) * v[..., 2] - np.sin(dec) * (v[..., 0] * cos_ra + v[..., 1] * sin_ra)
    to_mas_yr = 1000.0 / (AU_PER_YEAR_KMS * np.asarray(distance_pc))
    return along_ra * to_mas_yr, along_dec * to_mas_yr


def transverse_velocity(
    ra_deg: float, dec_deg: float, distance_pc: float, pmra: float, pmdec: float
) -> Array:
    """Return the heliocentric Galactic velocity [km/s], shape (3,), of a proper motion [mas/yr]."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    to_kms = AU_PER_YEAR_KMS * distance_pc / 1000.0
    return _rotate((east * pmra + north * pmdec) * to_kms, ICRS_TO_GALACTIC)
