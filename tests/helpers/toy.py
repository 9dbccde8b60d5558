"""A toy sky for the Spark tests: a few thousand sources around clusters put where it hurts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import pandas as pd

from ocspark.inputs.isochrones import default_isochrones
from ocspark.physics.isochrone import apparent_isochrone

#: name: (ra, dec, distance [pc], log age, a0, number of members)
CLUSTERS = {
    "Wrap 1": (0.02, 20.0, 1500.0, 8.4, 0.3, 60),  # across RA 0
    "Wrap_2": (359.6, 20.3, 1600.0, 8.76, 0.3, 40),  # overlaps the first
    "Pole_1": (120.0, 89.7, 1200.0, 8.4, 0.0, 50),
    "Poor_1": (45.0, 0.0, 1000.0, 8.4, 0.1, 6),  # too few members
    "Empty_1": (200.0, -60.0, 900.0, 8.4, 0.1, 0),  # no sources at all
    "Ageless_1": (46.0, 0.5, 1000.0, np.nan, 0.1, 0),
    "Ancient_1": (47.0, 0.5, 1000.0, 10.6, 0.1, 0),  # older than any isochrone
}
_PM, _SPREAD = (2.0, -3.0), 0.08


@dataclass(frozen=True)
class Toy:
    """Paths of the toy's files, and its tables."""

    sources: pd.DataFrame
    clusters: pd.DataFrame
    members: pd.DataFrame
    folder: Path

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return a settings tree; a change is laid over a section."""
        tree: dict[str, Any] = {
            "mirror": {"path": str(self.folder / "plain")},
            "clusters": {"path": str(self.folder / "clusters.csv")},
            "members": {"path": str(self.folder / "members.csv")},
            "membership": {"n_samples": 20},
            "posterior": {"n_replicates": 2},
            "output": {"path": str(self.folder / "runs")},
        }
        for section, values in changes.items():
            tree[section] = (
                {**tree.get(section, {}), **values} if isinstance(values, dict) else values
            )
        return tree


def make_toy(folder: Path) -> Toy:
    """Write plain Parquet files (several), clusters.csv and members.csv into `folder`."""
    rng = np.random.default_rng(20261122)
    stars, members, rows = [], [], []
    for name, (ra, dec, distance, log_age, a0, n) in CLUSTERS.items():
        rows.append(_cluster_row(name, ra, dec, distance, log_age, a0))
        if name == "Empty_1":
            continue
        field = _field(rng, ra, dec, distance, 500)
        own = _cluster_stars(rng, ra, dec, distance, log_age, a0, n) if n else field.iloc[:0]
        stars += [own, field]
        members.append(
            own.assign(cluster=name, probability=np.where(np.arange(n) % 5 < 4, 1.0, 0.7))
        )
    sources = pd.concat(stars, ignore_index=True)
    pixel = healpy.ang2pix(2**12, *sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    sources["source_id"] = (pixel << 35) + np.arange(len(sources))
    listed, start = [], 0
    for own, field in zip(stars[::2], stars[1::2], strict=True):
        listed.append(sources["source_id"].iloc[start : start + len(own)])
        start += len(own) + len(field)
    table = pd.concat(members, ignore_index=True)[["cluster", "probability"]]
    table.insert(1, "source_id", pd.concat(listed, ignore_index=True))
    _write_plain(sources, folder / "plain")
    clusters = pd.DataFrame(rows)
    clusters.to_csv(folder / "clusters.csv", index=False)
    table.to_csv(folder / "members.csv", index=False)
    return Toy(sources, clusters, table, folder)


def _write_plain(sources: pd.DataFrame, path: Path) -> None:
    path.mkdir()
    for i in range(4):
        sources.iloc[i::4].to_parquet(path / f"part-{i}.parquet", index=False)


def _cluster_row(
    name: str, ra: float, dec: float, distance: float, log_age: float, a0: float
) -> dict[str, Any]:
    return {
        "cluster": name,
        "ra": ra,
        "dec": dec,
        "pmra": _PM[0],
        "pmdec": _PM[1],
        "pmra_dispersion": 0.15,
        "pmdec_dispersion": 0.15,
        "parallax": 1000 / distance,
        "parallax_dispersion": 0.06,
        "log_age": log_age,
        "a0": a0,
        "distance": distance,
    }


def _sky(
    rng: np.random.Generator, ra: float, dec: float, radius_deg: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions at given distances from a centre, in random directions (by rotation)."""
    angle, radius = rng.uniform(0, 2 * np.pi, len(radius_deg)), np.radians(radius_deg)
    near = np.stack(
        (np.sin(radius) * np.cos(angle), np.sin(radius) * np.sin(angle), np.cos(radius))
    )
    theta, phi = np.radians(90 - dec), np.radians(ra)
    x, y, z = near
    x, z = x * np.cos(theta) + z * np.sin(theta), -x * np.sin(theta) + z * np.cos(theta)
    x, y = x * np.cos(phi) - y * np.sin(phi), x * np.sin(phi) + y * np.cos(phi)
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


def _observed(rng: np.random.Generator, stars: dict[str, np.ndarray]) -> pd.DataFrame:
    n = len(stars["ra"])
    g = stars["phot_g_mean_mag"]
    sigma = 0.015 * 10 ** (0.15 * np.maximum(g - 14, 0))
    table = pd.DataFrame(stars)
    for name, factor in (("parallax", 1.0), ("pmra", 1.0), ("pmdec", 0.9)):
        table[name] += sigma * factor * rng.standard_normal(n)
        table[f"{name}_error"] = (sigma * factor).astype("f4")
    for name in ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr"):
        table[name] = rng.uniform(-0.3, 0.3, n).astype("f4")
    for name in ("g", "bp", "rp"):
        table[f"phot_{name}_mean_mag"] = table[f"phot_{name}_mean_mag"].astype("f4")
        table[f"phot_{name}_n_obs"] = (2 * rng.integers(20, 300, n)).astype("i2")
    six = rng.random(n) < 0.2
    table["nu_eff_used_in_astrometry"] = np.where(six, np.nan, rng.uniform(1.2, 1.7, n)).astype(
        "f4"
    )
    table["pseudocolour"] = np.where(six, rng.uniform(1.3, 1.6, n), np.nan).astype("f4")
    table["astrometric_params_solved"] = np.where(six, 95, 31).astype("i2")
    table["ecl_lat"] = rng.uniform(-60, 60, n)
    return table


def _cluster_stars(
    rng: np.random.Generator,
    ra: float,
    dec: float,
    distance: float,
    log_age: float,
    a0: float,
    n: int,
) -> pd.DataFrame:
    grid = default_isochrones()
    age = grid["log_age"].iloc[(grid["log_age"] - log_age).abs().argmin()]
    curve = apparent_isochrone(grid[grid["log_age"] == age], distance, a0)
    curve = curve[(curve[:, 1] > 12) & (curve[:, 1] < 18)]
    colour, g = curve[rng.integers(0, len(curve), n)].T
    x, y = _sky(rng, ra, dec, np.degrees(np.abs(rng.normal(0, 4, n)) / distance))
    return _observed(
        rng,
        {
            "ra": x,
            "dec": y,
            "parallax": np.full(n, 1000 / distance),
            "pmra": _PM[0] + rng.normal(0, _SPREAD, n),
            "pmdec": _PM[1] + rng.normal(0, _SPREAD, n),
            "phot_g_mean_mag": g,
            "phot_bp_mean_mag": g + 0.7 * colour,
            "phot_rp_mean_mag": g - colour,
        },
    )


def _field(
    rng: np.random.Generator, ra: float, dec: float, distance: float, n: int
) -> pd.DataFrame:
    radius = np.degrees(60.0 / distance) * np.sqrt(rng.random(n))
    x, y = _sky(rng, ra, dec, radius)
    g = rng.uniform(13, 19, n)
    return _observed(
        rng,
        {
            "ra": x,
            "dec": y,
            "parallax": rng.uniform(0.2, 1.6, n),
            "pmra": _PM[0] + rng.normal(0, 1.0, n),
            "pmdec": _PM[1] + rng.normal(0, 1.0, n),
            "phot_g_mean_mag": g,
            "phot_bp_mean_mag": g + 0.5,
            "phot_rp_mean_mag": g - rng.uniform(0.2, 1.2, n),
        },
    )
