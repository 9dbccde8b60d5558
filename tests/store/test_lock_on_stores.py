"""The lock of a folder on every kind of storage: of runs that begin at once, one has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ocspark import locations, storage
from ocspark.errors import BusyError
from ocspark.store import lock as locks
from ocspark.store.lock import hold_lock

#: Tries for a lock when a file appears, and holds it until another one does.
CONTENDER = """
import sys, time
from ocspark import storage
from ocspark.errors import BusyError
from ocspark.store import lock
path, signals = sys.argv[1:]
lock.BEAT_SECONDS, lock._PAUSE_SECONDS, lock.PATIENCE_SECONDS = 0.5, 0.2, 20.0
storage.exists(path)  # the client is made before the race
open(f"{signals}/ready{__import__('os').getpid()}", "w").close()
while not storage.exists(f"{signals}/begin"):
    time.sleep(0.01)
try:
    with lock.hold_lock(path) as held:
        print("held", flush=True)
        while not storage.exists(f"{signals}/end"):
            time.sleep(0.05)
        held.confirm()
except BusyError as error:
    print("busy", flush=True)
"""
N = 8


@pytest.fixture
def path(root: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0.1)
    storage.make_directory(root)
    return f"{root}/_lock"


def leave_dead(path: str) -> None:
    """Leave a lock of a process of this machine that has ended."""
    with hold_lock(path):
        content = json.loads(storage.read_text(path))
    storage.write_file(path, json.dumps({**content, "id": "dead", "born": "earlier"}))


@pytest.mark.parametrize("dead", [False, True])
def test_of_eight_processes_one_has_it(path: str, dead: bool, tmp_path: Path) -> None:
    if dead:
        leave_dead(path)
    options = json.dumps(locations.options_given())
    environment = {**os.environ, locations.OPTIONS_VARIABLE: options}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, path, str(tmp_path)],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(N)
    ]
    until = time.monotonic() + 100
    while len(list(tmp_path.glob("ready*"))) < N and time.monotonic() < until:
        time.sleep(0.05)
    (tmp_path / "begin").touch()
    while sum(p.poll() is not None for p in started) < N - 1 and time.monotonic() < until:
        time.sleep(0.05)
    (tmp_path / "end").touch()
    outcomes = [(*process.communicate(timeout=60), process.returncode) for process in started]
    assert [code for *_, code in outcomes] == [0] * N, outcomes
    assert sorted(out for out, *_ in outcomes) == ["busy\n"] * (N - 1) + ["held\n"]
    assert storage.list_names(path.rpartition("/")[0]) == []


def test_a_claim_that_a_killed_process_left_holds_up_nobody_for_long(path: str) -> None:
    for name in ("0", "g"):  # before and after any other claim by name
        storage.write_file(f"{path}.{name}", "")
    with hold_lock(path):
        assert storage.exists(path)
    left = storage.list_names(path.rpartition("/")[0])
    assert left == ([] if "://" in path else ["_lock.0", "_lock.g"])  # a disk has no claims


def test_a_lock_that_is_empty_while_its_holder_writes_it_is_respected(path: str) -> None:
    storage.write_file(path, "")  # as Azure and HDFS show it
    stop = threading.Event()

    def beat() -> None:
        for number in range(10_000):
            if stop.wait(0.2):
                return
            storage.write_file(path, json.dumps({"id": "other", "beat": number}))

    beating = threading.Thread(target=beat)
    beating.start()
    with pytest.raises(BusyError), hold_lock(path):
        pass
    stop.set()
    beating.join()


def test_an_empty_lock_of_a_killed_process_is_taken_over(path: str) -> None:
    storage.write_file(path, "")
    with hold_lock(path):
        assert json.loads(storage.read_text(path))["pid"] == os.getpid()
    assert not storage.exists(path)
