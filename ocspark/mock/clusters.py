"""Planted clusters: where they are and move, and the stars of any one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ocspark.mock import frame
from ocspark.mock.dust import Dust, ExtinctionGrid
from ocspark.mock.frame import Array, Columns
from ocspark.mock.king import Profile
from ocspark.mock.rng import keyed_generator
from ocspark.mock.stars import BINARY_FRACTION, G_LIMIT, G_STEPS, Track
from ocspark.physics.isochrone import nearest_age
from ocspark.sky.healpix import index_29
from ocspark.sky.sphere import separation_rad

DISTANCE_PC = (150.0, 4000.0)
#: Exponent of the spread of distances: 0 would be uniform in log d, 1 uniform in d.
DISTANCE_EXPONENT = 0.7
LOG_AGE = (7.0, 9.6)
MAX_A0 = 2.2
#: Core and tidal radii [pc], and share of stars in the halo.
CORE_PC, TIDAL_PC, HALO_FRACTION = (0.8, 2.5), (8.0, 16.0), 0.12
#: No star lies farther from its cluster's centre [pc].
MAX_RADIUS_PC = 30.0
#: Faintest member in literature lists [mag], and how many members brighter than it a cluster has.
LIST_LIMIT, N_BRIGHT = 18.0, (60.0, 250.0)
MAX_STARS = 4000
#: Field stars near the cluster in everything, for the member list to mistake; per bright member.
INTERLOPER_FRACTION = 0.06


@dataclass(frozen=True)
class Cluster:
    """One planted cluster.

    Attributes
    ----------
    index : int
        Number in the catalogue, from 0.
    name : str
        In the cluster table; the stars are drawn by it.
    xyz_pc, velocity_kms : array, shape (3,)
        Heliocentric Galactic position [pc] and velocity [km/s].
    log_age : float
        Of an isochrone that is listed [dex].
    a0 : float
        [mag]
    profile : Profile
        How the stars are spread.
    dispersion_kms : float
        Velocity dispersion in one dimension.
    n_bright : float
        Expected members brighter than `LIST_LIMIT`.
    """

    index: int
    name: str
    xyz_pc: Array
    velocity_kms: Array
    log_age: float
    a0: float
    profile: Profile
    dispersion_kms: float
    n_bright: float

    @property
    def distance_pc(self) -> float:
        """Distance from the Sun [pc]."""
        return float(np.linalg.norm(self.xyz_pc))

    @property
    def radius_rad(self) -> float:
        """Angle that holds every star."""
        return float(np.arcsin(MAX_RADIUS_PC / self.distance_pc)) * 1.001


def plant_clusters(n_clusters: int, seed: int, log_ages: Array, dust: Dust) -> list[Cluster]:
    """Place clusters in the disc; distances and ages are spread evenly over their ranges.

    Parameters
    ----------
    n_clusters : int
    seed : int
    log_ages : array
        Ages that have an isochrone [dex]; each cluster gets one of them.
    dust : Dust
        Reddens them.
    """
    strata = keyed_generator(seed, "strata", n_clusters)
    share = np.arange(n_clusters) / max(n_clusters - 1, 1)
    near, far = (d**DISTANCE_EXPONENT for d in DISTANCE_PC)
    distances = (near + strata.permutation(share) * (far - near)) ** (1.0 / DISTANCE_EXPONENT)
    ages = LOG_AGE[0] + strata.permutation(share) * (LOG_AGE[1] - LOG_AGE[0])
    log_ages = log_ages[(log_ages >= LOG_AGE[0]) & (log_ages <= LOG_AGE[1])]
    return [
        _place(i, seed, float(distances[i]), nearest_age(log_ages, float(ages[i])), dust)
        for i in range(n_clusters)
    ]


def _place(index: int, seed: int, distance: float, log_age: float, dust: Dust) -> Cluster:
    name = f"Mock_{index + 1:04d}"
    rng = keyed_generator(seed, "place", name)
    longitude = rng.uniform(0.0, 2.0 * np.pi)
    # old clusters have been scattered away from the plane
    height = rng.laplace(0.0, 40.0 + 60.0 * (log_age - LOG_AGE[0]))
    sine = float(np.clip((height - frame.SUN_HEIGHT_PC) / distance, -0.85, 0.85))
    cosine = np.sqrt(1.0 - sine**2)
    xyz = distance * np.array([cosine * np.cos(longitude), cosine * np.sin(longitude), sine])
    a0 = min(dust.a0(xyz), MAX_A0)
    peculiar = rng.standard_normal(3) * (9.0, 7.0, 5.0)
    velocity = frame.circular_velocity(xyz) + peculiar
    return _with_structure(seed, index, name, xyz, velocity, log_age, round(a0, 3), np.inf)


def listed_cluster(row: Mapping[str, Any], index: int, seed: int, log_ages: Array) -> Cluster:
    """Return a cluster as a row of a cluster table has it.

    Position, proper motion, distance, age and extinction are the row's; how it moves along the
    line of sight, how rich it is and how its stars are spread is drawn by (seed, name).

    Parameters
    ----------
    row : mapping
        Canonical columns, none missing.
    index : int
    seed : int
    log_ages : array
        Ages that have an isochrone [dex]; the nearest is taken.
    """
    xyz = frame.galactic_xyz(float(row["ra"]), float(row["dec"]), float(row["distance"]))
    line_of_sight = xyz / row["distance"]
    radial = float(np.dot(frame.circular_velocity(xyz), line_of_sight))
    transverse = frame.transverse_velocity(
        row["ra"], row["dec"], row["distance"], row["pmra"], row["pmdec"]
    )
    to_kms = frame.AU_PER_YEAR_KMS * float(row["distance"]) / 1000.0
    return _with_structure(
        seed,
        index,
        str(row["cluster"]),
        xyz,
        radial * line_of_sight + transverse,
        nearest_age(log_ages, float(row["log_age"])),
        float(row["a0"]),
        # the row's holds the errors too, so no more than that
        to_kms * float(np.hypot(row["pmra_dispersion"], row["pmdec_dispersion"])) / np.sqrt(2.0),
    )


def _with_structure(
    seed: int,
    index: int,
    name: str,
    xyz: Array,
    velocity: Array,
    log_age: float,
    a0: float,
    max_dispersion_kms: float,
) -> Cluster:
    rng = keyed_generator(seed, "cluster", name)
    core, tidal = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (CORE_PC, TIDAL_PC))
    dispersion = float(rng.uniform(0.4, 0.9))
    return Cluster(
        index=index,
        name=name,
        xyz_pc=xyz,
        velocity_kms=velocity,
        log_age=log_age,
        a0=a0,
        profile=Profile(core, tidal, HALO_FRACTION, MAX_RADIUS_PC),
        dispersion_kms=min(dispersion, max(max_dispersion_kms, 0.05)),
        n_bright=float(np.exp(rng.uniform(*np.log(N_BRIGHT)))),
    )


def draw_stars(
    cluster: Cluster, isochrone: pd.DataFrame, extinction: ExtinctionGrid, rng: np.random.Generator
) -> Columns:
    """Draw a cluster's stars, and after them the interlopers of its field.

    Parameters
    ----------
    cluster : Cluster
    isochrone : DataFrame
        Points of the cluster's age (`ocspark.inputs.isochrones`).
    extinction : ExtinctionGrid
    rng : Generator

    Returns
    -------
    dict of arrays, shape (n,)
        healpix_29; ra, dec [deg]; distance [pc]; parallax [mas]; pmra, pmdec [mas/yr]; g, bp,
        rp [mag]; initial_mass, companion_mass [M_sun]; radius and projected_radius [pc] from the
        centre; is_member.
    """
    track = Track.apparent(isochrone, cluster.distance_pc, cluster.a0, G_LIMIT, extinction)
    bright = max(track.fraction_brighter(LIST_LIMIT), 1e-3)
    n_stars = min(rng.poisson(cluster.n_bright / bright), MAX_STARS)
    n_others = rng.poisson(INTERLOPER_FRACTION * cluster.n_bright)
    n = n_stars + n_others
    is_member = np.arange(n) < n_stars

    star = track.draw(n, BINARY_FRACTION, rng)
    offset = cluster.profile.draw(n, rng)
    kick = cluster.dispersion_kms * rng.standard_normal((n, 3))
    stretch, blur = rng.standard_normal(n), rng.standard_normal((3, n))
    # others: within the cone, at other depths, velocities and colours
    stretch = np.where(is_member, 1.0, np.exp(0.15 * stretch))
    kick[~is_member] = 8.0 * kick[~is_member] / cluster.dispersion_kms
    xyz = (cluster.xyz_pc + offset) * stretch[:, None]
    for band, scatter in zip(("g", "bp", "rp"), (0.5, 0.55, 0.5), strict=True):
        star[band] = star[band] + np.where(is_member, 0.0, scatter * blur[0] + 0.08 * blur[2])

    limit = np.array(G_STEPS)[rng.integers(0, len(G_STEPS), n)]
    ra, dec, distance = frame.sky_position(xyz)
    centre = frame.sky_position(cluster.xyz_pc)
    # the cluster is not in orbit within itself: one velocity, seen under each star's own angle
    pmra, pmdec = frame.proper_motion(ra, dec, distance, cluster.velocity_kms + kick)
    drawn = {
        "healpix_29": index_29(ra, dec),
        "ra": ra,
        "dec": dec,
        "distance": distance,
        "parallax": 1000.0 / distance,
        "pmra": pmra,
        "pmdec": pmdec,
        **star,
        "radius": np.linalg.norm(offset, axis=1),
        "projected_radius": cluster.distance_pc * separation_rad(ra, dec, *centre[:2]),
        "is_member": is_member,
    }
    seen = star["g"] <= limit
    return {name: values[seen] for name, values in drawn.items()}
