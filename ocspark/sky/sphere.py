"""Compute angles on the sphere; valid at the poles and across RA 0/360."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Return Cartesian unit vectors, shape (n, 3), of directions given in degrees."""
    ra, dec = np.radians(np.asarray(ra_deg, float)), np.radians(np.asarray(dec_deg, float))
    return np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=-1)


def separation_rad(
    ra1_deg: ArrayLike, dec1_deg: ArrayLike, ra2_deg: ArrayLike, dec2_deg: ArrayLike
) -> NDArray[np.float64]:
    """Return the angular separation [rad] of positions [deg], which are broadcast.

    By the haversine form of the paper's Eq. 12 (in which a sign is misprinted); accurate for small
    angles.
    """
    ra1, dec1 = np.radians(np.asarray(ra1_deg, float)), np.radians(np.asarray(dec1_deg, float))
    ra2, dec2 = np.radians(np.asarray(ra2_deg, float)), np.radians(np.asarray(dec2_deg, float))
    sin_dec, sin_ra = np.sin((dec2 - dec1) / 2), np.sin((ra2 - ra1) / 2)
    chord = sin_dec**2 + np.cos(dec1) * np.cos(dec2) * sin_ra**2
    return np.asarray(2.0 * np.arcsin(np.sqrt(np.minimum(chord, 1.0))))


def mean_direction(ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[float, float]:
    """Return (ra, dec) [deg] of the mean unit vector, ra in [0, 360)."""
    x, y, z = unit_vectors(ra_deg, dec_deg).mean(axis=0)
    ra = float(np.degrees(np.arctan2(y, x)) % 360.0)
    return (0.0 if ra >= 360.0 else ra), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def tangent_plane_rad(
    ra_deg: ArrayLike, dec_deg: ArrayLike, ra0_deg: float, dec0_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return offsets (east, north) [rad] from a centre, in the azimuthal equidistant projection.

    Distances and directions from the centre are kept. Unlike the gnomonic projection it also works
    for wide cones.
    """
    vectors = unit_vectors(ra_deg, dec_deg)
    ra0, dec0 = np.radians(ra0_deg), np.radians(dec0_deg)
    x = vectors @ np.array([-np.sin(ra0), np.cos(ra0), 0.0])
    y = vectors @ np.array([-np.sin(dec0) * np.cos(ra0), -np.sin(dec0) * np.sin(ra0), np.cos(dec0)])
    along, across = vectors @ unit_vectors(ra0_deg, dec0_deg), np.hypot(x, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(across > 0.0, np.arctan2(across, along) / across, 1.0)
    return x * scale, y * scale
