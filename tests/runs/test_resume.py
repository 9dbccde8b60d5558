"""A run that is killed goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError
from tests.toy import Toy
from tests.toyrun import ROOT, assert_same_bits, candidates_of, run_toy

SMALL_UNITS = {"rows_per_unit": 800}


def start(settings: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "jobs/full_catalogue.py", "--config", str(settings)],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_a_killed_run_reuses_its_units_and_ends_identical(
    toy: Toy, spark: SparkSession, finished: RunResult, tmp_path: Path
) -> None:
    output = {"path": str(tmp_path / "runs"), "run_id": "killed"}
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(toy.settings(output=output, spark=SMALL_UNITS)))
    process = start(settings)
    manifests = tmp_path / "runs" / "killed" / "_units"
    deadline = time.monotonic() + 300
    while not (manifests / "membership-00001.json").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run_directory = manifests.parent
    assert not (run_directory / "run.json").exists() and (run_directory / "_lock").exists()
    kept = {p.name for p in manifests.iterdir()}

    run = run_toy(toy, spark, output=output, spark=SMALL_UNITS)
    reused = {f"{u['unit']}.json" for u in run.record["units"] if u["reused"]}
    assert {"membership-00000.json", "membership-00001.json"} <= reused == kept & reused
    assert len(reused) < len(run.record["units"])
    assert not (run_directory / "_lock").exists()
    assert_same_bits(finished.path, run.path)


def test_a_damaged_file_is_done_again(toy: Toy, spark: SparkSession, tmp_path: Path) -> None:
    output = {"path": str(tmp_path / "runs"), "run_id": "damaged"}
    run = run_toy(toy, spark, output=output)
    expected = candidates_of(run.path)
    victim = next(Path(run.path, "candidates").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    Path(run.path, "run.json").unlink()
    again = run_toy(toy, spark, output=output)
    redone = [u["unit"] for u in again.record["units"] if not u["reused"]]
    assert redone == [victim.name.rsplit("-", 1)[0], "clusters"]
    assert candidates_of(again.path).equals(expected)


def test_another_run_is_not_mixed_into_a_directory(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    output = {"path": str(tmp_path), "run_id": "mine"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "_inputs.json").write_text(json.dumps({"settings": "others"}))
    with pytest.raises(InputError, match="other inputs or settings"):
        run_toy(toy, spark, output=output)
