"""The example in each public docstring runs, as `help` shows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pandas as pd
import pytest

import ocspark
from tests.api.examples import VERBS
from tests.helpers.toy import Toy

ROOT = Path(__file__).parents[2]
_NAMES = {"Wrap 1": "NGC_2423", "Wrap_2": "NGC_2422", "Pole_1": "NGC_188"}


@pytest.fixture(scope="module")
def desk(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the examples name, in one folder."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(toy.folder / "plain", folder / "gaia_dr3")
    for name in ("clusters.csv", "members.csv"):
        table = pd.read_csv(toy.folder / name)
        table.assign(cluster=table["cluster"].replace(_NAMES)).to_csv(folder / name, index=False)
    return folder


def test_every_public_verb_is_listed_and_explained() -> None:
    verbs = [name for name in dir(ocspark) if name[0].islower()]
    assert sorted(verbs) == sorted(VERBS)
    for name in verbs:
        explained = getattr(ocspark, name).__doc__
        assert f"    {name}(" in str(ocspark.__doc__)
        takes_something = signature(getattr(ocspark, name)).parameters
        for section in (*["Parameters"] * bool(takes_something), "Raises", "Examples"):
            assert f"{section}\n    ---" in explained, (name, section)


def test_examples_run(desk: Path) -> None:
    """In a process of their own, since Spark's workers stay in the folder they started in."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.examples", str(desk)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_SUBMIT_ARGS": _SUBMIT},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


_SUBMIT = "--master local[2] --conf spark.ui.enabled=false pyspark-shell"
