"""Progress on a terminal, in a notebook and in a log, and what the library shows of it."""

from __future__ import annotations

import logging
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import ocspark
from ocspark.api import running
from ocspark.cli import run_job
from ocspark.errors import InputError
from ocspark.store.progress import Progress, messages_shown

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that is told, as its only element."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level("INFO", logger="ocspark"):
        yield caplog


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], logging.Logger]]:
    """What makes the logger as it is in a plain Python session, without the tests' handlers."""
    logger = logging.getLogger("ocspark")

    def strip() -> logging.Logger:
        monkeypatch.setattr(logging.root, "handlers", [])
        monkeypatch.setattr(logger, "handlers", [])  # a job in another test leaves one
        logger.setLevel(logging.NOTSET)
        return logger

    yield strip
    logger.handlers = []
    logger.setLevel(logging.NOTSET)


class Screen:
    """A terminal of 60 columns on which standard error ends."""

    def __init__(self) -> None:
        self._reader, writer = pty.openpty()
        subprocess.run(["stty", "cols", "60"], stdin=writer, check=True)
        self.stream = os.fdopen(writer, "w")

    def close(self) -> None:
        """Close the terminal, as when its window is closed."""
        os.close(self._reader)

    def lines(self) -> list[str]:
        """Return what stands on it in the end."""
        self.stream.flush()
        self.stream.write("<end>")
        self.stream.flush()
        written = b""
        while not written.endswith(b"<end>"):
            written += os.read(self._reader, 10_000)
        text = written.decode().removesuffix("<end>").replace("\r\n", "\n")
        return [line.rsplit("\r\033[K", 1)[-1] for line in text.split("\n")]


def test_progress_of_a_resumed_run_counts_only_what_it_did_itself(
    clock: list[float], logged: pytest.LogCaptureFixture
) -> None:
    progress = Progress("pass 1", 4, 4000)
    clock[0] = 100  # of looking at checksums
    progress.done(1000, reused=True)
    clock[0] = 110
    progress.done(1000, reused=False)
    clock[0] = 120
    progress.done(1000, reused=False)
    clock[0] = 130
    progress.done(1000, reused=False)
    assert logged.messages == [
        "pass 1: 1/4 portions (1 reused)",
        "pass 1: 2/4 portions (1 reused), 100 sources/s, 0:00:20 left",
        "pass 1: 3/4 portions (1 reused), 100 sources/s, 0:00:10 left",
        "pass 1: 4/4 portions (1 reused), 100 sources/s, in 0:00:30",
    ]


def test_candidates_per_second_are_told_where_they_are_counted(
    clock: list[float], logged: pytest.LogCaptureFixture
) -> None:
    progress = Progress("pass 2", 10, 20_000)
    clock[0] = 2
    progress.done(8000, False, units=4, candidates=3000)
    assert logged.messages == [
        "pass 2: 4/10 portions, 4,000 sources/s, 1,500 candidates/s, 0:00:03 left"
    ]


def test_where_rows_are_not_known_portions_tell_what_is_left(
    clock: list[float], logged: pytest.LogCaptureFixture
) -> None:
    progress = Progress("fetch", 5, None, "files", "bytes")
    clock[0] = 7
    progress.done(7000, False)
    assert logged.messages == ["fetch: 1/5 files, 1,000 bytes/s, 0:00:28 left"]


def test_a_log_has_the_first_portion_the_last_and_one_in_ten_seconds(
    clock: list[float], logged: pytest.LogCaptureFixture
) -> None:
    progress = Progress("pass 1", 100, 100_000)
    for number in range(100):
        clock[0] = 0.25 * (number + 1)
        progress.done(1000, reused=False)
    told = [re.sub("/.*", "", message) for message in logged.messages]
    assert told == ["pass 1: 1", "pass 1: 41", "pass 1: 81", "pass 1: 100"]


def test_on_a_terminal_it_is_one_line_and_messages_stand_above_it(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, plain: Callable[[], logging.Logger]
) -> None:
    screen, logger = Screen(), plain()
    monkeypatch.setattr(sys, "stderr", screen.stream)
    with messages_shown():
        progress = Progress("pass 1", 3, 3000)
        for second in (1, 2):
            clock[0] = second
            progress.done(1000, reused=False)
        logger.warning("mind the gap")
        clock[0] = 3
        progress.done(1000, reused=False)
        logger.info("all found")
    assert screen.lines() == [
        "[ocspark] mind the gap",
        "[ocspark] pass 1: 3/3 portions, 1,000 sources/s, in 0:00:03",
        "[ocspark] all found",
        "",
    ]


def test_a_line_never_wraps(
    monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen.stream)
    Progress("a pass with a very long name " * 3, 1, 1000).done(1000, reused=False)
    first, _ = screen.lines()
    assert first == ("[ocspark] " + "a pass with a very long name " * 3)[:59]


def test_an_error_stands_on_a_line_of_its_own_below_the_progress(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, plain: Callable[[], logging.Logger]
) -> None:
    def main() -> int:
        progress = Progress("pass 1", 3, 3000)
        clock[0] = 1
        progress.done(1000, reused=False)
        raise InputError("mirror.path: damaged")

    screen = Screen()
    plain()
    monkeypatch.setattr(sys, "stderr", screen.stream)
    with pytest.raises(SystemExit):
        run_job(main)
    assert screen.lines() == [
        "[ocspark] pass 1: 1/3 portions, 1,000 sources/s, 0:00:02 le",
        "ocspark: mirror.path: damaged",
        "",
    ]


def test_a_closed_terminal_stops_nothing(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen.stream)
    progress = Progress("pass 1", 2, 2000)
    screen.close()
    for second in (1, 2):
        clock[0] = second
        progress.done(1000, reused=False)
    monkeypatch.undo()


#: Like spark-submit: passes on what the job writes, and has a terminal, or a file, itself.
SUBMIT = """
import os, subprocess, sys
job = '''
import logging
from ocspark.store.progress import Progress
logging.getLogger("ocspark").setLevel("INFO")
logging.getLogger("ocspark").addHandler(logging.StreamHandler())
Progress("pass 1", 1, None).done(0, reused=True)
'''
done = subprocess.run([sys.executable, "-c", job], stdout=-1, stderr=-2,
                      env={**os.environ, "PYSPARK_GATEWAY_PORT": "1"})
sys.stdout.write(done.stdout.decode())
"""


def test_under_spark_submit_the_terminal_is_the_one_of_spark_submit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUBMIT]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    screen = Screen()
    done = subprocess.run(command, env=environment, stdout=-1, stderr=screen.stream, check=True)
    assert screen.lines() == ["[ocspark] pass 1: 1/1 portions (1 reused)", ""]
    assert done.stdout == b""
    log = tmp_path / "log"
    log.write_text("what was there\n")
    with log.open("a") as file:
        done = subprocess.run(command, env=environment, stdout=-1, stderr=file, check=True)
    assert done.stdout == b"pass 1: 1/1 portions (1 reused)\n"
    assert log.read_text() == "what was there\n"


def test_in_a_notebook_it_is_one_display_that_is_updated(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    shown: list[tuple[str, str]] = []

    def display(data: dict[str, str], raw: bool, display_id: bool) -> Any:
        assert raw and display_id
        shown.append(("new", data["text/plain"]))
        return SimpleNamespace(update=lambda data, raw: shown.append(("same", data["text/plain"])))

    ipython, displays = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    displays.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    progress = Progress("pass 1", 2, 2000)
    for second in (1, 2):
        clock[0] = second
        progress.done(1000, reused=False)
    assert shown == [
        ("new", "[ocspark] pass 1: 1/2 portions, 1,000 sources/s, 0:00:01 left"),
        ("same", "[ocspark] pass 1: 2/2 portions, 1,000 sources/s, in 0:00:02"),
    ]
    assert not logged.messages


def test_ipython_on_a_terminal_is_no_notebook(
    monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    Progress("pass 1", 1, None).done(1000, reused=True)
    assert logged.messages == ["pass 1: 1/1 portions (1 reused)"]


def run_that_tells(*_: Any) -> Any:
    logging.getLogger("ocspark").info("2 clusters")
    Progress("pass 1", 1, None).done(0, reused=True)
    return SimpleNamespace(path="somewhere", record={})


def test_the_library_tells_what_it_does_on_standard_error(
    plain: Callable[[], logging.Logger],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = plain()
    monkeypatch.setattr(running, "run_full_catalogue", run_that_tells)
    settings = {"mirror": "m", "clusters": "c", "members": "l"}
    ocspark.run(settings)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "[ocspark] 2 clusters",
        "[ocspark] pass 1: 1/1 portions (1 reused)",
    ]
    assert logger.level == logging.NOTSET and not logger.handlers


def test_without_progress_warnings_are_still_shown(
    plain: Callable[[], logging.Logger],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = plain()

    def warned(*_: Any) -> SimpleNamespace:
        logger.warning("a draft release")
        return run_that_tells()

    monkeypatch.setattr(running, "run_full_catalogue", warned)
    ocspark.run({"mirror": "m", "clusters": "c", "members": "l"}, progress=False)
    assert capsys.readouterr().err == "[ocspark] a draft release\n"
    assert logger.level == logging.NOTSET and not logger.handlers


def test_a_logger_with_a_level_or_a_handler_of_its_user_is_left_alone(
    plain: Callable[[], logging.Logger],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = plain()
    monkeypatch.setattr(running, "run_full_catalogue", run_that_tells)
    settings = {"mirror": "m", "clusters": "c", "members": "l"}
    logger.setLevel(logging.WARNING)
    ocspark.run(settings)
    logger.setLevel(logging.NOTSET)
    logger.addHandler(logging.NullHandler())
    ocspark.run(settings)
    assert capsys.readouterr().err == ""


def test_handlers_of_all_logs_get_the_messages_once(
    plain: Callable[[], logging.Logger], caplog: pytest.LogCaptureFixture
) -> None:
    logger = plain()
    logging.root.addHandler(caplog.handler)
    with messages_shown():
        assert not logger.handlers
        run_that_tells()
    assert caplog.messages == ["2 clusters", "pass 1: 1/1 portions (1 reused)"]
