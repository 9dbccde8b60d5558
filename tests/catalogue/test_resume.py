"""A run that is killed goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult
from ocspark.catalogue.stages import RunStages
from ocspark.errors import InputError
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, assert_same_bits, run_toy


def start(settings: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "tests/helpers/small_portions.py", "--config", str(settings)],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def manifests_of(run_directory: Path) -> dict[str, str]:
    """Texts of the manifests, by step and key."""
    folder = run_directory / "_tasks"
    return {f"{p.parent.name}/{p.name}": p.read_text() for p in folder.glob("*/*.json")}


def test_a_killed_run_redoes_only_what_has_no_manifest_and_ends_identical(
    toy: Toy, spark: SparkSession, finished: RunResult, tmp_path: Path, small_portions: None
) -> None:
    output = {"path": str(tmp_path / "runs"), "run_id": "killed"}
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(toy.settings(output=output)))
    process = start(settings)
    run_directory = tmp_path / "runs" / "killed"
    deadline = time.monotonic() + 300
    while sum(name.startswith("membership/") for name in manifests_of(run_directory)) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run_directory / "run.json").exists() and (run_directory / "_lock").exists()
    kept = {name.removesuffix(".json") for name in manifests_of(run_directory)}

    run = run_toy(toy, spark, output=output)
    portions = run.record["portions"]
    reused = {f"{p['step']}/{p['key']}" for p in portions if p["reused"]}
    assert kept <= reused  # a worker may have ended its task after the driver was gone
    assert len(reused) < len(portions)
    assert not (run_directory / "_lock").exists() and not (run_directory / "_tasks").exists()
    assert not list(run_directory.glob("_pieces*"))
    assert_same_bits(finished.path, run.path)


@pytest.fixture
def stopped(
    toy: Toy, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], RunResult]:
    """A run that stopped before its last step, and how to go on with it."""
    output = {"path": str(tmp_path / "runs"), "run_id": "stopped"}
    with monkeypatch.context() as patch:
        patch.setattr(RunStages, "_summarise", stop)
        with pytest.raises(KeyboardInterrupt):
            run_toy(toy, spark, output=output)
    return lambda: run_toy(toy, spark, output=output)


def stop(stages: RunStages) -> None:
    raise KeyboardInterrupt


def redone(run: RunResult) -> set[str]:
    return {p["step"] for p in run.record["portions"] if not p["reused"]}


@pytest.mark.parametrize("step", ["layout", "share"])
def test_a_damaged_file_is_done_again(
    stopped: Callable[[], RunResult], finished: RunResult, tmp_path: Path, step: str
) -> None:
    folder = tmp_path / "runs" / "stopped"
    files = json.loads(manifests_of(folder)[f"{step}/00000.json"])["files"]
    victim = next(folder / f["name"] for f in files if f["name"].startswith("candidates/"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    again = stopped()
    assert redone(again) == {step}
    assert_same_bits(finished.path, again.path)


@pytest.mark.parametrize("before", [True, False])
def test_a_run_stopped_before_stars_are_shared_or_after_its_tables_are_whole_goes_on(
    toy: Toy,
    spark: SparkSession,
    finished: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
) -> None:
    output = {"path": str(tmp_path / "runs"), "run_id": "stopped"}
    summarise = RunStages._summarise

    def and_stop(stages: RunStages) -> None:
        summarise(stages)  # which also deletes the files that shares were laid over
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunStages, *(("_share", stop) if before else ("_summarise", and_stop)))
        with pytest.raises(KeyboardInterrupt):
            run_toy(toy, spark, output=output)
    again = run_toy(toy, spark, output=output)
    assert redone(again) == {"share" if before else "layout"}
    assert len(list(Path(again.path, "candidates").iterdir())) == 3
    assert_same_bits(finished.path, again.path)


@pytest.mark.parametrize("content", ["", '{"key": "000', "[]"])
def test_an_empty_or_half_written_manifest_does_not_stop_a_resume(
    stopped: Callable[[], RunResult], finished: RunResult, tmp_path: Path, content: str
) -> None:
    next(tmp_path.glob("runs/stopped/_tasks/membership/*.json")).write_text(content)
    again = stopped()
    assert redone(again) == {"membership"}
    assert_same_bits(finished.path, again.path)


@pytest.mark.parametrize("name", ["run.json", "_inputs.json"])
def test_an_empty_or_half_written_note_of_the_run_does_not_stop_a_resume(
    stopped: Callable[[], RunResult], finished: RunResult, tmp_path: Path, name: str
) -> None:
    note = tmp_path / "runs" / "stopped" / name
    note.write_text('{"run_id": "sto')
    assert redone(stopped()) == set()
    assert_same_bits(finished.path, str(note.parent))


def test_another_run_is_not_mixed_into_a_directory(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    output = {"path": str(tmp_path), "run_id": "mine"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "_inputs.json").write_text(json.dumps({"settings": "others"}))
    with pytest.raises(InputError, match="other inputs or settings"):
        run_toy(toy, spark, output=output)
