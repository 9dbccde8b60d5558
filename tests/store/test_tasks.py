"""Tasks that fail: what is tried again, what is told in one line, what stays a fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.errors import InputError, OutputError
from ocspark.store.files import DamagedFile
from ocspark.store.tasks import DamagedFiles, attempt, attempt_number, max_attempts, run_tasks
from tests.helpers.session_here import SessionHere, tasks_here


def run(function: Callable[[Any], str], items: list[Any], attempts: int = 1, **more: Any) -> list:
    with tasks_here():
        return run_tasks(SessionHere(attempts), function, items, lambda: None, **more)  # type: ignore


def double(item: int) -> str:
    return str(2 * item)


def fail(item: int) -> str:
    if item == 3:
        raise InputError("mirror.path: part-3: cannot be read; expected a whole Parquet file")
    return str(item)


def test_spark_gives_the_results_in_the_order_of_the_items(spark: SparkSession) -> None:
    looks: list[int] = []
    assert run_tasks(spark, double, [3, 1, 2], lambda: looks.append(1)) == ["6", "2", "4"]
    assert looks and run_tasks(spark, double, [], lambda: None) == []
    with pytest.raises(InputError, match=r"part-3: cannot be read"):
        run_tasks(spark, fail, [1, 2, 3, 4], lambda: None)


def test_the_session_tells_how_often_a_task_is_tried(spark: SparkSession) -> None:
    assert max_attempts(SessionHere(3)) == 3  # type: ignore[arg-type]
    assert max_attempts(spark) == 1  # local[2]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No pause is made, but noted."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


class Away:
    """Storage that does not answer the first few times it is asked."""

    def __init__(self, times: int) -> None:
        self.left, self.asked = times, 0

    def read(self, item: Any = None) -> str:
        self.asked += 1
        if self.asked <= self.left:
            raise OSError(5, "Input/output error", "/mirror/part-3")
        return "read"


def test_a_read_is_tried_three_times(pauses: list[float]) -> None:
    back, gone = Away(2), Away(100)
    assert storage.retry(back.read) == "read" and len(pauses) == 2
    with pytest.raises(OSError, match="Input/output error"):
        storage.retry(gone.read)
    assert gone.asked == 3
    with pytest.raises(InputError):  # not the storage's fault: no second try
        storage.retry(lambda: fail(3))
    assert len(pauses) == 4


@pytest.mark.parametrize("attempts", [1, 4])
def test_storage_that_comes_back_costs_a_retry_and_one_that_stays_away_is_one_line(
    attempts: int, pauses: list[float]
) -> None:
    # three reads an attempt: it is back for the last read of the last attempt
    back, gone = Away(3 * attempts - 1), Away(10**6)
    assert run(lambda item: storage.retry(back.read), [7], attempts) == ["read"]
    with pytest.raises(OutputError, match=r"storage: .*part-3.*goes on when it is back") as caught:
        run(lambda item: storage.retry(gone.read), [7], attempts)
    assert gone.asked == 3 * attempts
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1


def test_an_error_before_the_last_attempt_is_raised_for_spark() -> None:
    assert attempt_number() == 0
    with pytest.raises(OSError, match="part-3"):
        attempt(Away(9).read, 7, attempts=2)
    result, fault = attempt(Away(9).read, 7, attempts=1)
    assert result is None and "OutputError" in str(fault)


@pytest.mark.parametrize("error", [InputError("a damaged file"), OutputError("no room")])
def test_what_will_not_mend_is_not_tried_again_and_stops_the_others(
    error: InputError | OutputError, tmp_path: Path
) -> None:
    begun: list[int] = []

    def first_fails(item: int) -> str:
        begun.append(item)
        if item == 1:
            raise error
        return ""

    stop = str(tmp_path / "_stop")
    with pytest.raises(type(error), match=str(error)):
        run(first_fails, [0, 1, 2, 3], attempts=4, stop_file=stop)
    assert begun == [0, 1]
    begun.clear()
    with pytest.raises(type(error)):  # a new run of the same command begins anew
        run(first_fails, [0, 1, 2], attempts=4, stop_file=stop)
    assert begun == [0, 1]


def test_all_damaged_files_are_told_at_once() -> None:
    def damaged(item: str) -> str:
        raise DamagedFile(item)

    with pytest.raises(DamagedFiles) as caught:
        run(damaged, ["stars/b", "stars/a"], attempts=4)
    assert caught.value.names == {"stars/a", "stars/b"}


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    def wrong(item: int) -> str:
        return str(1 // item)

    with pytest.raises(PySparkException, match="ZeroDivisionError"):
        run(wrong, [0], attempts=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Python worker exited unexpectedly (crashed)", "killed, or out of memory"),
        ("ExecutorLostFailure (executor 3 exited caused by ...)", "killed, or out of memory"),
        (
            "at x\nPermissionError: [Errno 13] Permission denied: '/run'\nat y",
            "storage: Permission",
        ),
    ],
)
def test_workers_that_die_and_storage_that_refuses_are_one_line(words: str, told: str) -> None:
    class Dies(SessionHere):
        def _run(self, process: Any, number: int) -> list[dict[str, Any]]:
            raise PySparkException(words)

    with tasks_here(), pytest.raises(OutputError, match=told) as caught:
        run_tasks(Dies(), double, [1], lambda: None)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class SumOf:
    """Return the sum of numbers that travel with the function."""

    numbers: np.ndarray

    def __call__(self, item: int) -> str:
        return str(int(self.numbers[item::2].sum()))


def test_what_is_larger_than_a_message_of_connect_reaches_the_tasks(spark: SparkSession) -> None:
    numbers = np.random.default_rng(1).integers(0, 1000, 17_000_000)  # 136 MB; a message has 128
    texts = run_tasks(spark, SumOf(numbers), [0, 1])
    assert [int(text) for text in texts] == [numbers[0::2].sum(), numbers[1::2].sum()]
