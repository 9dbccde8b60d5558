"""Isochrones of many ages and metallicities: the nearest, or one between them at equal phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.physics.isochrone import LAST_STAGE, nearest_age

#: Neighbours farther apart than this are not interpolated between [dex].
MAX_AGE_STEP, MAX_METALLICITY_STEP = 0.3, 0.6
#: Columns that are interpolated; the first gives the place within a phase.
_VALUES = ["initial_mass", "log_teff", "g_mag", "bp_mag", "rp_mag"]
#: Phases before the turn-off (PARSEC `label`): pre-main sequence and main sequence.
_PRE_MAIN_SEQUENCE, _MAIN_SEQUENCE = 0, 1

_Phase = tuple[int, int]
_Phases = dict[_Phase, NDArray[np.float64]]


@dataclass(frozen=True)
class Isochrone:
    """One isochrone: points as `read_isochrones` returns them, log age and [M/H] [dex]."""

    points: pd.DataFrame
    log_age: float
    metallicity: float


@dataclass(frozen=True)
class IsochroneGrid:
    """Isochrones by metallicity and age.

    Attributes
    ----------
    tables : mapping
        [M/H] [dex] to log age [dex] to points.
    default : float
        [M/H] of clusters without one of their own; NaN if there must be none.
    interpolate : bool
        Whether `at` interpolates; otherwise it takes the nearest.
    passbands : str
        Number of the Gaia release in whose passbands they are; "" if unknown.
    """

    tables: Mapping[float, Mapping[float, pd.DataFrame]]
    default: float
    interpolate: bool = False
    passbands: str = ""

    def ages(self, metallicity: float = np.nan) -> NDArray[np.float64]:
        """Return the tabulated log ages [dex] at the metallicity nearest to this, ascending."""
        return np.array(sorted(self.tables[self._nearest_metallicity(metallicity)]))

    def place(self, log_age: float, metallicity: float = np.nan) -> tuple[float, float]:
        """Return log age and [M/H] [dex] that `at` will give: the wanted ones or the nearest."""
        if self._metallicities_about(log_age, metallicity) is not None:
            return log_age, metallicity
        nearest = self._nearest_metallicity(metallicity)
        if self.interpolate and self._covers(nearest, log_age):
            return log_age, nearest
        return nearest_age(self.ages(metallicity), log_age), nearest

    def at(self, log_age: float, metallicity: float = np.nan) -> Isochrone:
        """Return the isochrone of an age and metallicity, NaN for the default [dex].

        A tabulated one is returned as it is. Between two of them points are taken at equal
        fractions of the initial mass within each phase, linearly in log age and [M/H]; a phase
        that only the nearer one has is that one's. Outside the table the nearest stands.
        """
        age, metal = self.place(log_age, metallicity)
        pair = self._metallicities_about(log_age, metallicity)
        if pair is None:
            return Isochrone(self._of_age(metal, age), age, metal)
        weight = (metal - pair[0]) / (pair[1] - pair[0])
        poorer, richer = (self._of_age(m, age) for m in pair)
        return Isochrone(interpolate_isochrones(poorer, richer, weight), age, metal)

    def _covers(self, metallicity: float, log_age: float) -> bool:
        """Return whether the table of one metallicity has this age, or ages about it."""
        ages = np.array(sorted(self.tables[metallicity]))
        return _neighbours(ages, log_age, MAX_AGE_STEP) is not None

    def _of_age(self, metallicity: float, log_age: float) -> pd.DataFrame:
        by_age = self.tables[metallicity]
        if log_age in by_age:
            return by_age[log_age]
        pair = _neighbours(np.array(sorted(by_age)), log_age, MAX_AGE_STEP)
        assert pair is not None
        weight = (log_age - pair[0]) / (pair[1] - pair[0])
        between = interpolate_isochrones(by_age[pair[0]], by_age[pair[1]], weight)
        return between.assign(log_age=log_age)

    def _nearest_metallicity(self, metallicity: float) -> float:
        wanted = self.default if np.isnan(metallicity) else metallicity
        return min(sorted(self.tables), key=lambda known: abs(known - wanted))

    def _metallicities_about(
        self, log_age: float, metallicity: float
    ) -> tuple[float, float] | None:
        """Return the neighbours to interpolate between, None where one table stands."""
        if np.isnan(metallicity) or not self.interpolate or metallicity in self.tables:
            return None
        pair = _neighbours(np.array(sorted(self.tables)), metallicity, MAX_METALLICITY_STEP)
        if pair is None or not all(self._covers(m, log_age) for m in pair):
            return None
        return pair


def _neighbours(
    known: NDArray[np.float64], wanted: float, max_step: float
) -> tuple[float, float] | None:
    """Return the two values about `wanted` (twice it, if it is one); None outside or too far."""
    above = int(np.searchsorted(known, wanted))
    if above < len(known) and known[above] == wanted:
        return wanted, wanted
    if not 0 < above < len(known) or known[above] - known[above - 1] > max_step + 1e-9:
        return None
    return float(known[above - 1]), float(known[above])


def interpolate_isochrones(
    first: pd.DataFrame, second: pd.DataFrame, weight: float
) -> pd.DataFrame:
    """Return the isochrone between two, up to the early AGB (`LAST_STAGE`).

    Parameters
    ----------
    first, second : DataFrame
        Points of one age and metallicity each, in order of initial mass.
    weight : float
        Of the second, 0 to 1.

    Returns
    -------
    DataFrame
        The same columns. In each phase there is a point for every fraction of the phase's range
        of initial mass at which either has one.
    """
    one, other = _phases(first), _phases(second)
    if _has_pre_main_sequence(one) != _has_pre_main_sequence(other):
        one, other = _join_early(one), _join_early(other)
    nearer = one if weight <= 0.5 else other
    pieces, labels = [], []
    for phase, points in nearer.items():
        if phase in one and phase in other:
            points = _mix(one[phase], other[phase], weight)
        pieces.append(points)
        labels.append(np.full(len(points), phase[0]))
    table = pd.DataFrame(np.concatenate(pieces), columns=_VALUES)
    table["label"] = np.concatenate(labels)
    for name in ("z_ini", "log_age"):
        table[name] = (1 - weight) * first[name].iloc[0] + weight * second[name].iloc[0]
    return table[list(first.columns)]


def _phases(isochrone: pd.DataFrame) -> _Phases:
    """Cut an isochrone into phases by `label` and, where a label comes back, its occurrence.

    Among low-mass stars labels 0 and 1 alternate: all up to the last 0 before the turn-off is
    pre-main sequence.
    """
    kept = isochrone[isochrone["label"] <= LAST_STAGE]
    label, values = kept["label"].to_numpy(), kept[_VALUES].to_numpy(dtype=float)
    evolved = np.flatnonzero(label > _MAIN_SEQUENCE)
    turn_off = int(evolved[0]) if len(evolved) else len(label)
    unborn = np.flatnonzero(label[:turn_off] == _PRE_MAIN_SEQUENCE)
    arrival = int(unborn[-1]) + 1 if len(unborn) else 0
    later = np.flatnonzero(np.diff(label[turn_off:])) + 1 + turn_off
    edges = [0, arrival, turn_off, *later.tolist(), len(label)]
    phases: _Phases = {}
    for start, stop in pairwise(edges):
        if start == stop:
            continue
        name = int(label[start])
        if stop <= turn_off:
            name = _PRE_MAIN_SEQUENCE if stop <= arrival else _MAIN_SEQUENCE
        occurrence = sum(known == name for known, _ in phases)
        phases[name, occurrence] = values[start:stop]
    return phases


def _has_pre_main_sequence(phases: _Phases) -> bool:
    return (_PRE_MAIN_SEQUENCE, 0) in phases


def _join_early(phases: _Phases) -> _Phases:
    """Make one phase of all before the turn-off, where only one of two isochrones has both."""
    early = [(_PRE_MAIN_SEQUENCE, 0), (_MAIN_SEQUENCE, 0)]
    joined = [phases[phase] for phase in early if phase in phases]
    rest = {phase: points for phase, points in phases.items() if phase not in early}
    return {early[1]: np.concatenate(joined), **rest} if joined else rest


def _mix(
    one: NDArray[np.float64], other: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    places = [_fractions(points[:, 0]) for points in (one, other)]
    common = np.union1d(*places)
    at_common = [
        np.column_stack([np.interp(common, place, column) for column in points.T])
        for place, points in zip(places, (one, other), strict=True)
    ]
    return (1 - weight) * at_common[0] + weight * at_common[1]


def _fractions(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each point's place in its phase, 0 to 1, never falling."""
    grown = np.maximum.accumulate(mass) - mass[0]
    if grown[-1] > 0:
        return grown / grown[-1]
    return np.linspace(0.0, 1.0, len(mass))


def grid_of(
    tables: Sequence[tuple[float, pd.DataFrame]],
    default: float,
    interpolate: bool,
    passbands: str = "",
) -> IsochroneGrid:
    """Return the grid of some tables of one [M/H] [dex] each, their points by log age."""
    by_metallicity = {
        metallicity: {float(age): points for age, points in table.groupby("log_age")}  # type: ignore[arg-type]
        for metallicity, table in tables
    }
    return IsochroneGrid(by_metallicity, default, interpolate, passbands)
