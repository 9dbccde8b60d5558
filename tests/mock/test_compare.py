"""The comparison of the mock's field with real cones reads files as they are and counts right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocspark.errors import InputError
from ocspark.mock.compare import COLUMNS, compare_fields


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """200 sources in a cone at high latitude, 50 beyond it, ten of those inside members."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({name: rng.normal(1.0, 0.1, 250) for name in COLUMNS})
    table["ra"] = 180.0 + rng.uniform(-0.1, 0.1, 250)
    table["dec"] = np.append(rng.uniform(59.9, 60.1, 200), rng.uniform(61, 62, 50))
    for band in "g bp rp".split():
        table[f"phot_{band}_mean_mag"] = rng.uniform(14, 17, 250)
    table["source_id"] = 2**59 + np.arange(250)
    table.rename(columns={"ra": "RA"}).to_csv(tmp_path / "sources.csv", index=False)
    table.iloc[:10][["source_id"]].to_csv(tmp_path / "members.csv", index=False)
    cone = "cone,ra,dec,radius_deg,g_limit,parallax_min,parallax_max\nA,180,60,0.3,18,-5,5\n"
    (tmp_path / "cones.csv").write_text(cone)
    return tmp_path


def test_sources_in_the_cone_that_are_no_members_are_compared(files: Path) -> None:
    table = compare_fields(
        str(files / "sources.csv"),
        str(files / "cones.csv"),
        [("A", 0.0)],
        str(files / "out"),
        members=[str(files / "members.csv")],
    )
    assert table.loc["A", "n_real"] == 190
    # 0.28 square degrees at b = 56 deg hold hundreds of stars to G = 18, not tens or thousands
    assert 150 < table.loc["A", "n_mock"] < 1500
    assert json.loads((files / "out/distances.json").read_text())["A"]["n_real"] == 190
    assert (files / "out/A.png").read_bytes().startswith(b"\x89PNG")


def test_a_column_that_is_not_there_is_named(files: Path) -> None:
    sources = pd.read_csv(files / "sources.csv").drop(columns="pmdec")
    sources.to_csv(files / "sources.csv", index=False)
    with pytest.raises(InputError, match="expected one column pmdec, got 0"):
        compare_fields(
            str(files / "sources.csv"), str(files / "cones.csv"), [("A", 0.0)], str(files / "out")
        )
