"""A cluster in a field, drawn from densities that are known, as the mixture takes it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ocspark.physics.isochrone import ApparentPoints
from ocspark.posterior.stars import Candidates, ClusterToFit


def straight_isochrone(n: int = 60) -> ApparentPoints:
    """A main sequence from G = 10 to 21 with C = 0.2 + 0.1 (G − 10), brighter for larger masses."""
    g = np.linspace(21.0, 10.0, n)
    mass = 0.3 * 10.0 ** (0.07 * (21.0 - g))  # 0.3 to 1.77 solar masses
    return ApparentPoints(0.2 + 0.1 * (g - 10.0), g, mass, np.ones(n, dtype=np.int64))


def a_cluster(covered_radius_pc: float = 30.0, key: int = 7) -> ClusterToFit:
    return ClusterToFit(
        key=key,
        pmra=-1.0,
        pmdec=2.0,
        parallax=0.8,
        delta_pm=0.5,
        delta_plx_plus=0.1,
        delta_plx_minus=0.1,
        pmra_dispersion=0.15,
        pmdec_dispersion=0.15,
        parallax_dispersion=0.08,
        isochrone=straight_isochrone(),
        covered_radius_pc=covered_radius_pc,
    )


@dataclass(frozen=True)
class Simulation:
    candidates: Candidates
    is_member: np.ndarray


def errors_at(g: np.ndarray) -> np.ndarray:
    """Errors of motions [mas/yr] and parallax [mas], shape (3, n), growing with G as Gaia's do."""
    scale = np.hypot(0.02, 0.02 * 10.0 ** (0.25 * (g - 16.0)))
    return np.stack([scale, scale, scale])


def simulate(
    n_members: int,
    n_field: int,
    seed: int,
    cluster: ClusterToFit,
    scale_pc: float = 2.0,
    centre_pc: tuple[float, float] = (0.0, 0.0),
    field_slope: float = 0.0,
) -> Simulation:
    """Draw members on the isochrone and an even field, and keep those inside their windows.

    `field_slope` makes the field denser to the east: density ∝ 1 + slope · ξ/R.
    """
    rng = np.random.default_rng(seed)
    n = n_members + n_field
    member = np.arange(n) < n_members
    g = np.where(member, rng.uniform(11.0, 19.5, n), 11.0 + 9.0 * rng.power(3.0, n))
    colour_error = 0.01 * np.ones(n)
    on_ridge = 0.2 + 0.1 * (g - 10.0)
    colour = np.where(member, on_ridge, on_ridge + rng.uniform(-0.25, 0.4, n))
    colour = colour + rng.normal(0.0, 0.015, n) * member + colour_error * rng.standard_normal(n)
    error = errors_at(g)
    intrinsic = np.array([0.08, 0.08, 0.01])[:, None]
    true = np.where(
        member,
        intrinsic * rng.standard_normal((3, n)),
        np.stack([rng.uniform(-2.5, 2.5, n), rng.uniform(-2.5, 2.5, n), rng.uniform(-1, 1, n)]),
    )
    measured = true + error * rng.standard_normal((3, n))
    radius = cluster.covered_radius_pc
    r = np.where(
        member,
        scale_pc * np.sqrt(1.0 / (1.0 - rng.uniform(0, 0.9, n)) - 1.0),
        radius * np.sqrt(rng.uniform(0, 1, n)),
    )
    angle = rng.uniform(0, 2 * np.pi, n)
    xi, eta = r * np.cos(angle), r * np.sin(angle)
    flipped = ~member & (rng.uniform(-1, 1, n) > field_slope * xi / radius) & (xi < 0)
    xi = np.where(flipped & (field_slope != 0), -xi, xi)
    xi, eta = xi + member * centre_pc[0], eta + member * centre_pc[1]
    half = 3.0 * error + np.array([cluster.delta_pm, cluster.delta_pm, 0.1])[:, None]
    scaled = measured / half
    kept = (np.hypot(scaled[0], scaled[1]) < 1) & (np.abs(scaled[2]) < 1)
    kept &= np.hypot(xi, eta) < radius
    distance = np.hypot(np.hypot(measured[0], measured[1]) / 0.3, (colour - on_ridge) / 0.05)
    votes = np.round(np.clip(1.2 - 0.5 * distance, 0.0, 1.0), 2)
    zero = np.zeros(n)
    ids = rng.permutation(n).astype(np.int64) * 1000 + seed
    columns = {
        "source_id": ids,
        "pmra": cluster.pmra + measured[0],
        "pmdec": cluster.pmdec + measured[1],
        "parallax": cluster.parallax + measured[2],
        "pmra_error": error[0],
        "pmdec_error": error[1],
        "parallax_error": error[2],
        "parallax_pmra_corr": zero,
        "parallax_pmdec_corr": zero,
        "pmra_pmdec_corr": zero,
        "phot_g_mean_mag": g,
        "g_rp": colour,
        "g_rp_error": colour_error,
        "xi": xi,
        "eta": eta,
        "probability": votes,
        "is_training_member": member & (g < 16.0) & (rng.uniform(size=n) < 0.6),
    }
    order = np.flatnonzero(kept)[np.argsort(ids[kept])]
    return Simulation(Candidates(**{k: v[order] for k, v in columns.items()}), member[order])


def with_columns(candidates: Candidates, **columns: np.ndarray) -> Candidates:
    """The candidates with some columns replaced."""
    return Candidates(
        **{f.name: columns.get(f.name, getattr(candidates, f.name)) for f in fields(candidates)}
    )
