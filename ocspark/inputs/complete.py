"""A cluster's values from those that are known, with defaults for what nobody has measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ocspark.errors import InputError
from ocspark.inputs.plausible import distance_fault

#: What must be known of a cluster to search for its members.
NEEDED = ("ra", "dec", "parallax", "pmra", "pmdec", "log_age")
#: Dispersions of a cluster that none are given for: its own, 1 km/s and 10 pc along the line of
#: sight, with typical errors of stars with G < 18 [mas/yr, mas].
_KMS, _DEPTH_PC, _PM_ERROR, _PARALLAX_ERROR = 1.0, 10.0, 0.1, 0.05
_KMS_PER_AU_YEAR = 4.740470464


def complete_values(
    given: Mapping[str, float | None], needed: Sequence[str] = NEEDED, where: str = ""
) -> dict[str, float]:
    """Return a cluster's values, with defaults for extinction, distance and dispersions.

    Parameters
    ----------
    given : mapping
        Canonical name to value [deg, mas, mas/yr, dex, mag, pc], or None.
    needed : sequence of str
        Names that must have a value; parallax is one of them.
    where : str
        What errors start with.

    Returns
    -------
    dict
        a0 is 0 mag, distance 1000/parallax pc, and dispersions are those of 1 km/s and 10 pc with
        typical errors, where they are not given.

    Raises
    ------
    InputError
        If values are missing, naming all of them, or parallax and distance do not go together.
    """
    values = {key: float(value) for key, value in given.items() if value is not None}
    missing = [key for key in needed if key not in values]
    if missing:
        what, them = ("a value", "one") if len(missing) == 1 else ("values", "them")
        names = ", ".join(missing)
        raise InputError(f"{where}{names}: expected {what} (or a table that has {them}), got none")
    parallax = values["parallax"]
    if "distance" not in values:
        if parallax <= 0.0:
            raise InputError(
                f"{where}distance: expected one in pc, as the parallax is {parallax:g} mas"
            )
        values["distance"] = 1000.0 / parallax
    if not values["distance"] > 0.0:
        raise InputError(f"{where}distance: expected pc above 0, got {values['distance']:g}")
    fault = distance_fault(parallax, values["distance"])
    if fault:
        raise InputError(f"{where}distance: {fault}")
    nearness = 1000.0 / values["distance"]  # mas
    motion = math.hypot(_PM_ERROR, _KMS / _KMS_PER_AU_YEAR * nearness)
    depth = math.hypot(_PARALLAX_ERROR, _DEPTH_PC * nearness**2 / 1000.0)
    defaults = {
        "a0": 0.0,
        "pmra_dispersion": motion,
        "pmdec_dispersion": motion,
        "parallax_dispersion": depth,
    }
    return defaults | values
