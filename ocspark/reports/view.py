"""What the pictures and pages of one cluster are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ocspark.physics.isochrone import COLOUR_WEIGHT
from ocspark.sky.sphere import tangent_plane_rad
from ocspark.tables.member_rule import MemberRule, member_rule

Columns = Mapping[str, NDArray]

#: Longest gap between listed points of an isochrone that is drawn, in the metric |(8 ΔC, ΔG)|
#: [mag]. PARSEC's own steps are shorter, but for fast phases of young stars; from the tip of the
#: giant branch to the clump, where helium ignites, it is 2 to 7.
LONGEST_STEP = 2.0


@dataclass(frozen=True)
class ListedStars:
    """A member list's stars of the cluster (columns of `LISTED_STARS`) and its comparison.

    `rows` has a `COMPARISON` row for each cut, with the cut's ``description``.
    """

    name: str
    stars: Columns
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class ClusterView:
    """One cluster as a run has it.

    Attributes
    ----------
    row : mapping
        Its row of the `CLUSTERS` table.
    stars : mapping of arrays
        Its candidates, sorted by source_id (columns of `CANDIDATES`).
    others : mapping of arrays
        Some of the other stars in its cone; empty for a run without non_members.
    curve : array, shape (n, 2)
        Apparent isochrone (C, G) [mag].
    structure : mapping
        Its row of the `STRUCTURE` table; empty if it has none.
    listed : list of ListedStars
    """

    row: Mapping[str, Any]
    stars: Columns
    others: Columns
    curve: NDArray[np.float64]
    structure: Mapping[str, Any]
    listed: list[ListedStars]

    @property
    def rule(self) -> MemberRule:
        """What decides who is a member of the cluster: the posterior or votes."""
        return member_rule(self.row["members_by"])

    @property
    def chances(self) -> NDArray[np.float64]:
        """Each candidate's posterior, or votes, as the rule has it."""
        return np.asarray(self.stars[self.rule.column], dtype=float)

    def members(self, level: float) -> NDArray[np.bool_]:
        """Return which candidates have at least this posterior, or votes."""
        return self.chances >= level

    def listed_members(self, level: float) -> NDArray[np.bool_]:
        """Return which candidates have at least this posterior or, whatever it says, votes."""
        return self.members(level) | np.asarray(self.stars["probability"] >= level)

    def offsets_deg(self, stars: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return offsets east and north of the centre [deg]."""
        east, north = tangent_plane_rad(stars["ra"], stars["dec"], self.row["ra"], self.row["dec"])
        return np.degrees(east), np.degrees(north)

    @cached_property
    def isochrone(self) -> list[NDArray[np.float64]]:
        """The isochrone as lines (C, G) [mag], broken where stars jump from phase to phase."""
        return broken_at_jumps(self.curve)

    @cached_property
    def boundary(self) -> list[NDArray[np.float64]]:
        """The zero-error boundary in the CMD: lines (C, G) where Eq. 3 holds with equality.

        It surrounds the ellipses with semi-axes Δ_C, Δ_G about all isochrone points; traced on
        a grid as the line at distance 1 from the nearest point in (C/Δ_C, G/Δ_G).
        """
        scale = np.array([self.row["delta_c"], self.row["delta_g"]])
        points = self.curve / scale
        low, high = points.min(axis=0) - 1.2, points.max(axis=0) + 1.2
        x, y = (np.linspace(low[i], high[i], 160) for i in (0, 1))
        grid = np.stack(np.meshgrid(x, y), axis=-1)
        distance, _ = cKDTree(points).query(grid)
        lines = contour_generator(x, y, distance).lines(1.0)
        return [np.asarray(line) * scale for line in lines]


def broken_at_jumps(curve: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the parts of an isochrone between its jumps.

    The gaps of a curve are filled with points in equal steps (`ocspark.physics.isochrone.densify`),
    across jumps too. Drawn, those would be stars that do not exist.

    Parameters
    ----------
    curve : array, shape (n, 2)
        Points (C, G) [mag] in order.

    Returns
    -------
    list of arrays, shape (m, 2)
    """
    step = np.diff(curve, axis=0)
    if not len(step):
        return [curve] if len(curve) else []
    turns = ~np.isclose(step[1:], step[:-1], rtol=1e-6, atol=1e-9).all(axis=1)
    first = np.flatnonzero(np.concatenate(([True], turns)))  # of each run of equal steps
    last = np.append(first[1:], len(step))
    length = np.linalg.norm((curve[last] - curve[first]) * np.array([COLOUR_WEIGHT, 1.0]), axis=1)
    parts, begin = [], 0
    for jump in np.flatnonzero(length > LONGEST_STEP):
        parts.append(curve[begin : first[jump] + 1])
        begin = last[jump]
    return [*parts, curve[begin:]]
