"""Convert columns to the unit that is wanted; refuse units that are unknown or of another kind."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: The unit of ``log_age``: log10 of the age in years. A plain ``dex`` is taken for it.
LOG_YEARS = "dex(yr)"
#: No star is older: ages in years that are all below this are logarithms.
_MOST_LOG_YEARS = 11.0
#: Units in words, and as catalogues of the field write them, in small letters.
_WORDS = {
    "degrees": "deg",
    "radians": "rad",
    "hours": "h",
    "arcminutes": "arcmin",
    "arcseconds": "arcsec",
    "parsecs": "pc",
    "years": "yr",
    "julian years": "yr",
    "magnitude": "mag",
    "magnitudes": "mag",
    "vegamag": "mag",
    "milliarcsec": "mas",
    "e-/s": "electron/s",
    "log(yr)": LOG_YEARS,
    "log10(yr)": LOG_YEARS,
    "log(age/yr)": LOG_YEARS,
    "log10(age/yr)": LOG_YEARS,
    "dex(---)": "dex",
    "[fe/h]": "dex",
    "[m/h]": "dex",
    "dex(fe/h)": "dex",
    "dex(m/h)": "dex",
}
#: Texts that say that there is no unit.
_NONE = ("", "-", "--", "---", "none", "null", "unitless", "dimensionless", "1")
#: Names, in errors, of wanted units that do not explain themselves.
_CALLED = {LOG_YEARS: "dex(yr), the log10 of the age in years", "": "a number without unit"}
#: Grammars in which a unit is looked for, in this order (None: astropy's own).
_GRAMMARS = (None, "cds", "vounit")


def to_unit(values: NDArray[Any], given: str, wanted: str) -> NDArray[Any]:
    """Return values in another unit; the same array where nothing changes.

    Ages in years, or multiples of them, become logarithms where `LOG_YEARS` is wanted; hours are
    those of right ascension where degrees are wanted.

    Parameters
    ----------
    values : array of float
    given : str
        Unit of `values` in any of the field's spellings; "" if unknown: they are taken to be in
        the wanted one.
    wanted : str
        As astropy writes it, or "" for a number without unit.

    Raises
    ------
    ValueError
        Saying what the unit is and what was expected, if it is not known or of another kind.
    """
    from astropy import units as u

    if given.strip().lower() in _NONE or given == wanted:
        return values
    unit, target = _parse(given), _parse(wanted)
    refusal = ValueError(f"is in {given}; expected {_CALLED.get(wanted, wanted)}")
    if unit is None or target is None:
        raise refusal
    if isinstance(target, u.DexUnit) or target == u.dex:
        return _to_dex(values, unit, target, refusal)
    if unit == u.hour and target == u.deg:
        unit = u.hourangle
    try:
        factor = float(unit.to(target))
    except (u.UnitsError, TypeError):
        raise refusal from None
    if abs(round(factor) - factor) < 1e-12 * factor:
        factor = float(round(factor))  # 1000 arcsec in a mas, not 999.9999999999999
    return values if factor == 1.0 else values * factor


def same_unit(given: str, wanted: str) -> bool:
    """Return whether values in one unit need no conversion to another; see `to_unit`."""
    nothing = np.empty(0)
    try:
        return to_unit(nothing, given, wanted) is nothing
    except ValueError:
        return False


def _to_dex(values: NDArray[Any], unit: Any, target: Any, refusal: ValueError) -> NDArray[Any]:
    """Return values in a logarithmic unit, of years or of nothing."""
    from astropy import units as u

    inside = getattr(unit, "physical_unit", None)
    if unit == u.dex or (inside is not None and str(inside) in ("", "---", "Sun")):
        return values
    if target == u.dex:
        raise refusal
    linear = unit if inside is None else inside
    try:
        factor = float(linear.to(u.yr))
    except (u.UnitsError, TypeError):
        raise refusal from None
    if inside is not None:
        return values if inside == u.yr else values + np.log10(factor)
    if factor == 1.0 and np.any(values > 0) and np.nanmax(values) <= _MOST_LOG_YEARS:
        raise ValueError(f"{refusal}; its values, up to {np.nanmax(values):g}, may be logarithms")
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log10(values * factor)
    return np.where(np.isnan(logarithm) & ~np.isnan(values), -np.inf, logarithm)


@cache
def _parse(text: str) -> Any:
    """Return astropy's unit of a text, None if there is none."""
    from astropy import units as u

    text = _WORDS.get(" ".join(text.lower().split()), text).replace("'electron'", "electron")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated spellings
        for grammar in _GRAMMARS:
            try:
                return u.Unit(text, format=grammar)
            except (ValueError, TypeError):
                continue
    return None


def units_of_schema(schema: pa.Schema) -> dict[str, str]:
    """Return the units in a Parquet file's schema, by column.

    They are in the columns' own metadata, or in that of the file as Spark and astropy write it.
    """
    metadata = {
        k.decode(): v.decode("utf-8", "replace") for k, v in (schema.metadata or {}).items()
    }
    units = {
        **_units_by_spark(metadata.get("org.apache.spark.sql.parquet.row.metadata", "")),
        **_units_by_astropy(metadata.get("table_meta_yaml", "")),
    }
    for field in schema:
        unit = (field.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")
        if unit:
            units[field.name] = unit
    return units


def _units_by_spark(text: str) -> dict[str, str]:
    try:
        fields = json.loads(text)["fields"] if text else []
        return {f["name"]: str(f["metadata"]["unit"]) for f in fields if f["metadata"].get("unit")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _units_by_astropy(text: str) -> dict[str, str]:
    if not text:
        return {}
    from astropy.table.meta import YamlParseError, get_header_from_yaml

    try:
        columns: list[Mapping[str, Any]] = get_header_from_yaml(text.splitlines())["datatype"]
        return {c["name"]: str(c["unit"]) for c in columns if c.get("unit")}
    except (YamlParseError, KeyError, TypeError):
        return {}
