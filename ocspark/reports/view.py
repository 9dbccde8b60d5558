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

from ocspark.sky.sphere import tangent_plane_rad

Columns = Mapping[str, NDArray]


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
    """One cluster as it landed.

    Attributes
    ----------
    row : mapping
        Its row of the `CLUSTERS` table.
    stars : mapping of arrays
        Its candidates, sorted by source_id (columns of `CANDIDATES`).
    others : mapping of arrays
        Some of the other stars in its cone; empty where non_members did not land.
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

    def members(self, level: float) -> NDArray[np.bool_]:
        """Return which candidates have at least this probability."""
        return np.asarray(self.stars["probability"] >= level)

    def offsets_deg(self, stars: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return offsets east and north of the centre [deg]."""
        east, north = tangent_plane_rad(stars["ra"], stars["dec"], self.row["ra"], self.row["dec"])
        return np.degrees(east), np.degrees(north)

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
