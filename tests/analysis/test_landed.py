"""Runs that cannot be looked at say why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ocspark.analysis.landed import open_run
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError


@pytest.mark.parametrize(
    ("table", "column", "wanted"),
    [("clusters", "cone_ra", "clusters"), ("_models", "isochrone_metallicity", "models")],
)
def test_a_run_of_an_older_version_is_named(
    finished: RunResult, tmp_path: Path, table: str, column: str, wanted: str
) -> None:
    old = tmp_path / "old"
    shutil.copytree(finished.path, old)
    rows = pd.read_parquet(old / table).drop(columns=column)
    shutil.rmtree(old / table)
    (old / table).mkdir()
    rows.to_parquet(old / table / "one.parquet", index=False)
    with pytest.raises(InputError, match=f"{table}: has no column {column}.*older ocspark"):
        getattr(open_run(str(old)), wanted)
