"""The lock of a folder: one run at a time, and what is left by dead ones is taken over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocspark import storage
from ocspark.cli import run_job
from ocspark.errors import BusyError, OutputError
from ocspark.store import lock as locks
from ocspark.store import processes
from ocspark.store.lock import hold_lock

ROOT = Path(__file__).parents[2]
#: Holds a lock until it is killed, or its standard input ends.
HOLDER = """
import sys
from ocspark.store import lock
lock.BEAT_SECONDS = 0.05
with lock.hold_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
#: Tries for a lock and says how it went.
TRIER = """
import sys
from ocspark.errors import BusyError
from ocspark.store import lock
lock.BEAT_SECONDS, lock.PATIENCE_SECONDS = 0.05, float(sys.argv[2])
try:
    with lock.hold_lock(sys.argv[1]):
        print("held")
except BusyError as error:
    print("busy", error)
"""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that beat, and are given up, within a second."""
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0.1)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that live on for long though a busy machine makes their holder miss a beat."""
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 30.0)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "_lock")


def holder(path: str, *before: str) -> subprocess.Popen[str]:
    """A process that holds the lock."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", HOLDER, path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def try_for(path: str, patience: float, *before: str) -> str:
    done = subprocess.run(
        [*before, sys.executable, "-c", TRIER, path, str(patience)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def left_by(path: str, **changed: Any) -> dict[str, Any]:
    """Leave the lock that this process would hold, with some of it changed."""
    with hold_lock(path):
        content = json.loads(Path(path).read_text())
    content = {**content, "id": "left", **changed}
    Path(path).write_text(json.dumps(content))
    return content


def forbid_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        raise AssertionError("waits")

    monkeypatch.setattr(locks.time, "sleep", sleep)


def test_a_second_run_is_told_at_once_who_holds_it_and_since_when(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(processes.socket, "gethostname", lambda: "lovelace")
    with hold_lock(path):
        since = json.loads(Path(path).read_text())["since"]
        forbid_watching(monkeypatch)

        def main() -> int:
            with hold_lock(path):
                raise AssertionError("both hold it")

        with pytest.raises(SystemExit) as stop:
            run_job(main)
    assert stop.value.code == 75
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ocspark: output: {path}: another run is at work there: ")
    assert f"process {os.getpid()} of ada@lovelace, since {since};" in line
    assert not os.path.exists(path)


def test_a_killed_process_is_known_to_be_dead_at_once(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = holder(path)
    with pytest.raises(BusyError, match=f"process {process.pid} of "), hold_lock(path):
        pass
    process.send_signal(signal.SIGKILL)
    # its parent, this test, has not asked for it yet: a zombie still has its number
    while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        time.sleep(0.01)
    with monkeypatch.context() as patch:
        forbid_watching(patch)
        with hold_lock(path):
            pass
    left_by(path, pid=process.pid)
    process.communicate()
    with monkeypatch.context() as patch:
        forbid_watching(patch)
        with hold_lock(path):
            assert json.loads(Path(path).read_text())["pid"] == os.getpid()


def test_a_stopped_process_is_alive(path: str) -> None:
    process = holder(path)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(BusyError), hold_lock(path):
        pass
    process.kill()
    process.communicate()


def test_a_number_given_to_a_new_process_is_known_by_its_birth(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = left_by(path, born="earlier")
    with monkeypatch.context() as patch:
        forbid_watching(patch)
        with hold_lock(path):
            assert json.loads(Path(path).read_text())["born"] != mine["born"]


CANNOT_BE_ASKED: list[dict[str, Any]] = [
    {"machine": ["another start of the system", "pid:[4026531836]"]},
    {"machine": None},
    {"host": "elsewhere", "machine": ["another", "pid:[4026531836]"]},
    {"pid": "17"},
    {"pid": 10**30},
]


@pytest.mark.parametrize("changed", CANNOT_BE_ASKED)
def test_a_process_that_cannot_be_asked_is_alive_if_its_lock_beats(
    path: str, changed: dict[str, Any], patient: None
) -> None:
    left, stop = left_by(path, **changed), threading.Event()

    def beat() -> None:
        number = 0
        while not stop.wait(0.05):
            number += 1
            storage.write_file(path, json.dumps({**left, "beat": number}))

    beating = threading.Thread(target=beat)
    beating.start()
    with pytest.raises(BusyError, match="another run is at work"), hold_lock(path):
        pass
    stop.set()
    beating.join()


@pytest.mark.parametrize("changed", CANNOT_BE_ASKED)
def test_a_process_that_cannot_be_asked_is_dead_if_its_lock_does_not_beat(
    path: str, changed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    left_by(path, **changed)
    with caplog.at_level("INFO", logger="ocspark"), hold_lock(path):
        assert json.loads(Path(path).read_text())["id"] != "left"
    looking, taken_over = caplog.messages
    assert "looking whether process" in looking and "taken over from process" in taken_over


def test_where_the_system_does_not_tell_starts_apart_a_process_is_watched(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "_machine", lambda: None)
    with hold_lock(path), monkeypatch.context() as patch:
        patch.setattr(locks, "PATIENCE_SECONDS", 30.0)
        with pytest.raises(BusyError), hold_lock(path):
            pass
    left_by(path, pid=2**22 + 1)
    with caplog.at_level("INFO", logger="ocspark"), hold_lock(path):
        pass
    assert "looking whether process 4194305" in caplog.text


UNSHARE = ("unshare", "--fork", "--pid", "--mount-proc")
CAN_UNSHARE = shutil.which("unshare") and not subprocess.run([*UNSHARE, "true"]).returncode


@pytest.mark.skipif(not CAN_UNSHARE, reason="needs the right to make a PID namespace")
def test_a_process_of_another_container_is_not_taken_for_dead_by_its_number(path: str) -> None:
    process = holder(path, *UNSHARE)  # same host name; its number there is none of ours
    assert json.loads(Path(path).read_text())["pid"] < 10
    assert try_for(path, 30.0).startswith("busy")
    assert try_for(path, 30.0, *UNSHARE).startswith("busy")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    process.communicate()
    assert try_for(path, 1.0) == "held\n"


@pytest.mark.parametrize("text", ["", '{"host": "here", "pi', "[1]", "\udcff"])
def test_half_a_lock_is_watched_and_then_taken_over(
    path: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path(path).write_text(text, errors="surrogateescape")
    with caplog.at_level("INFO", logger="ocspark"), hold_lock(path):
        assert json.loads(Path(path).read_text())["pid"] == os.getpid()
    assert "looking whether an unknown process is alive" in caplog.text
    assert not os.path.exists(path)


def test_half_a_lock_that_becomes_whole_is_anothers(path: str, patient: None) -> None:
    whole = left_by(path, machine=["another", "pid:[1]"])
    Path(path).write_text("")
    timer = threading.Timer(0.2, storage.write_file, (path, json.dumps(whole)))
    timer.start()
    with pytest.raises(BusyError), hold_lock(path):
        pass
    timer.join()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that reach the storage."""
    calls: list[str] = []
    locate = storage.locate

    def counting(path: str) -> Any:
        calls.append(path)
        return locate(path)

    monkeypatch.setattr(storage, "locate", counting)
    return calls


def test_a_folder_in_the_lock_s_place_is_one_line(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkdir(path)
    calls = counted(monkeypatch)
    with pytest.raises(OutputError, match=f"output: {path}: cannot be locked: "), hold_lock(path):
        pass
    assert len(calls) < 100


def test_a_lock_that_cannot_be_removed_is_not_tried_for_ever(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(path, born="earlier")
    calls = counted(monkeypatch)
    monkeypatch.setattr(locks.os, "unlink", lambda path: None)
    with pytest.raises(OutputError, match="cannot be locked"), hold_lock(path):
        pass
    assert len(calls) < 100


def test_storage_that_is_away_for_a_moment_is_asked_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, failures = os.link, iter([OSError(5, "Input/output error")] * 2)

    def failing(*names: Any) -> None:
        for error in failures:
            raise error
        link(*names)

    monkeypatch.setattr(locks.os, "link", failing)
    with hold_lock(path):
        assert os.path.exists(path)


def test_no_file_is_left_beside_the_lock_when_there_is_no_room(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(locks.os, "link", full)
    with pytest.raises(OutputError, match="No space left on device"), hold_lock(path):
        pass
    assert not os.listdir(os.path.dirname(path))


def no_links(*_: Any) -> None:
    raise OSError(95, "Operation not supported")


def test_a_drive_without_links_creates_the_file_only_if_there_is_none(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks.os, "link", no_links)
    with hold_lock(path), pytest.raises(BusyError), hold_lock(path):
        pass
    left_by(path, born="earlier")
    with hold_lock(path):
        pass
    assert not os.path.exists(path)


def test_a_deleted_lock_file_is_put_back_by_its_holder(path: str) -> None:
    with hold_lock(path) as lock:
        os.unlink(path)
        until = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < until:
            time.sleep(0.01)
        lock.confirm()
        with pytest.raises(BusyError, match=f"process {os.getpid()} "), hold_lock(path):
            pass
    assert not os.path.exists(path)


def test_a_holder_learns_that_its_lock_was_taken_over_and_leaves_the_new_one_alone(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.5)
    with hold_lock(path) as lock:
        other = json.dumps({**json.loads(Path(path).read_text()), "id": "other", "pid": 17})
        storage.write_file(path, other)
        with pytest.raises(BusyError, match="taken over by process 17 of"):
            lock.confirm()
        until = time.monotonic() + 10
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.01)
    assert "taken over by process 17 of" in caplog.text
    assert Path(path).read_text() == other


def test_a_lock_that_cannot_be_given_back_is_a_warning(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(path: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage, "remove_file", away)
    with hold_lock(path):
        pass
    assert "could not be removed" in caplog.text


@pytest.mark.parametrize("jump", [-(10**9), 10**9])
def test_the_time_of_day_says_nothing(
    path: str, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    left_by(path, machine=["another", "pid:[1]"], since="2096-01-01 00:00:00 UTC")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    os.utime(path, (now - jump, now - jump))
    with hold_lock(path), pytest.raises(BusyError), hold_lock(path):
        pass


def test_of_many_who_find_a_dead_lock_one_has_it(path: str) -> None:
    left_by(path, born="earlier")
    contend(path, hold_lock)


def test_of_many_processes_one_has_it(path: str) -> None:
    left_by(path, born="earlier")
    command = [sys.executable, "-c", HOLDER, path]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [
        subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload]
        for _ in range(6)
    ]
    until = time.monotonic() + 60
    while sum(p.poll() is not None for p in started) < 5 and time.monotonic() < until:
        time.sleep(0.02)
    outcomes = [(*process.communicate(), process.returncode) for process in started]
    assert sorted(out for out, _, _ in outcomes) == [""] * 5 + ["held\n"]
    assert sum("another run is at work" in error for _, error, _ in outcomes) == 5


def contend(path: str, hold: Callable[[str], Any]) -> None:
    """Let eight threads try for a lock at once; assert that one has it."""
    start, end, outcomes = threading.Barrier(8), threading.Event(), []

    def run() -> None:
        start.wait()
        try:
            with hold(path):
                outcomes.append("held")
                end.wait(20)
        except BusyError:
            outcomes.append("refused")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    while len(outcomes) < 8 and time.monotonic() < until:
        time.sleep(0.02)
    end.set()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + ["refused"] * 7
    assert not storage.exists(path)


def test_a_user_without_a_name_is_told_by_number(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 185")

    monkeypatch.setattr(processes.getpass, "getuser", nameless)
    monkeypatch.setattr(processes.os, "getuid", lambda: 185)
    with hold_lock(path), pytest.raises(BusyError, match=" of 185@"), hold_lock(path):
        pass
