"""Values that cannot be meant as they are: beyond all clusters, or at odds with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.errors import InputError


class Allowed(NamedTuple):
    """Values that a column may have, and what to call them; `low` itself only if `closed`."""

    low: float
    high: float
    closed: bool
    expected: str


#: By column. Clusters have proper motions up to 130 mas/yr and parallaxes up to 40 mas.
ALLOWED = {
    "dec": Allowed(-90.0, 90.0, True, "degrees within [-90, 90]"),
    "ra": Allowed(-180.0, 360.0, True, "degrees within [-180, 360]"),
    "pmra": Allowed(-500.0, 500.0, True, "a proper motion in mas/yr within [-500, 500]"),
    "pmdec": Allowed(-500.0, 500.0, True, "a proper motion in mas/yr within [-500, 500]"),
    "parallax": Allowed(-10.0, 500.0, True, "a parallax in mas, -10 to 500"),
    "distance": Allowed(0.0, 1e6, False, "a distance in pc above 0"),
    "log_age": Allowed(4.0, 11.0, True, "log10 of the age in years, 4 to 11"),
    "a0": Allowed(0.0, 100.0, True, "an extinction in mag, 0 or more"),
    "pmra_dispersion": Allowed(0.0, 500.0, True, "a dispersion in mas/yr, 0 to 500"),
    "pmdec_dispersion": Allowed(0.0, 500.0, True, "a dispersion in mas/yr, 0 to 500"),
    "parallax_dispersion": Allowed(0.0, 500.0, True, "a dispersion in mas, 0 to 500"),
    "metallicity": Allowed(-5.0, 1.0, True, "[M/H] in dex, -5 to 1"),
    "radius_deg": Allowed(0.0, 180.0, True, "a radius in degrees, 0 or more"),
}
#: Columns in which nines alone, such as 99.99 and 999, are nobody's value.
_NO_NINES = (
    "pmra",
    "pmdec",
    "parallax",
    "a0",
    "pmra_dispersion",
    "pmdec_dispersion",
    "parallax_dispersion",
    "radius_deg",
)
#: What a distance and a parallax may differ by: a factor, and this much for the zero point and
#: errors of far clusters [mas]. No cluster of five catalogues (10,000 rows) comes near it.
PARALLAX_FACTOR, PARALLAX_MARGIN = 2.0, 0.1
#: No cluster is nearer [pc]: a smaller distance may be one in kpc.
NEAREST = 20.0
#: From as many positions on it is told whether they are in hours or radians.
FEWEST_POSITIONS = 10


def check_cluster_values(table: pd.DataFrame, name: str, path: str, key: str) -> None:
    """Check that a column of clusters has no value that cannot be.

    Parameters
    ----------
    table : DataFrame
        With the column `name`, ``cluster`` and what has been read so far.
    name : str
        One of `ALLOWED`.
    path, key : str
        For errors.

    Raises
    ------
    InputError
        For a value out of range, or a number that only stands for a missing value.
    """
    allowed, values = ALLOWED[name], table[name].to_numpy()
    with np.errstate(invalid="ignore"):
        bad = (values < allowed.low) | (values > allowed.high)
        bad |= (values == allowed.low) & (not allowed.closed)
        nines = _only_nines(values) & ((values < 0) | (name in _NO_NINES))
    if (bad | nines).any():
        row = int(np.flatnonzero(bad | nines)[0])
        hint = _hint(table, name, row, bool(_only_nines(values[row : row + 1])[0]))
        raise InputError(
            f"{key}: {path}: cluster {table['cluster'].iloc[row]!r}: column {name} is "
            f"{values[row]:g}; expected {allowed.expected}{hint}"
        )


def _only_nines(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which numbers are 99 or more, or -99 or less, and have no other digit than 9."""
    large = np.abs(values) >= 99
    nines = np.zeros(len(values), dtype=bool)
    nines[large] = [set(f"{abs(v):g}") <= {"9", "."} for v in values[large]]
    return nines


def _hint(table: pd.DataFrame, name: str, row: int, nines: bool) -> str:
    """Return the end of an error line: what the value may be instead."""
    value = float(table[name].iloc[row])
    if nines:
        return ", or nothing where a value is missing"
    if name == "log_age" and value > 0:
        unit, years = ("Gyr", 1e9) if value < 4 else ("Myr", 1e6) if value < 1e5 else ("yr", 1.0)
        return f" (an age in {unit}? then {np.log10(value * years):.2f})"
    if name == "dec" and "ra" in table and abs(table["ra"].iloc[row]) <= 90:
        return " (are ra and dec exchanged?)"
    return ""


def check_positions(
    ra: NDArray[np.float64], dec: NDArray[np.float64], units: Mapping[str, str], where: str
) -> None:
    """Check that positions all over the sky are in degrees, where no unit says so.

    Parameters
    ----------
    ra, dec : arrays, shape (n,)
        As they are in the table, NaN for missing ones.
    units : mapping
        Units that the table gives, by column.
    where : str
        What the error starts with.

    Raises
    ------
    InputError
        If right ascensions are hours, or both are radians.
    """
    known = np.isfinite(ra) & np.isfinite(dec)
    if units.get("ra") or known.sum() < FEWEST_POSITIONS:
        return
    ra, dec = ra[known], dec[known]
    spread, height = np.ptp(ra), np.ptp(dec)
    if ra.min() >= 0 and ra.max() < 24 and spread > 18 and height > 75:
        kind = "hours"
    elif ra.min() >= -np.pi and ra.max() <= 2 * np.pi and spread > 4.7 and 2 < height <= np.pi:
        kind = "radians"
    else:
        return
    raise InputError(
        f"{where}: column ra is {ra.min():g} to {ra.max():g}, and dec {dec.min():g} to "
        f"{dec.max():g}: {kind}?; expected degrees (a table that tells its units is believed)"
    )


def faults_of(table: pd.DataFrame, required: list[str]) -> list[str]:
    """Return for each cluster why it cannot be processed, "" where nothing is wrong.

    Parameters
    ----------
    table : DataFrame
        Clusters with all canonical columns, NaN where a value is missing.
    required : list of str
        Columns in which each must have a value.
    """
    absent = table[required].isna()
    faults = []
    for lacking, cluster in zip(absent.to_numpy(), table.to_dict("records"), strict=True):
        if lacking.any():
            faults.append(f"the cluster table has no {', '.join(absent.columns[lacking])}")
        else:
            fault = distance_fault(cluster["parallax"], cluster["distance"])
            faults.append(fault or _no_width(cluster))
    return faults


def parallax_agrees(parallax: float, distance: float) -> bool:
    """Return whether a parallax [mas] and a distance [pc] may be those of one cluster."""
    expected = 1000.0 / distance
    low = (parallax - PARALLAX_MARGIN) / PARALLAX_FACTOR
    high = (max(parallax, 0.0) + PARALLAX_MARGIN) * PARALLAX_FACTOR
    return low <= expected <= high


def distance_fault(parallax: float, distance: float) -> str:
    """Return what is wrong with a distance [pc] beside a parallax [mas], "" if nothing is."""
    if parallax_agrees(parallax, distance):
        return ""
    text = f"its distance of {distance:g} pc does not go with its parallax of {parallax:g} mas"
    if parallax > 0:
        text += f" ({1000.0 / parallax:.0f} pc)"
    if distance < NEAREST and parallax_agrees(parallax, 1000.0 * distance):
        return f"{text}; is it in kpc?"
    if parallax_agrees(1000.0 * parallax, distance):
        return f"{text}; is the parallax in arcsec?"
    return text


def _no_width(cluster: Mapping[Any, Any]) -> str:
    if cluster["parallax_dispersion"] == 0:
        return "its parallax_dispersion is 0, so that no star passes the cut in parallax"
    if cluster["pmra_dispersion"] == cluster["pmdec_dispersion"] == 0:
        return "its dispersions of motion are 0, so that no star passes the cut in proper motion"
    return ""
