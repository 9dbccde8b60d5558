"""Fit the isochrone to the members' colours: a shift with G, a width, a share of binaries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ocspark.posterior.colours import C_BINS, C_STEP, MemberColours
from ocspark.posterior.stars import RelativeStars

Floats = NDArray[np.float64]

#: Uniform density of members in colour [1/mag], relative to that of the isochrone: for giants,
#: stragglers, and isochrones that do not fit.
FLOOR = 0.03
#: Integral of the densities with it over the range of colour.
_TOTAL = 1.0 + FLOOR * C_BINS * C_STEP
#: G at which the shift dC is fitted [mag], constant beyond; range of G of the stars for each.
KNOTS = (12.0, 15.0, 18.0)
RANGES = ((0.0, 13.5), (13.5, 16.5), (16.5, 18.7))
#: Shifts that are tried [mag] and the width of their prior [mag].
SHIFTS, SHIFT_PRIOR = np.linspace(-0.08, 0.08, 33), 0.03
#: Intrinsic widths w_C that are tried [mag]; faintest stars that are used; centre and width (in ln)
#: of the prior.
COLOUR_WIDTHS = np.array([0.008, 0.012, 0.018, 0.025, 0.035, 0.05, 0.07])
WIDTH_MAX_G, WIDTH_PRIOR, WIDTH_PRIOR_SIGMA = 18.0, 0.015, 1.0
#: Least Σq with which a shift is fitted, and least q of the stars that are used.
LEAST_STARS, LEAST_Q = 8.0, 0.02
#: First value and prior of the share of binaries; weight of the prior, in stars; limits.
FIRST_BINARY_SHARE, BINARY_PRIOR_STARS, BINARY_LIMITS = 0.35, 30.0, (0.05, 0.8)


@dataclass(frozen=True)
class ColourFit:
    """Fitted colours.

    Attributes
    ----------
    binary_share : float
        f_b.
    shift : tuple of float
        dC at `KNOTS` [mag].
    width : float
        Intrinsic width w_C [mag].
    """

    binary_share: float = FIRST_BINARY_SHARE
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    width: float = WIDTH_PRIOR

    def limits_reached(self) -> list[str]:
        """Return the names of those of f_b, dC and w_C that are at a limit, a sign of a bad fit.

        The least w_C does not count: there the isochrone fits as well as can be measured.
        """
        reached = {
            "binary share": self.binary_share in BINARY_LIMITS,
            "colour shift": bool(np.any(np.abs(self.shift) >= SHIFTS[-1] - 1e-9)),
            "colour width": self.width == COLOUR_WIDTHS[-1],
        }
        return [name for name, at_limit in reached.items() if at_limit]


def densities(
    colours: MemberColours, stars: RelativeStars, fit: ColourFit
) -> tuple[Floats, Floats]:
    """Return P(C − dC(G) | G, √(σ_C² + w_C²)) of singles and of binaries [1/mag], shape (n,)."""
    shift = np.interp(stars.g_mag, KNOTS, fit.shift)
    width = np.hypot(stars.colour_error, fit.width)
    return colours.densities(stars.colour - shift, stars.g_mag, width)


def mixed(single: Floats, binary: Floats, binary_share: float) -> Floats:
    """Return d = ((1 − f_b) · singles + f_b · binaries + 0.03) / 1.12 [1/mag], shape (n,).

    d is normalised with the uniform density included. Otherwise φ, and so every q, would be too
    large where the field is denser than the uniform density.
    """
    return ((1.0 - binary_share) * single + binary_share * binary + FLOOR) / _TOTAL


def update_binary_share(fit: ColourFit, q: Floats, single: Floats, binary: Floats) -> ColourFit:
    """Return the fit with f_b after one step of expectation–maximisation.

    f_b ← Σ q f_b P_binary/d over Σ q (d without the uniform density)/d, with a prior of 30 stars at
    0.35.

    Parameters
    ----------
    fit : ColourFit
        The present fit.
    q : array, shape (n,)
        Probability of each star.
    single, binary : arrays, shape (n,)
        P(C | G) of single stars and of binaries [1/mag].
    """
    in_binary = fit.binary_share * binary
    on_isochrone = (1.0 - fit.binary_share) * single + in_binary
    per_density = q / (on_isochrone + FLOOR)
    expected = float((per_density * in_binary).sum())
    of = float((per_density * on_isochrone).sum())
    share = (expected + FIRST_BINARY_SHARE * BINARY_PRIOR_STARS) / (of + BINARY_PRIOR_STARS)
    return replace(fit, binary_share=float(np.clip(share, *BINARY_LIMITS)))


def update_ridge(
    colours: MemberColours, stars: RelativeStars, q: Floats, fit: ColourFit
) -> ColourFit:
    """Return the fit with the most likely shift at each knot, and then the most likely width.

    Each maximises Σ q ln d plus the logarithm of its prior, among the values that are tried.

    Parameters
    ----------
    colours : MemberColours
        Colours of the members along the isochrone.
    stars : RelativeStars
        The near stars.
    q : array, shape (n,)
        Probability of each.
    fit : ColourFit
        The present fit.
    """
    counts = q > LEAST_Q
    shift = list(fit.shift)
    for knot, (low, high) in enumerate(RANGES):
        rows = np.flatnonzero(counts & (stars.g_mag > low) & (stars.g_mag <= high))
        if q[rows].sum() <= LEAST_STARS:
            continue
        some, weight = stars.take(rows), q[rows]
        gains = [
            _log_likelihood(colours, some, weight, replace(fit, shift=(tried,) * 3))
            - 0.5 * (tried / SHIFT_PRIOR) ** 2
            for tried in SHIFTS
        ]
        shift[knot] = float(SHIFTS[int(np.argmax(gains))])
    fit = replace(fit, shift=(shift[0], shift[1], shift[2]))
    rows = np.flatnonzero(counts & (stars.g_mag < WIDTH_MAX_G))
    some, weight = stars.take(rows), q[rows]
    gains = [
        _log_likelihood(colours, some, weight, replace(fit, width=tried))
        - 0.5 * (np.log(tried / WIDTH_PRIOR) / WIDTH_PRIOR_SIGMA) ** 2
        for tried in COLOUR_WIDTHS
    ]
    return replace(fit, width=float(COLOUR_WIDTHS[int(np.argmax(gains))]))


def _log_likelihood(
    colours: MemberColours, stars: RelativeStars, weight: Floats, fit: ColourFit
) -> float:
    density = mixed(*densities(colours, stars, fit), fit.binary_share)
    return float((weight * np.log(density)).sum())
