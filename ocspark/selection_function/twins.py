"""Plan and draw twins of real clusters: mock clusters like them, elsewhere in a similar field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.mock import frame
from ocspark.mock.clusters import LIST_LIMIT, MockCluster, listed_cluster
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.frame import Array
from ocspark.mock.observatory import Observatory
from ocspark.mock.planted import MAX_CLUSTERS, PlantedCluster, plant

#: Distance between rings of twins about their cluster, in cone radii, so that no cones overlap.
RING_RADII = 2.2
#: Radius of the widest ring [deg]: two rings of cones of 30 degrees, the widest by default, fit.
MAX_RING_DEG = 135.0
#: Number of twins on a ring, one to each side along the Galactic plane.
PER_RING = 2
#: Expected bright stars in the trial that measures which share of them a member list names.
_TRIAL_BRIGHT = 400.0
#: Position angles from Galactic north among which the best is chosen [rad].
_ANGLES = np.radians(np.arange(45.0, 135.5, 0.5))


@dataclass(frozen=True)
class Twin:
    """A twin to plant.

    Attributes
    ----------
    twin_of : str
        Name of the real cluster.
    cluster : MockCluster
        The planted cluster, which has the twin's name.
    row : dict
        The real cluster's row of the cluster table, with the twin's position, and with the proper
        motion that keeps its velocity relative to the Galaxy's rotation.
    shift : tuple of float
        Difference of that proper motion from the real cluster's, in pmra and pmdec [mas/yr].
    n_training : int
        Number of training members that the twin should have.
    probability : float
        Probability in the member list that makes a star a training member.
    """

    twin_of: str
    cluster: MockCluster
    row: Mapping[str, Any]
    shift: tuple[float, float]
    n_training: int
    probability: float


def offset_positions(
    ra_deg: float, dec_deg: float, radius_deg: float, n: int
) -> list[tuple[float, float]]:
    """Return positions whose cones overlap neither each other nor the cluster's cone.

    They lie on rings about the cluster, one to each side along the Galactic plane, where |b| is
    most similar to the cluster's. Cones may have radii of up to 60 degrees.

    Parameters
    ----------
    ra_deg, dec_deg, radius_deg : float
        Centre and radius of the cluster's cone.
    n : int
        Wanted number of positions; cones of more than 30 degrees get fewer.

    Returns
    -------
    list of (ra, dec)
        Positions [deg].
    """
    x, y, z = frame.galactic_xyz(ra_deg, dec_deg, 1.0)
    longitude, latitude = np.arctan2(y, x), np.arcsin(np.clip(z, -1.0, 1.0))
    n_rings = max(1, int(MAX_RING_DEG / (RING_RADII * radius_deg)))
    positions = []
    for copy in range(min(n, n_rings * PER_RING)):
        ring = min(RING_RADII * radius_deg * (copy // PER_RING + 1), MAX_RING_DEG)
        s = np.radians(ring)
        sine = np.sin(latitude) * np.cos(s) + np.cos(latitude) * np.sin(s) * np.cos(_ANGLES)
        there = np.arcsin(np.clip(sine, -1.0, 1.0))
        # of two equally good positions, prefer the one on the same side of the plane
        unlike = np.abs(np.abs(there) - abs(latitude)) + 0.01 * np.abs(there - latitude)
        best = int(np.argmin(unlike))
        along = np.arctan2(
            np.sin(_ANGLES[best]) * np.sin(s) * np.cos(latitude),
            np.cos(s) - np.sin(latitude) * sine[best],
        )
        side = 1.0 if copy % PER_RING == 0 else -1.0
        b, at = there[best], longitude + side * along
        xyz = np.array([np.cos(b) * np.cos(at), np.cos(b) * np.sin(at), np.sin(b)])
        ra, dec, _ = frame.sky_position(xyz)
        positions.append((float(ra), float(dec)))
    return positions


def plan_twins(clusters: pd.DataFrame, log_ages: Array, copies: int, seed: int) -> list[Twin]:
    """Place the twins of real clusters.

    Parameters
    ----------
    clusters : DataFrame
        Canonical columns without missing values, and radius_deg, n_training_members and
        training_probability of a run.
    log_ages : array
        Ages that have an isochrone [dex].
    copies : int
        Largest number of twins of each cluster.
    seed : int
        Seed of every random draw.

    Raises
    ------
    InputError
        If there would be more twins than source ids allow.
    """
    if len(clusters) * copies > MAX_CLUSTERS // 2:
        raise InputError(
            f"--copies {copies}: {len(clusters) * copies} twins; expected {MAX_CLUSTERS // 2} "
            "at most"
        )
    twins: list[Twin] = []
    rows: list[dict[str, Any]] = clusters.to_dict("records")  # type: ignore[assignment]
    for row in rows:
        positions = offset_positions(row["ra"], row["dec"], row["radius_deg"], copies)
        for copy, (ra, dec) in enumerate(positions):
            here = _rotation_pm(row["ra"], row["dec"], row["distance"])
            there = _rotation_pm(ra, dec, row["distance"])
            shift = (there[0] - here[0], there[1] - here[1])
            moved = {
                **row,
                "cluster": f"{row['cluster']}_twin_{copy + 1}",
                "ra": ra,
                "dec": dec,
                "pmra": row["pmra"] + shift[0],
                "pmdec": row["pmdec"] + shift[1],
            }
            # count down from the highest index: clusters of a mock itself count up from 0
            index = MAX_CLUSTERS - 1 - len(twins)
            cluster = listed_cluster(moved, index, seed, log_ages)
            n, level = int(row["n_training_members"]), float(row["training_probability"])
            twins.append(Twin(str(row["cluster"]), cluster, moved, shift, n, level))
    return twins


def _rotation_pm(ra_deg: float, dec_deg: float, distance_pc: float) -> tuple[float, float]:
    """Return the proper motion [mas/yr] of circular rotation at a position."""
    place = np.array(ra_deg), np.array(dec_deg), np.array(distance_pc)
    velocity = frame.circular_velocity(frame.galactic_xyz(*place))
    pmra, pmdec = frame.proper_motion(*place, velocity)
    return float(pmra), float(pmdec)


@dataclass(frozen=True)
class Planter:
    """Everything that a worker needs to draw any of the twins.

    Attributes
    ----------
    twins : sequence of Twin
        All twins.
    isochrones : mapping
        Isochrone points (`ocspark.inputs.isochrones.read_isochrones`) by log age [dex].
    extinction : ExtinctionGrid
        Extinction in G, BP and RP.
    observatory : Observatory
        The release that observes.
    seed : int
        Seed of every random draw.
    """

    twins: Sequence[Twin]
    isochrones: Mapping[float, pd.DataFrame]
    extinction: ExtinctionGrid
    observatory: Observatory
    seed: int

    def planted(self, number: int) -> PlantedCluster:
        """Return the stars of a twin, without interlopers, since the mirror has field stars.

        The twin's richness is such that its member list names, on average, as many training members
        as the real cluster has. Its structure is drawn by (seed, name).
        """
        twin = self.twins[number]
        trial = replace(twin.cluster, name=f"{twin.cluster.name} trial", n_bright=_TRIAL_BRIGHT)
        drawn = self._draw(trial)
        bright = np.count_nonzero(drawn.true["g"] < LIST_LIMIT)
        listed = np.count_nonzero(drawn.probability >= twin.probability - 1e-9)
        share = listed / bright if listed else 1.0
        return self._draw(replace(twin.cluster, n_bright=twin.n_training / share))

    def _draw(self, cluster: MockCluster) -> PlantedCluster:
        isochrone = self.isochrones[cluster.log_age]
        all_stars = plant(cluster, isochrone, self.extinction, self.observatory, self.seed)
        own = all_stars.true["is_member"]
        return PlantedCluster(
            {name: values[own] for name, values in all_stars.sources.items()},
            {name: values[own] for name, values in all_stars.true.items()},
            all_stars.probability[own],
            all_stars.row,
        )
