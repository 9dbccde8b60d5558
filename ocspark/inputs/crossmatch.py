"""Pair rows of two cluster tables that may be one cluster: name, position, motion, parallax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Below these scaled distances (separation, proper motion, parallax) clusters of other names are
#: one: so are 98 % of the 1,784 that CG20 and Hunt & Reffert (2023) name alike, and by chance or
#: because they are one, ten pairs within CG20 and four within Hunt & Reffert's 6,806.
SAME = (1.0, 1.0, 1.0)
#: Below these, which 12 of the 1,784 exceed, clusters of one name are one, and others may be.
NEAR = (2.0, 3.0, 3.0)
#: Systematic differences between catalogues, added in quadrature to the dispersions.
PM_FLOOR, PARALLAX_FLOOR = 0.1, 0.05  # [mas/yr, mas]
#: Radius of a cluster for which no catalogue has one [pc]; the median r50 of CG20 is 3.0.
DEFAULT_RADIUS_PC = 3.0
#: No cluster is searched for farther away than this [deg].
MAX_SEPARATION_DEG = 15.0
#: How names agree, best first.
NAME, ALIAS, SHARED_ALIAS, POSITION = range(4)
RELATIONS = ("name", "alias", "shared alias", "position")

_USED = (
    "ra dec pmra pmdec pmra_dispersion pmdec_dispersion parallax parallax_dispersion "
    "distance radius_deg"
).split()
_Columns = dict[str, NDArray[np.float64]]
_SCALED = ["scaled_separation", "scaled_pm", "scaled_parallax"]


def distances(
    first: pd.DataFrame, second: pd.DataFrame, i: NDArray[np.int64], j: NDArray[np.int64]
) -> pd.DataFrame:
    """Return how far pairs of rows are apart, NaN where a value is missing.

    Separation is in units of the larger radius; differences of proper motion and parallax in
    units of both dispersions and the floor, in quadrature (those of proper motion averaged over
    its two components); a dispersion that is missing counts as 0.

    Parameters
    ----------
    first, second : DataFrame
        Canonical cluster columns.
    i, j : array of int
        Rows of the pairs.

    Returns
    -------
    DataFrame
        i, j, separation_deg, pm_difference [mas/yr], parallax_difference [mas],
        scaled_separation, scaled_pm, scaled_parallax.
    """
    from astropy.coordinates import angular_separation

    a, b = (
        {name: table[name].to_numpy(dtype=float)[rows] for name in _USED}
        for table, rows in ((first, i), (second, j))
    )
    radians = [np.radians(t[name]) for t in (a, b) for name in ("ra", "dec")]
    separation = np.degrees(angular_separation(*radians))
    pm = np.hypot(a["pmra"] - b["pmra"], a["pmdec"] - b["pmdec"])
    parallax = np.abs(a["parallax"] - b["parallax"])
    pm_scale = np.sqrt(_pm_variance(a) + _pm_variance(b) + PM_FLOOR**2)
    spread = [np.nan_to_num(t["parallax_dispersion"]) for t in (a, b)]
    parallax_scale = np.sqrt(spread[0] ** 2 + spread[1] ** 2 + PARALLAX_FLOOR**2)
    return pd.DataFrame(
        {
            "i": i,
            "j": j,
            "separation_deg": separation,
            "pm_difference": pm,
            "parallax_difference": parallax,
            "scaled_separation": separation / _larger_radius_deg(a, b),
            "scaled_pm": pm / pm_scale,
            "scaled_parallax": parallax / parallax_scale,
        }
    )


def within(pairs: pd.DataFrame, limits: Sequence[float]) -> NDArray[np.bool_]:
    """Whether pairs are nearer than the three limits; a missing distance is not."""
    return np.all(pairs[_SCALED].to_numpy() < np.asarray(limits), axis=1)


def _larger_radius_deg(a: _Columns, b: _Columns) -> NDArray[np.float64]:
    larger = np.fmax(a["radius_deg"], b["radius_deg"])
    distance = np.where(np.isnan(a["distance"]), b["distance"], a["distance"])
    from_parallax = 1000.0 / np.fmax(a["parallax"], 0.1)
    distance = np.where(np.isnan(distance), from_parallax, distance)
    return np.where(np.isnan(larger), np.degrees(DEFAULT_RADIUS_PC / distance), larger)


def _pm_variance(table: _Columns) -> NDArray[np.float64]:
    both = [np.nan_to_num(table[name]) for name in ("pmra_dispersion", "pmdec_dispersion")]
    return (both[0] ** 2 + both[1] ** 2) / 2


def near_pairs(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the distances of all pairs of rows that are `NEAR`."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    rows, places = [], []
    for table in (first, second):
        known = np.flatnonzero(table[["ra", "dec"]].notna().all(axis=1))
        rows.append(known)
        at = table.iloc[known]
        places.append(SkyCoord(at["ra"].to_numpy() * u.deg, at["dec"].to_numpy() * u.deg))
    if not len(rows[0]) or not len(rows[1]):
        return distances(first, second, np.empty(0, np.int64), np.empty(0, np.int64))
    i, j, _, _ = search_around_sky(*places, MAX_SEPARATION_DEG * u.deg)
    pairs = distances(first, second, rows[0][i], rows[1][j])
    return pairs[within(pairs, NEAR)].reset_index(drop=True)


def named_pairs(
    names: Sequence[set[str]],
    aliases: Sequence[set[str]],
    other_names: Sequence[set[str]],
    other_aliases: Sequence[set[str]],
) -> dict[tuple[int, int], int]:
    """Return the pairs of rows that share a name, with the best of `RELATIONS`."""
    best: dict[tuple[int, int], int] = {}
    joins: list[tuple[Any, Any, int]] = [
        (names, other_names, NAME),
        (names, other_aliases, ALIAS),
        (aliases, other_names, ALIAS),
        (aliases, other_aliases, SHARED_ALIAS),
    ]
    for left, right, relation in joins:
        rows: dict[str, list[int]] = {}
        for i, own in enumerate(left):
            for name in own:
                rows.setdefault(name, []).append(i)
        for j, own in enumerate(right):
            for i in {i for name in own for i in rows.get(name, [])}:
                best.setdefault((i, j), relation)
    return best


def assign(pairs: pd.DataFrame) -> list[tuple[int, int]]:
    """Return one-to-one pairs, the best first: by relation, then scaled distance, then row.

    Parameters
    ----------
    pairs : DataFrame
        Acceptable pairs: i, j, relation and the columns of `distances`.
    """
    total = (pairs[_SCALED].fillna(np.inf) ** 2).sum(axis=1)
    ordered = pairs.assign(total=total).sort_values(["relation", "total", "i", "j"])
    taken_i: set[int] = set()
    taken_j: set[int] = set()
    chosen = []
    for i, j in ordered[["i", "j"]].itertuples(index=False):
        if i not in taken_i and j not in taken_j:
            chosen.append((int(i), int(j)))
            taken_i.add(i)
            taken_j.add(j)
    return chosen
