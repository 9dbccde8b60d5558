"""Step 5, the mixture: members and field fitted to a cluster's candidates in turn.

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

#: Stars farther than this from the members in χ² have q = 0; the others are "near".
NEAR_CHI2 = 30.0
#: The first field is learnt beyond this radius [pc], or this share of R.
OUTER_PC, OUTER_SHARE = 20.0, 0.6
#: Rounds (a field each), steps in a round, and steps between updates of motions and of colours.
ROUNDS, STEPS, MOTION_EVERY, COLOUR_EVERY = 3, 40, 8, 16
#: Steps of the one round that a replicate of the bootstrap takes.
REPLICATE_STEPS = 15
#: First luminosity function: this many times the training members', this smooth [mag], and as at
#: this G beyond it.
FIRST_FACTOR, FIRST_WIDTH, FIRST_LAST_G = 2.0, 0.6, 17.0
_LEAST_LUMINOSITY = 1e-9


@dataclass(frozen=True)
class Solution:
    """A fitted mixture.

    Attributes
    ----------
    motion : Motion
    colours : ridge.ColourFit
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
    """The mixture of one cluster: its stars and what does not change in the fit.

    Parameters
    ----------
    stars : RelativeStars
        All candidates within R that have finite values, in order of source_id.
    colours : MemberColours
    covered_radius : float
        R [pc].
    training : RelativeStars, optional
        The training members, from which motions and the luminosity function start; by default
        those among the stars.
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
        """Fit the mixture from the training members and the votes."""
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
        """Return q, shape (n,), fitted once more from a solution with weighted stars.

        One round of `REPLICATE_STEPS`; motions, ridge and widths stay.
        """
        return self._round(solution, star_weight, REPLICATE_STEPS, widths=False).q

    def expected_of_field(self, solution: Solution, shift: Floats, least_sigmas: float) -> float:
        """Return Σ (1 − q) q′, q′ as if the members' mean were moved, the field as fitted.

        Parameters
        ----------
        solution : Solution
        shift : array, shape (3,)
            The move [mas/yr, mas/yr, mas].
        least_sigmas : float
            Only stars count for which the move is at least so many times their error along it,
            intrinsic widths included: the others cannot tell it from none.
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
        """Return ln N₃ of stars, χ², and P(C | G) of singles and binaries, shape (n,) each."""
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
        """Learn the field from the present q, then take some steps with it."""
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
