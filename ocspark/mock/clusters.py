"""Place the planted clusters, and draw the stars of any one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ocspark.mock import frame
from ocspark.mock.dust import Dust, ExtinctionGrid
from ocspark.mock.frame import Array, Columns
from ocspark.mock.king import KingProfile
from ocspark.mock.rng import keyed_generator
from ocspark.mock.stars import BINARY_FRACTION, G_LIMIT, G_STEPS, Track
from ocspark.physics.isochrone import nearest_age
from ocspark.sky.healpix import index_29
from ocspark.sky.sphere import separation_rad

#: Range of distances [pc].
DISTANCE_PC = (150.0, 4000.0)
#: Distances are uniform in d to this power; towards 0 they would be uniform in log d.
DISTANCE_EXPONENT = 0.7
#: Range of log ages [dex], and largest extinction A0 [mag].
LOG_AGE = (7.0, 9.6)
MAX_A0 = 2.2
#: Ranges of core and tidal radii [pc], and the share of stars in the halo.
CORE_PC, TIDAL_PC, HALO_FRACTION = (0.8, 2.5), (8.0, 16.0), 0.12
#: Largest distance of a star from its cluster's centre [pc].
MAX_RADIUS_PC = 30.0
#: G of the faintest listed member [mag]; range of the expected members brighter than that.
LIST_LIMIT, N_BRIGHT = 18.0, (60.0, 250.0)
#: Most stars of a cluster.
MAX_STARS = 4000
#: Interlopers (field stars that resemble members) per bright member.
INTERLOPER_FRACTION = 0.06


@dataclass(frozen=True)
class MockCluster:
    """A planted cluster: position, motion, age and structure.

    Attributes
    ----------
    index : int
        Number in the catalogue, from 0.
    name : str
        Name in the cluster table; with the seed it determines the stars.
    xyz_pc, velocity_kms : array, shape (3,)
        Heliocentric Galactic position [pc] and velocity [km/s].
    log_age : float
        Log age of one of the listed isochrones [dex].
    a0 : float
        Extinction A0 [mag].
    profile : KingProfile
        Number density about the centre.
    dispersion_kms : float
        Velocity dispersion in one dimension [km/s].
    n_bright : float
        Expected number of members brighter than `LIST_LIMIT`.
    """

    index: int
    name: str
    xyz_pc: Array
    velocity_kms: Array
    log_age: float
    a0: float
    profile: KingProfile
    dispersion_kms: float
    n_bright: float

    @property
    def distance_pc(self) -> float:
        """Distance from the Sun [pc]."""
        return float(np.linalg.norm(self.xyz_pc))

    @property
    def radius_rad(self) -> float:
        """Angular radius that holds every star [rad]."""
        return float(np.arcsin(MAX_RADIUS_PC / self.distance_pc)) * 1.001


def plant_clusters(n_clusters: int, seed: int, log_ages: Array, dust: Dust) -> list[MockCluster]:
    """Place clusters in the disc, with distances and ages spread evenly over their ranges.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    seed : int
        Seed of every random draw.
    log_ages : array
        Ages that have an isochrone [dex]; each cluster gets one of them.
    dust : Dust
        Dust, which gives each cluster the extinction at its position.
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


def _place(index: int, seed: int, distance: float, log_age: float, dust: Dust) -> MockCluster:
    """Return a cluster at a distance [pc], in a random direction near the Galactic plane."""
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


def listed_cluster(row: Mapping[str, Any], index: int, seed: int, log_ages: Array) -> MockCluster:
    """Return a cluster with the parameters of a row of a cluster table.

    Position, proper motion, distance, age and extinction are the row's. Its radial velocity is that
    of circular rotation; richness and structure are drawn by (seed, name).

    Parameters
    ----------
    row : mapping
        Canonical columns, none missing.
    index : int
        Number of the cluster in the catalogue.
    seed : int
        Seed of every random draw.
    log_ages : array
        Ages that have an isochrone [dex]; the cluster gets the nearest.
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
        # an upper limit: the row's dispersions contain the measurement errors
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
) -> MockCluster:
    """Return a cluster with radii, richness and dispersion drawn by (seed, name)."""
    rng = keyed_generator(seed, "cluster", name)
    core, tidal = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (CORE_PC, TIDAL_PC))
    dispersion = float(rng.uniform(0.4, 0.9))
    return MockCluster(
        index=index,
        name=name,
        xyz_pc=xyz,
        velocity_kms=velocity,
        log_age=log_age,
        a0=a0,
        profile=KingProfile(core, tidal, HALO_FRACTION, MAX_RADIUS_PC),
        dispersion_kms=min(dispersion, max(max_dispersion_kms, 0.05)),
        n_bright=float(np.exp(rng.uniform(*np.log(N_BRIGHT)))),
    )


def draw_stars(
    cluster: MockCluster,
    isochrone: pd.DataFrame,
    extinction: ExtinctionGrid,
    rng: np.random.Generator,
) -> Columns:
    """Draw a cluster's stars, followed by the interlopers of its field.

    Parameters
    ----------
    cluster : MockCluster
        The cluster.
    isochrone : DataFrame
        Isochrone points of the cluster's age (`ocspark.inputs.isochrones`).
    extinction : ExtinctionGrid
        Extinction in G, BP and RP.
    rng : Generator
        Source of all random numbers, drawn in a fixed order.

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
    # interlopers: in the same cone, with other distances, velocities and colours
    stretch = np.where(is_member, 1.0, np.exp(0.15 * stretch))
    kick[~is_member] = 8.0 * kick[~is_member] / cluster.dispersion_kms
    xyz = (cluster.xyz_pc + offset) * stretch[:, None]
    for band, scatter in zip(("g", "bp", "rp"), (0.5, 0.55, 0.5), strict=True):
        star[band] = star[band] + np.where(is_member, 0.0, scatter * blur[0] + 0.08 * blur[2])

    limit = np.array(G_STEPS)[rng.integers(0, len(G_STEPS), n)]
    ra, dec, distance = frame.sky_position(xyz)
    centre = frame.sky_position(cluster.xyz_pc)
    # all stars share the cluster's velocity in space; each sees it projected at its own position
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
