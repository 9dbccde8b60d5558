"""Check whether a fit can be trusted (step 8): moved-off sum, reasons for null, flags."""

from __future__ import annotations

import numpy as np

from ocspark.posterior.mixture import Mixture, Solution
from ocspark.posterior.settings import PosteriorSettings
from ocspark.posterior.stars import ClusterToFit
from ocspark.posterior.windows import mean_delta_parallax

#: Shift of the members' model, in units of Δμ and mean Δϖ, and number of directions in motion.
MOVE, DIRECTIONS = 3.0, 8
#: The flag of a cluster whose moved-off sum is too large.
MOVED_OFF = "moved-off"
#: A star counts only if the shift exceeds its error by this factor.
LEAST_SIGMAS = 2.0


def moved_off_sum(mixture: Mixture, solution: Solution, cluster: ClusterToFit) -> float:
    """Return the number of members that the mixture finds where there is only field.

    The members' model is moved away, by 3Δμ in eight directions of motion and by ±3Δϖ in parallax,
    with the field as fitted, and gives each star a probability q′. The result is the largest of
    three sums Σ (1 − q) q′: the mean over the directions of motion, and those of the two shifts in
    parallax. The factor 1 − q takes out the cluster's own stars. Stars count only if their errors
    are small compared with the shift: for faint stars of a distant cluster 3Δϖ is less than their
    error, and the sum would be that of the members.

    Parameters
    ----------
    mixture : Mixture
        The cluster's mixture.
    solution : Solution
        Its fit.
    cluster : ClusterToFit
        The cluster, with Δμ and Δϖ.
    """
    step_pm = MOVE * cluster.delta_pm
    step_plx = MOVE * mean_delta_parallax(cluster.delta_plx_plus, cluster.delta_plx_minus)
    angles = 2.0 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS

    def expected(x: float, y: float, z: float) -> float:
        return mixture.expected_of_field(solution, np.array([x, y, z]), LEAST_SIGMAS)

    around = [expected(step_pm * np.cos(a), step_pm * np.sin(a), 0.0) for a in angles]
    return max(
        sum(around) / DIRECTIONS, expected(0.0, 0.0, step_plx), expected(0.0, 0.0, -step_plx)
    )


def reason_before_fit(
    covered_radius: float, n_training: int, settings: PosteriorSettings
) -> str | None:
    """Return the reason why no fit is tried, or None."""
    if covered_radius < settings.min_radius_pc:
        return (
            f"the mirror covers {covered_radius:.1f} pc around the centre; "
            f"a field needs {settings.min_radius_pc:g} pc"
        )
    if n_training < settings.min_training_members:
        return (
            f"{n_training} training members with all measurements within {covered_radius:.1f} pc; "
            f"needs {settings.min_training_members}"
        )
    return None


def reason_after_fit(recovered: float, settings: PosteriorSettings) -> str | None:
    """Return the reason why a fit is not used, or None.

    Parameters
    ----------
    recovered : float
        Share of the training members within R that have a posterior >= 0.5.
    settings : PosteriorSettings
        Settings with the least share.
    """
    if recovered >= settings.min_recovered:
        return None
    return (
        f"{100 * recovered:.0f} % of the training members have a posterior >= 0.5; "
        f"a fit needs {100 * settings.min_recovered:g} %"
    )


def is_moved_off(offset_sum: float, expected_members: float, settings: PosteriorSettings) -> bool:
    """Return whether the moved-off sum is too large, so that members are chosen by votes.

    It is if it exceeds both 5 stars and 5 % of N (settings).
    """
    limit = max(settings.max_offset_sum, settings.max_offset_share * expected_members)
    return offset_sum > limit


def flags_of(
    solution: Solution,
    recovered: float,
    offset_sum: float,
    expected_members: float,
    covered_radius: float,
    settings: PosteriorSettings,
) -> tuple[str, ...]:
    """Return remarks on a fit, in a fixed order; with `MOVED_OFF` members are chosen by votes."""
    remarks = {
        MOVED_OFF: is_moved_off(offset_sum, expected_members, settings),
        "small cone": covered_radius < settings.small_radius_pc,
        "training members": recovered < settings.low_recovered,
    }
    return (*(name for name, true in remarks.items() if true), *solution.colours.limits_reached())
