"""Processes killed, disks full, inputs replaced, schedules that fire twice: nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.fingerprint import fingerprint_run
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.catalogue.inputs import read_inputs
from ocspark.catalogue.stages import RunStages
from ocspark.catalogue.unchanged import check_unchanged
from ocspark.errors import BusyError, InputError
from ocspark.settings import make_settings
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, assert_same_bits, run_toy, submit


@pytest.fixture
def own(toy: Toy, tmp_path: Path) -> Toy:
    """The toy sky in a folder of the test's own."""
    folder = tmp_path / "own"
    shutil.copytree(toy.folder / "plain", folder / "plain")
    for name in ("clusters.csv", "members.csv"):
        shutil.copy(toy.folder / name, folder / name)
    return Toy(toy.sources, toy.clusters, toy.members, folder)


def shorter_list(toy: Toy) -> None:
    """Drop a third of one cluster's list."""
    path = toy.folder / "members.csv"
    table = pd.read_csv(path)
    table[~((table["cluster"] == "Wrap_2") & (table.index % 3 == 0))].to_csv(path, index=False)


def other_cluster(toy: Toy) -> None:
    path = toy.folder / "clusters.csv"
    pd.read_csv(path).assign(a0=0.2).to_csv(path, index=False)


def other_stars(toy: Toy) -> None:
    path = toy.folder / "plain" / "part-2.parquet"
    pd.read_parquet(path)[1:].to_parquet(path, index=False)


def only_touched(toy: Toy) -> None:
    """Write a mirror file anew, with what it held."""
    path = toy.folder / "plain" / "part-1.parquet"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))


def gone(toy: Toy) -> None:
    (toy.folder / "plain" / "part-0.parquet").unlink()


@pytest.mark.parametrize(
    ("replace", "words"),
    [
        (shorter_list, "members.path: replaced"),
        (other_cluster, "clusters.path: replaced"),
        (other_stars, r"mirror.path: .*part-2.parquet: replaced"),
        (only_touched, r"mirror.path: .*part-1.parquet: replaced"),
        (gone, r"mirror.path: .*part-0.parquet: no such file"),
    ],
)
def test_a_replaced_input_is_noticed(own: Toy, replace: Callable[[Toy], None], words: str) -> None:
    settings = make_settings(own.settings())
    inputs = read_inputs(settings)
    before = fingerprint_run(settings, inputs.release, inputs.network, inputs.files)
    check_unchanged(inputs, before)
    replace(own)
    with pytest.raises(InputError, match=words):
        check_unchanged(inputs, before)


def test_a_run_whose_input_is_replaced_is_not_published(
    own: Toy, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    summarise = RunStages._summarise

    def and_replace(stages: RunStages) -> pd.DataFrame:
        shorter_list(own)
        return summarise(stages)

    with monkeypatch.context() as patch:
        patch.setattr(RunStages, "_summarise", and_replace)
        with pytest.raises(InputError, match=r"members.path: replaced during the run"):
            run_toy(own, spark)
    runs = own.folder / "runs"
    assert not list(runs.rglob("run.json")) and not (runs / "latest").exists()
    assert not list(runs.rglob("_lock"))


def test_a_run_that_another_took_over_while_it_was_silent_is_not_published(
    own: Toy, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    summarise = RunStages._summarise
    other = json.dumps({"id": "other", "host": "elsewhere", "pid": 17})

    def and_take_over(stages: RunStages) -> pd.DataFrame:
        (lock,) = (own.folder / "runs").glob("*/_lock")
        storage.write_file(str(lock), other)
        return summarise(stages)

    with monkeypatch.context() as patch:
        patch.setattr(RunStages, "_summarise", and_take_over)
        with pytest.raises(BusyError, match="taken over by process 17 of elsewhere"):
            run_toy(own, spark)
    runs = own.folder / "runs"
    assert not list(runs.rglob("run.json")) and not (runs / "latest").exists()
    assert [lock.read_text() for lock in runs.rglob("_lock")] == [other]


def start(settings: Path, *command: str) -> subprocess.Popen[str]:
    command = command or (sys.executable,)
    return subprocess.Popen(
        [*command, "tests/helpers/small_portions.py", "--config", str(settings)],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def write_settings(toy: Toy, path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump(toy.settings(**changes)))
    return path


def run_of(folder: Path) -> str:
    return str(folder / (folder / "latest").read_text().strip())


def names(latest: Path, run: RunResult) -> bool:
    return latest.exists() and latest.read_text().strip() == run.record["run_id"]


@pytest.mark.slow
@pytest.mark.parametrize("incremental", [False, True])
def test_killed_at_ten_random_moments_it_ends_identical(
    own: Toy, spark: SparkSession, tmp_path: Path, incremental: bool
) -> None:
    before = tmp_path / "before"
    if incremental:
        run_toy(own, spark, output={"path": str(before)})
        shorter_list(own)
    else:
        before.mkdir()
    fresh = run_toy(own, spark, output={"path": str(tmp_path / "fresh"), "base": None})
    rng, kills, round_number = np.random.default_rng(20261123), 0, 0
    whole = None
    while kills < 10:
        runs = tmp_path / f"runs-{round_number}"
        shutil.copytree(before, runs)
        settings = write_settings(own, tmp_path / "settings.yaml", output={"path": str(runs)})
        for _ in range(5 if whole else 0):
            process = start(settings)
            try:
                process.communicate(timeout=rng.uniform(0.2, 0.95) * (whole or 0.0))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
                published = (runs / fresh.record["run_id"] / "run.json").exists()
                assert published or not names(runs / "latest", fresh)
        clock = time.monotonic()
        process = start(settings)
        text, _ = process.communicate(timeout=600)
        whole = whole or time.monotonic() - clock
        assert process.returncode == 0, text
        assert names(runs / "latest", fresh)
        record = json.loads(Path(run_of(runs), "run.json").read_text())
        assert (record["base"]["run_id"] is not None) == incremental
        assert_same_bits(fresh.path, run_of(runs))
        counts = [
            pd.read_parquet(f"{run}/clusters").sort_values("cluster", ignore_index=True)
            for run in (fresh.path, run_of(runs))
        ]
        pd.testing.assert_frame_equal(*counts, check_exact=True)
        shutil.rmtree(runs)
        round_number += 1


def processes_of(session: int, words: str) -> Iterator[int]:
    """Numbers of the processes of a session whose command line has these words."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            line = (folder / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[3]) == session and words in line:
            yield int(folder.name)


@pytest.mark.slow
def test_a_task_and_an_executor_killed_while_they_evaluate_change_nothing(
    own: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    membership = {"n_samples": 4000}
    here = run_toy(own, spark, membership=membership, output={"path": str(tmp_path / "here")})
    there = tmp_path / "there"
    settings = write_settings(
        own,
        tmp_path / "settings.yaml",
        membership=membership,
        output={"path": str(there), "run_id": "there"},
    )
    master = ["--master", "local-cluster[2,1,1024]", "--conf", "spark.ui.enabled=false"]
    process = start(settings, str(Path(sys.executable).parent / "spark-submit"), *master)
    tasks = there / "there" / "_tasks"
    deadline = time.monotonic() + 300
    while not (tasks / "membership").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2.0)
    daemons = set(processes_of(process.pid, "pyspark.daemon"))
    workers = [d for d in daemons if _parent(d) in daemons]
    assert workers and not (tasks / "layout").exists()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    time.sleep(1.0)
    executors = list(processes_of(process.pid, "CoarseGrainedExecutorBackend"))
    assert len(executors) == 2 and not (tasks / "layout").exists()
    os.kill(executors[0], signal.SIGKILL)
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0, text
    assert_same_bits(here.path, str(there / "there"))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    own: Toy, finished: RunResult, tmp_path: Path, small_disk: Path
) -> None:
    runs = small_disk / "runs"
    settings = write_settings(own, tmp_path / "settings.yaml", output={"path": str(runs)})
    done = submit("local[2]", settings, "tests/helpers/small_portions.py")
    assert done.returncode == 1, done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("ocspark: ")]
    assert len(lines) == 1 and "No space left on device" in lines[0], done.stdout
    assert not list(runs.rglob("run.json")) and not (runs / "latest").exists()
    assert list(runs.glob("*/_tasks/search/*.json"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = submit("local[2]", settings, "tests/helpers/small_portions.py")
    assert again.returncode == 0, again.stdout
    assert_same_bits(finished.path, run_of(runs))


@pytest.mark.slow
def test_a_schedule_that_fires_twice_runs_once(
    own: Toy, finished: RunResult, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    settings = write_settings(own, tmp_path / "settings.yaml", output={"path": str(runs)})
    both = [start(settings), start(settings)]
    texts = [process.communicate(timeout=600)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 75], texts
    refused = next(text for text, p in zip(texts, both, strict=True) if p.returncode == 75)
    lines = [line for line in refused.splitlines() if line.startswith("ocspark: ")]
    assert len(lines) == 1 and "another run is at work there: process" in lines[0]
    assert "Traceback" not in refused
    third = start(settings)
    text, _ = third.communicate(timeout=600)
    assert third.returncode == 0 and "was already finished" in text
    assert_same_bits(finished.path, run_of(runs))
