"""Model the members' colours (step 1): P(C | G, σ) of single stars and binaries on an isochrone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d

from ocspark.physics.isochrone import COLOUR_WEIGHT, ApparentPoints

Floats = NDArray[np.float64]

#: Grid of G and C [mag]: first edge, step, number of bins.
G_LOW, G_STEP, G_BINS = 4.0, 0.05, 352
C_LOW, C_STEP, C_BINS = -1.0, 0.01, 400
#: Widths σ of the Gaussians that the grid is convolved with along C [mag].
WIDTHS = np.geomspace(0.008, 0.45, 11)
#: Smoothing along G [mag], so that a thin giant branch has some width.
G_SMOOTHING = 0.1
#: Longest piece of the isochrone in |(8 ΔC, ΔG)| [mag], and mass ratios of binaries.
PIECE, MASS_RATIOS = 0.01, np.linspace(0.1, 1.0, 91)[:-1] + 0.005
#: Masses at which the initial mass function changes slope [M☉].
_FLAT_BELOW, _BREAK = 0.08, 0.5
#: Least weight of a piece, so that stages with no interval of mass are not left out.
_LEAST = 1e-12
_MAIN_SEQUENCE = 1  # PARSEC `label`: 0 before it, 1 on it


def imf_number(mass: Floats) -> Floats:
    """Return the number of stars born with less than a mass [M☉], up to a factor.

    Kroupa (2001, doi:10.1046/j.1365-8711.2001.04022.x): dN/dm ∝ m^−1.3 below 0.5 M☉ and m^−2.3
    above, continuous, with dN/dm = m^−2.3 above 0.5; flat below 0.08 M☉.
    """
    low = np.clip(mass, _FLAT_BELOW, _BREAK)
    high = np.maximum(mass, _BREAK)
    flat = np.minimum(mass, _FLAT_BELOW) * _FLAT_BELOW**-1.3 / _BREAK
    middle = (_FLAT_BELOW**-0.3 - low**-0.3) / 0.3 / _BREAK
    return flat + middle + (_BREAK**-1.3 - high**-1.3) / 1.3


class MemberColours:
    """Densities P(C | G, σ) [1/mag] of a cluster's single stars and binaries.

    Parameters
    ----------
    isochrone : ApparentPoints
        Points with initial masses, sorted by mass.

    Notes
    -----
    The weight of a piece of the isochrone is the number of stars born in its interval of mass.
    Binaries have mass ratios uniform in 0.1–1; their secondaries are on the main sequence, and give
    no light below the lowest mass. The densities are convolved with Gaussians of `WIDTHS` and
    interpolated linearly in G, C and log σ.
    """

    def __init__(self, isochrone: ApparentPoints) -> None:
        self._isochrone = isochrone
        singles, binaries = (conditional_colours(*stars) for stars in _populations(isochrone))
        # both kinds are stored side by side, so that one look-up reads both
        self._densities = np.stack([_convolved(singles), _convolved(binaries)], axis=-1)

    def densities(self, colour: Floats, g_mag: Floats, width: Floats) -> tuple[Floats, Floats]:
        """Return P(C | G, σ) [1/mag] of single stars and of binaries, shape (n,) each.

        Parameters
        ----------
        colour, g_mag, width : arrays, shape (n,)
            C, G and σ [mag]; outside the grid the values at its edge are used.
        """
        places = (
            np.interp(np.log(width), np.log(WIDTHS), np.arange(len(WIDTHS))),
            (g_mag - G_LOW) / G_STEP - 0.5,
            (colour - C_LOW) / C_STEP - 0.5,
        )
        shape = self._densities.shape[:3]
        flat = self._densities.reshape(-1, 2)
        index = np.zeros(len(colour), dtype=np.int64)
        fractions = []
        for place, size in zip(places, shape, strict=True):
            place = np.clip(place, 0.0, size - 1.001)
            below = place.astype(np.int64)
            fractions.append(place - below)
            index = index * size + below
        total = np.zeros((len(colour), 2))
        strides = (shape[1] * shape[2], shape[2], 1)
        for corner in range(8):
            upper = [(corner >> axis) & 1 for axis in range(3)]
            step = sum(up * stride for up, stride in zip(upper, strides, strict=True))
            weight = np.ones(len(colour))
            for up, fraction in zip(upper, fractions, strict=True):
                weight *= fraction if up else 1.0 - fraction
            total += weight[:, None] * flat[index + step]
        return total[:, 0], total[:, 1]

    def ridge(self, g_mag: Floats) -> Floats:
        """Return the colour of the main sequence at G [mag], shape (n,)."""
        young = self._isochrone.label <= _MAIN_SEQUENCE
        g, colour = self._isochrone.g_mag[young], self._isochrone.colour[young]
        order = np.argsort(g, kind="stable")
        return np.interp(g_mag, g[order], colour[order])


def _populations(isochrone: ApparentPoints) -> list[tuple[Floats, Floats, Floats]]:
    """Return (C, G, number of stars) of single stars and of binaries along an isochrone."""
    place, mass_edges = _cut_into_pieces(isochrone)
    weight = np.maximum(np.diff(imf_number(mass_edges)), _LEAST)
    middle = 0.5 * (place[1:] + place[:-1])
    points = np.arange(len(isochrone.g_mag))
    mass, g, c = (
        np.interp(middle, points, values)
        for values in (isochrone.initial_mass, isochrone.g_mag, isochrone.colour)
    )
    rp = g - c
    young = isochrone.label <= _MAIN_SEQUENCE
    known = isochrone.initial_mass[young]
    second_mass = mass[:, None] * MASS_RATIOS
    seen = second_mass >= known[0]
    both = []
    for first, magnitude in (
        (g, isochrone.g_mag[young]),
        (rp, (isochrone.g_mag - isochrone.colour)[young]),
    ):
        second = np.interp(second_mass, known, magnitude)
        ratio = np.where(seen, 10.0 ** (-0.4 * (second - first[:, None])), 0.0)
        both.append(first[:, None] - 2.5 * np.log10(1.0 + ratio))
    g_both, rp_both = (magnitude.ravel() for magnitude in both)
    return [(c, g, weight), (g_both - rp_both, g_both, np.repeat(weight, len(MASS_RATIOS)))]


def _cut_into_pieces(isochrone: ApparentPoints) -> tuple[Floats, Floats]:
    """Cut the isochrone into pieces of at most `PIECE`; return their ends and the masses there.

    Ends are given as numbers of points with fractions between them, as `numpy.interp` takes them.
    """
    length = np.hypot(COLOUR_WEIGHT * np.diff(isochrone.colour), np.diff(isochrone.g_mag))
    n_pieces = np.maximum(np.ceil(length / PIECE), 1).astype(np.int64)
    start = np.repeat(np.arange(len(length)), n_pieces)
    first = np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    within = (np.arange(len(start)) - first) / np.repeat(n_pieces, n_pieces)
    place = np.append(start + within, len(length))
    return place, np.interp(place, np.arange(len(length) + 1), isochrone.initial_mass)


def conditional_colours(colour: Floats, g_mag: Floats, weight: Floats) -> Floats:
    """Return P(C | G) on the grid, each row of G summing to 1, shape (`G_BINS`, `C_BINS`).

    It is a histogram of stars, smoothed along G; a row without stars is that of the nearest with
    some.
    """
    row = np.floor((g_mag - G_LOW) / G_STEP).astype(np.int64)
    column = np.floor((colour - C_LOW) / C_STEP).astype(np.int64)
    inside = (row >= 0) & (row < G_BINS) & (column >= 0) & (column < C_BINS)
    counts = np.bincount(
        row[inside] * C_BINS + column[inside], weight[inside], G_BINS * C_BINS
    ).reshape(G_BINS, C_BINS)
    counts = gaussian_filter1d(counts, G_SMOOTHING / G_STEP, axis=0, mode="constant")
    total = counts.sum(axis=1)
    filled = np.flatnonzero(total > 0)
    if len(filled) == 0:
        return np.full((G_BINS, C_BINS), 1.0 / C_BINS)
    nearest = filled[np.argmin(np.abs(np.arange(G_BINS)[:, None] - filled), axis=1)]
    return counts[nearest] / total[nearest, None]


def _convolved(shares: Floats) -> NDArray[np.float32]:
    """Return the rows convolved with each of `WIDTHS`, as densities [1/mag] of shape (σ, G, C)."""
    size = 2 * C_BINS  # twice as long, so that nothing wraps around
    frequency = np.arange(size // 2 + 1) / (size * C_STEP)
    gaussian = np.exp(-2.0 * (np.pi * frequency * WIDTHS[:, None]) ** 2)
    spectrum = rfft(shares, size, axis=1)
    smooth = irfft(spectrum * gaussian[:, None, :], size, axis=2)[:, :, :C_BINS]
    return np.maximum(smooth / C_STEP, 0.0).astype(np.float32)
