"""Numbers as people read them: units, intervals, open ends, shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from astropy.coordinates import SkyCoord

NONE, MINUS = "–", "−"


def is_known(value: Any) -> bool:
    """Return whether there is a value: neither None nor NaN, which is how pandas has nulls."""
    return value is not None and value == value


def number(value: Any, unit: str = "", digits: int = 2) -> str:
    """Return a value with its unit, or a dash where there is none."""
    if not is_known(value):
        return NONE
    if isinstance(value, float) and math.isinf(value):
        return "no limit"
    text = f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"
    return f"{text.replace('-', MINUS)} {unit}".rstrip()


def count(value: Any) -> str:
    """Return a whole number, also one that a table with gaps holds as a float."""
    return number(int(value)) if is_known(value) else NONE


def age(log_age: float | None) -> str:
    """Return an age in Myr or Gyr."""
    if log_age is None or not is_known(log_age):
        return NONE
    million = 10.0 ** (log_age - 6.0)
    return f"{million / 1000.0:.2g} Gyr" if million >= 995.0 else f"{million:.2g} Myr"


def position(ra_deg: float, dec_deg: float) -> str:
    """Return an ICRS position in sexagesimal, to a tenth of a second of time."""
    place = SkyCoord(ra_deg, dec_deg, unit="deg", frame="icrs")
    ra = place.ra.to_string(unit="hour", sep=" ", precision=1, pad=True)
    dec = place.dec.to_string(unit="deg", sep=" ", precision=0, pad=True, alwayssign=True)
    return f"{ra} {dec.replace('-', MINUS)}"


def with_error(value: float, error: float, unit: str, digits: int = 3) -> str:
    """Return value ± error."""
    if math.isnan(value):
        return NONE
    text = f"{value:.{digits}f}".replace("-", MINUS)
    return f"{text} ± {error:.{digits}f} {unit}".rstrip()


def interval(row: Mapping[str, Any], name: str, unit: str, digits: int = 2) -> str:
    """Return value +up −down of a row's 68 % interval, or what is known of an open one."""
    value, low, high = (_value(row, key) for key in (name, f"{name}_lower", f"{name}_upper"))
    if not math.isnan(value) and not (math.isnan(low) or math.isnan(high)):
        text = f"{value:.{digits}f} (+{high - value:.{digits}f} −{value - low:.{digits}f})"
        return f"{text} {unit}".rstrip()
    if not math.isnan(value):
        return f"{value:.{digits}f} {unit} (error unknown)"
    if not math.isnan(low):
        return f"not constrained (> {low:.{digits}f} {unit})"
    if not math.isnan(high):
        return f"not constrained (< {high:.{digits}f} {unit})"
    return "not constrained"


def share(value: float | None) -> str:
    """Return a share as per cent."""
    if value is None or math.isnan(value):
        return NONE
    return f"{100.0 * value:.1f}\u00a0%"


def reasons(row: Mapping[str, Any]) -> str:
    """Return why stars are missed, with counts: the reasons that occur in a `COMPARISON` row."""
    words = {
        "n_not_in_cone": "not in the cone",
        "n_not_in_mirror": "of these not in the mirror",
        "n_not_kept": "missing data",
        "n_proper_motion": "proper motion",
        "n_parallax": "parallax",
        "n_isochrone": "isochrone",
        "n_no_posterior": "no posterior",
        "n_zero_probability": "p = 0",
        "n_low_probability": "p too low",
    }
    found = [f"{text} {row[key]:,}" for key, text in words.items() if row[key]]
    return ", ".join(found) or "none"


def _value(row: Mapping[str, Any], key: str) -> float:
    value = row.get(key)
    return math.nan if value is None else float(value)
