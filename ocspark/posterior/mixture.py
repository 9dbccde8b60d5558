"""Fit the mixture of members and field to a cluster's candidates (step 5).

q = φ(G) Σ w_k B_k(r) L / (φ(G) Σ w_k B_k(r) L + F), by expectation–maximisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.posterior import ridge
from ocspark.posterior.colours import MemberColours
from ocspark.posterior.field import COUNT_WIDTH, fit_field
from ocspark.posterior.magnitudes import GRID, MagnitudeBins
from ocspark.posterior.motions import Motion, fit_training_members, log_density, update_motion
from ocspark.posterior.profile import (
    discs,
    first_weights,
    surface_density,
    update_weights,
)
from ocspark.posterior.sky_map import SkyMap, core_radius
from ocspark.posterior.stars import RelativeStars

Floats = NDArray[np.float64]

#: Stars with a larger χ² from the members have q = 0; the others are called near.
NEAR_CHI2 = 30.0
#: The first field is learnt from stars beyond this radius [pc], or this share of R if smaller.
OUTER_PC, OUTER_SHARE = 20.0, 0.6
#: Rounds, each of which learns the field again; steps in a round; steps between updates of motions
#: and of colours.
ROUNDS, STEPS, MOTION_EVERY, COLOUR_EVERY = 3, 40, 8, 16
#: Steps of the single round of a bootstrap replicate.
REPLICATE_STEPS = 15
#: First luminosity function: that of the training members times this factor, smoothed by this width
#: [mag], constant beyond this G.
FIRST_FACTOR, FIRST_WIDTH, FIRST_LAST_G = 2.0, 0.6, 17.0
_LEAST_LUMINOSITY = 1e-9


@dataclass(frozen=True)
class Solution:
    """A fitted mixture.

    Attributes
    ----------
    motion : Motion
        Motion of the members.
    colours : ridge.ColourFit
        Colours of the members.
    radial_weights : array, shape (10,)
        Weights of the discs of `profile.REACHES_PC`.
    luminosity : array
        φ on `magnitudes.GRID` [1/mag], corrected for members outside the windows.
    q : array, shape (n,)
        Probability that a star is a member; 0 for stars that are not near.
    field : array, shape (n,)
        F at every star [1/(mag pc² (mas/yr)² mas mag)].
    """

    motion: Motion
    colours: ridge.ColourFit
    radial_weights: Floats
    luminosity: Floats
    q: Floats
    field: Floats


class Mixture:
    """The mixture of one cluster, which is fitted to its stars.

    Parameters
    ----------
    stars : RelativeStars
        All candidates within R that have finite values, sorted by source_id.
    colours : MemberColours
        Colours of the members along the isochrone.
    covered_radius : float
        R [pc].
    training : RelativeStars, optional
        Training members, from which motions and the luminosity function start; by default those
        among the stars.
    """

    def __init__(
        self,
        stars: RelativeStars,
        colours: MemberColours,
        covered_radius: float,
        training: RelativeStars | None = None,
    ) -> None:
        self.stars, self._colours, self._radius = stars, colours, covered_radius
        if training is None:
            training = stars.take(np.flatnonzero(stars.is_training))
        self._training = training
        self.first_motion = fit_training_members(self._training)
        _, chi2 = log_density(stars, self.first_motion)
        self.near = np.flatnonzero(chi2 < NEAR_CHI2)
        self._near_stars = stars.take(self.near)
        self._bins, self._near_bins = (
            MagnitudeBins(stars.g_mag),
            MagnitudeBins(self._near_stars.g_mag),
        )
        self._ridge = colours.ridge(stars.g_mag)
        self._discs = discs(self._near_stars.radius, covered_radius)
        self._outer = min(OUTER_PC, OUTER_SHARE * covered_radius)

    def fit(self) -> Solution:
        """Return the fit, which starts from the training members and the votes."""
        g_training = np.minimum(self._training.g_mag, FIRST_LAST_G)
        bins = MagnitudeBins(g_training)
        curve = FIRST_FACTOR * bins.smooth(np.ones(len(g_training)), FIRST_WIDTH)
        constant = MagnitudeBins(np.array([FIRST_LAST_G])).read(curve)[0]
        solution = Solution(
            motion=self.first_motion,
            colours=ridge.ColourFit(),
            radial_weights=first_weights(),
            luminosity=np.where(GRID > FIRST_LAST_G, constant, curve),
            q=np.zeros(len(self.stars)),
            field=np.zeros(len(self.stars)),
        )
        everyone = np.ones(len(self.stars))
        for number in range(ROUNDS):
            solution = self._round(solution, everyone, STEPS, first=number == 0)
        return solution

    def refit(self, solution: Solution, star_weight: Floats) -> Floats:
        """Return q, shape (n,), of a fit to weighted stars that starts from a solution.

        It takes one round of `REPLICATE_STEPS`, in which motions, ridge and widths stay fixed.

        Parameters
        ----------
        solution : Solution
            The start.
        star_weight : array, shape (n,)
            Weights of the stars.
        """
        return self._round(solution, star_weight, REPLICATE_STEPS, widths=False).q

    def expected_of_field(self, solution: Solution, shift: Floats, least_sigmas: float) -> float:
        """Return Σ (1 − q) q′, with q′ of the members' model moved and the field as fitted.

        Parameters
        ----------
        solution : Solution
            The fit.
        shift : array, shape (3,)
            Shift of the members' mean [mas/yr, mas/yr, mas].
        least_sigmas : float
            A star counts only if the shift is at least this many times its error along the shift,
            intrinsic widths included.
        """
        mean = np.array(solution.motion.mean) + shift
        motion = Motion((mean[0], mean[1], mean[2]), solution.motion.variance)
        log_motion, chi2 = log_density(self.stars, motion)
        length = float(np.sqrt((shift**2).sum()))
        total = self.stars.error**2 + np.array(motion.variance)[:, None]
        error = np.sqrt((total * (shift / length)[:, None] ** 2).sum(axis=0))
        rows = np.flatnonzero((chi2 < NEAR_CHI2) & (length > least_sigmas * error))
        some, colours = self.stars.take(rows), solution.colours
        members = MagnitudeBins(some.g_mag).read(solution.luminosity)
        on_sky = discs(some.radius, self._radius)
        members *= surface_density(on_sky, solution.radial_weights) * np.exp(log_motion[rows])
        in_colour = ridge.densities(self._colours, some, colours)
        members *= ridge.mixed(*in_colour, colours.binary_share)
        moved_q = members / (members + solution.field[rows])
        return float(((1.0 - solution.q[rows]) * moved_q).sum())

    def member_density(
        self, stars: RelativeStars, motion: Motion, colours: ridge.ColourFit
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return ln N₃, χ², and P(C | G) of single stars and of binaries, shape (n,) each."""
        log_motion, chi2 = log_density(stars, motion)
        return log_motion, chi2, *ridge.densities(self._colours, stars, colours)

    def _round(
        self,
        start: Solution,
        star_weight: Floats,
        steps: int,
        *,
        first: bool = False,
        widths: bool = True,
    ) -> Solution:
        """Learn the field from the present q, then take steps of the fit with it."""
        near, rows = self._near_stars, self.near
        field, member_share = self._field(start, star_weight, first)
        field_near, weight = field[rows], star_weight[rows]
        share = self._near_bins.read(member_share)
        motion, colours, radial = start.motion, start.colours, start.radial_weights
        if first:
            phi = self._near_bins.read(start.luminosity)
        else:
            counts = self._near_bins.smooth(start.q[rows] * weight, COUNT_WIDTH)
            phi = self._near_bins.read(counts) / share
        q, curve = start.q[rows], start.luminosity
        for step in range(steps):
            if step % MOTION_EVERY == 0:
                log_motion, _, single, binary = self.member_density(near, motion, colours)
                in_motion = np.exp(log_motion)
            in_colour = ridge.mixed(single, binary, colours.binary_share)
            members = np.maximum(phi, _LEAST_LUMINOSITY) * surface_density(self._discs, radial)
            members *= in_motion * in_colour
            q = members / (members + field_near)
            weighted = q * weight
            curve = self._near_bins.smooth(weighted, COUNT_WIDTH)
            phi = self._near_bins.read(curve) / share
            radial = update_weights(self._discs, radial, weighted, near.g_mag)
            colours = ridge.update_binary_share(colours, q, single, binary)
            if widths and step % MOTION_EVERY == MOTION_EVERY - 1:
                motion = update_motion(near, q, motion, self.first_motion)
            if widths and step % COLOUR_EVERY == COLOUR_EVERY - 1:
                colours = ridge.update_ridge(self._colours, near, q, colours)
        q_all = np.zeros(len(self.stars))
        q_all[rows] = q
        return Solution(motion, colours, radial, curve / member_share, q_all, field)

    def _field(self, start: Solution, star_weight: Floats, first: bool) -> tuple[Floats, Floats]:
        """Return F at all stars and Z̄ on the grid of G, from the present q (or the votes)."""
        stars, radius = self.stars, self._radius
        inner = self._outer if first else 0.0
        not_member = (1.0 - (stars.votes if first else start.q)) * star_weight
        weight = np.where(stars.radius > inner, not_member, 0.0) if first else not_member
        area = np.pi * (radius**2 - inner**2)
        variances = (start.motion.variance[0], start.motion.variance[2])
        model = fit_field(stars, self._bins, self._ridge, weight, area, variances)
        mean_field, shape = model.density(stars, self._bins, self._ridge, weight)
        log_motion, _, single, binary = self.member_density(stars, start.motion, start.colours)
        in_colour = ridge.mixed(single, binary, start.colours.binary_share)
        score = log_motion + np.log(in_colour) - np.log(shape)
        near = self._near_stars
        sky = SkyMap(
            score[self.near],
            near.g_mag,
            near.position,
            not_member[self.near],
            core_radius(near.radius, start.q[self.near], radius),
            inner,
            radius,
        )
        return mean_field * sky(score, stars.g_mag, stars.position), model.member_share
