"""Runs on the toy sky, and how two are compared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.settings import make_settings
from tests.helpers.toy import Toy

ROOT = Path(__file__).parents[2]
_OF_CONNECT = ("SPARK_CONNECT", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "PYSPARK_REMOTE")


def candidates_of(path: str) -> pd.DataFrame:
    """All columns of a run's candidates, in an order that does not depend on how they landed."""
    table = pd.read_parquet(f"{path}/candidates")
    return table.sort_values(["cluster", "source_id"], ignore_index=True)


def run_toy(
    toy: Toy, session: SparkSession, /, overlay: str | None = None, **changes: Any
) -> RunResult:
    return run_full_catalogue(make_settings(toy.settings(**changes)), session, overlay)


def portions_of(run: RunResult) -> dict[str, int]:
    """How many portions each pass of a run was cut into."""
    steps = [portion["step"] for portion in run.record["portions"]]
    return {step: steps.count(step) for step in ("search", "membership")}


def with_posteriors(run: RunResult, folder: Path) -> RunResult:
    """A copy of a run whose posteriors are made up, in hundredths; see `told_by`.

    Wrap 1 has them to a radius, and Wrap_2 has some that did not pass the check; Pole_1 has none.
    """
    path = folder / "with_posteriors"
    shutil.copytree(run.path, path)
    rng = np.random.default_rng(3)
    for file in (path / "candidates").iterdir():
        stars = pd.read_parquet(file)
        mixed = (0.6 * stars["probability"] + 0.4 * rng.random(len(stars))).round(2)
        known = (stars["cluster"] != "Pole_1") & (stars["f_r"] <= stars["f_r"].quantile(0.7))
        for name, shift in (("posterior", 0.0), ("posterior_low", -0.1), ("posterior_high", 0.1)):
            stars[name] = (mixed + shift).clip(0.0, 1.0).where(known)
        stars.to_parquet(file, index=False)
    (file,) = (path / "clusters").iterdir()
    clusters = pd.read_parquet(file)
    clusters["members_by"] = clusters["cluster"].map(
        {"Wrap 1": "posterior", "Wrap_2": "votes", "Pole_1": "votes"}
    )
    clusters.to_parquet(file, index=False)
    (folder / "latest").write_text(f"{path.name}\n")
    return RunResult(str(path), run.record, True)


def told_by(candidates: pd.DataFrame) -> pd.Series:
    """What tells the members of a run `with_posteriors`: posterior in Wrap 1, votes elsewhere."""
    by_posterior = candidates["cluster"] == "Wrap 1"
    return candidates["posterior"].where(by_posterior, candidates["probability"])


def assert_same_bits(one: str, two: str) -> None:
    a, b = candidates_of(one), candidates_of(two)
    assert len(a) > 100
    pd.testing.assert_frame_equal(a, b, check_exact=True)


def submit(
    master: str, settings: Path, job: str = "jobs/full_catalogue.py"
) -> subprocess.CompletedProcess[str]:
    """Run the main job by a classic spark-submit; standard error is in standard output."""
    command = [str(Path(sys.executable).parent / "spark-submit"), "--master", master]
    command += ["--conf", "spark.ui.enabled=false", job]
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    # a session on Connect leaves word of itself to its children
    own = {k: v for k, v in os.environ.items() if not k.startswith(_OF_CONNECT)}
    return subprocess.run(
        [*command, "--config", str(settings)],
        cwd=ROOT,
        env={**own, **python},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
