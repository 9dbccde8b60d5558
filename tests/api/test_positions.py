"""Positions, and the distance of a cluster of one's own, are in the units that they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from ocspark import find_members, search
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


@pytest.mark.parametrize(
    ("distance", "words"),
    [(0.943, r"0\.943 pc does not go with .* 1\.045 mas \(957 pc\); is it in kpc"), (0.0, "got 0")],
)
def test_the_distance_of_ones_own_cluster_must_go_with_its_parallax(
    tmp_path: Path, distance: float, words: str
) -> None:
    values = {"ra": 114.3, "dec": -13.9, "parallax": 1.045, "pmra": -0.7, "pmdec": -3.6}
    with pytest.raises(InputError, match=f"^distance: .*{words}"):
        find_members("m", "Mine", tmp_path, **values, log_age=9.0, distance=distance)
    assert not list(tmp_path.iterdir())
