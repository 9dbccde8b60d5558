"""Positions for a search are in the units that their file tells, or in degrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from ocspark import search
from ocspark.errors import InputError


def refused(positions: object, words: str, **arguments: float) -> None:
    with pytest.raises(InputError, match=words):
        search("nowhere", positions, **arguments)  # type: ignore[arg-type]


def test_positions_of_a_file_are_converted_from_its_units(tmp_path: Path) -> None:
    table = Table({"ra": [1.0, 2.0], "dec": [0.1, 0.2], "radius_deg": [1.0, 2.0]})
    for name in ("dec", "radius_deg"):
        table[name].unit = "rad"
    table.write(tmp_path / "at.ecsv")
    refused(str(tmp_path / "at.ecsv"), r"radius_deg, row 2: got 114\.592; expected 0 to 90")
    table["dec"].unit = "pc"
    table.write(tmp_path / "at.ecsv", overwrite=True)
    # the argument is in degrees, whatever the file's column was in
    refused(str(tmp_path / "at.ecsv"), "column dec is in pc; expected deg", radius_deg=0.5)


def test_hours_are_told_from_degrees() -> None:
    positions = {"ra": np.linspace(0, 23.9, 20), "dec": np.linspace(-80, 80, 20)}
    refused(positions, r"^positions: column ra is 0 to 23\.9, .* hours\?", radius_deg=0.1)
