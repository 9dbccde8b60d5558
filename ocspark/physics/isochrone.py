"""A cluster's apparent isochrone in the plane (C = G − G_RP, G) (paper §2.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.physics.extinction import extinction_coefficients

#: Last evolutionary stage kept (early AGB) and last one whose gaps are filled (PARSEC `label`).
LAST_STAGE, LAST_FILLED_STAGE = 7, 5
#: Longest gap left between listed points, in the metric |(8 ΔC, ΔG)| [mag].
MAX_GAP = 0.2
COLOUR_WEIGHT = 8.0
#: dustapprox's polynomials end here [K].
MAX_TEFF = 50_000.0

Extinction = Callable[
    [NDArray[np.float64], float],
    tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
]


def nearest_age(log_ages: NDArray[np.float64], log_age: float) -> float:
    """Return the tabulated log age nearest to `log_age`; of two equally near, the younger."""
    return float(log_ages[np.argmin(np.abs(log_ages - log_age))])


@dataclass(frozen=True)
class ApparentPoints:
    """The points of an isochrone as seen at a distance through dust, in the table's order.

    Attributes
    ----------
    colour, g_mag : arrays, shape (n,)
        Apparent C = G − G_RP and G [mag].
    initial_mass : array, shape (n,)
        Mass at birth [M☉].
    label : array of int, shape (n,)
        Evolutionary stage of PARSEC, at most `LAST_STAGE`.
    """

    colour: NDArray[np.float64]
    g_mag: NDArray[np.float64]
    initial_mass: NDArray[np.float64]
    label: NDArray[np.int64]


def apparent_points(
    isochrone: pd.DataFrame,
    distance_pc: float,
    a0: float,
    law: str | None = None,
    passbands: tuple[str, str, str] | None = None,
) -> ApparentPoints:
    """Redden one isochrone and shift it to a distance, keeping each point's initial mass.

    Parameters
    ----------
    isochrone : DataFrame
        Points of one age and metallicity, as `read_isochrones` returns them.
    distance_pc : float
        Distance [pc], positive.
    a0 : float
        Extinction at 550 nm [mag]; where it is not 0, points above `MAX_TEFF` are dropped.
    law, passbands : optional
        dustapprox polynomial and its G, BP, RP names; the paper's by default.
    """
    points = isochrone[isochrone["label"] <= LAST_STAGE]
    if a0 != 0:
        points = points[10.0 ** points["log_teff"].to_numpy() <= MAX_TEFF]
    g, rp = points["g_mag"].to_numpy(), points["rp_mag"].to_numpy()
    if a0 != 0:
        coefficients: Extinction = extinction_coefficients
        if law is not None and passbands is not None:
            coefficients = partial(extinction_coefficients, law=law, passbands=passbands)
        k_g, _, k_rp = coefficients(10.0 ** points["log_teff"].to_numpy(), a0)
        g, rp = g + k_g * a0, rp + k_rp * a0
    return ApparentPoints(
        colour=g - rp,
        g_mag=g + 5.0 * np.log10(distance_pc) - 5.0,
        initial_mass=points["initial_mass"].to_numpy(dtype=float),
        label=points["label"].to_numpy(),
    )


def apparent_isochrone(
    isochrone: pd.DataFrame,
    distance_pc: float,
    a0: float,
    law: str | None = None,
    passbands: tuple[str, str, str] | None = None,
) -> NDArray[np.float64]:
    """Redden, shift to the distance and densify one isochrone.

    Parameters are those of `apparent_points`.

    Returns
    -------
    array, shape (n, 2)
        Points (C, G) [mag]; "nearest point" always means nearest of these.
    """
    points = apparent_points(isochrone, distance_pc, a0, law, passbands)
    curve = np.column_stack((points.colour, points.g_mag))
    young = points.label <= LAST_FILLED_STAGE
    return np.concatenate((densify(curve[young]), curve[~young]))


def densify(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Insert points into the gaps of a curve that are longer than `MAX_GAP`.

    Between consecutive points with s = |(8 ΔC, ΔG)| > 0.2 go the interior points of
    ``linspace(start, end, max(floor(s / 0.2), 3))``.

    Parameters
    ----------
    curve : array, shape (n, 2)
        Points (C, G) [mag] in order.

    Returns
    -------
    array, shape (m, 2), m >= n
    """
    if len(curve) < 2:
        return curve
    step = np.diff(curve, axis=0)
    gap = np.linalg.norm(step * np.array([COLOUR_WEIGHT, 1.0]), axis=1)
    pieces = []
    for start, delta, length in zip(curve[:-1], step, gap, strict=True):
        pieces.append(start[None])
        if length > MAX_GAP:
            n_points = max(int(length // MAX_GAP), 3)
            inside = np.linspace(0.0, 1.0, n_points)[1:-1, None]
            pieces.append(start + inside * delta)
    pieces.append(curve[-1:])
    return np.concatenate(pieces)
