"""jobs/build_mirror.py as its users run it: wrong input, damaged files, kills."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from tests.helpers.bulk import content, make, make_sources, spoil_checksum, write_bulk
from tests.helpers.toyrun import ROOT


def run_here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run the job in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["build_mirror.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/build_mirror.py"), run_name="__main__")
    return stop.value.code


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--release", "dr1"], ["dr1", "dr3"]),
        (["--max-rows", "many"], ["--max-rows", "many"]),
        (["--max-rows", "0"], ["--max-rows 0"]),
        (["--columns", "some"], ["--columns", "needed"]),
        (["--input", "no/such/folder"], ["--input no/such/folder"]),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    changes: list[str], words: list[str], tmp_path: Path, monkeypatch, capsys
):
    output = tmp_path / "mirror"
    arguments = ["--input", str(tmp_path), "--output", str(output), "--release", "dr3", *changes]
    assert run_here(arguments, monkeypatch) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("ocspark: ")]
    assert len(lines) == 1 and all(word in lines[0] for word in words)
    assert not output.exists()


def test_a_quarantined_file_is_one_line_and_exit_code_2(
    spark: SparkSession, tmp_path: Path, monkeypatch, capsys
):
    files = write_bulk(tmp_path / "bulk", make_sources(200), 3)
    good = files[2].read_bytes()
    spoil_checksum(files[2])
    arguments = ["--input", str(tmp_path / "bulk"), "--output", str(tmp_path / "mirror")]
    assert run_here([*arguments, "--release", "dr3"], monkeypatch) == 2
    captured = capsys.readouterr()
    text = captured.out + captured.err
    lines = [line for line in text.splitlines() if line.startswith("ocspark: ")]
    assert len(lines) == 1 and files[2].name in lines[0] and "quarantine.json" in lines[0]
    assert "Traceback" not in text
    files[2].write_bytes(good)
    assert run_here([*arguments, "--release", "dr3"], monkeypatch) == 0
    assert "200 sources from 3 files" in capsys.readouterr().out
    assert run_here([*arguments, "--release", "dr3"], monkeypatch) == 0
    assert "already built" in capsys.readouterr().out


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_with_the_same_bytes(
    spark: SparkSession, tmp_path: Path
):
    write_bulk(tmp_path / "bulk", make_sources(3000), 8)
    arguments = ["--input", str(tmp_path / "bulk"), "--release", "dr3", "--max-rows", "150"]
    record = make(tmp_path / "bulk", tmp_path / "undisturbed", spark, max_rows=150).record
    mirror = tmp_path / "mirror"

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "jobs/build_mirror.py", "--output", str(mirror), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    rng = np.random.default_rng(4)
    steps = len(record["files"]) + len(record["partitions"])
    killed = 0
    for step in np.sort(rng.choice(steps, 10, replace=False)):
        process = start()
        while len(list(mirror.glob("_ocspark_unfinished/*/*.json"))) < step:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 8  # all, unless one was too quick
    assert start().wait() == 0
    assert content(mirror) == content(tmp_path / "undisturbed")
    assert not (mirror / "_ocspark_unfinished").exists() and not (mirror / "_lock").exists()
