"""Run a function over many items, each in a Spark task, and follow them from the driver.

There are three kinds of faults in a task. Bad input, a full disk or a damaged file stay as they
are: the task returns one line, and no further task begins. Other I/O errors are raised, so that
Spark tries the task again; only the last attempt returns a line. Anything else is a fault of the
program and is raised with its traceback.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.errors import InputError, OutputError
from ocspark.session import ship
from ocspark.store.files import DamagedFile

#: Seconds between two looks at what has been done.
LOOK_SECONDS = 2.0
#: In Spark's messages when a worker process or an executor has died.
_DIED = ("exited unexpectedly", "ExecutorLostFailure", "worker died", "EOFException")

_IO_ERRORS = "StorageError|OSError|PermissionError|FileNotFoundError|TimeoutError|ConnectionError"


class DamagedFiles(Exception):
    """Files that have changed since they were written; the message has their names."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = frozenset(names)


def run_tasks(
    spark: SparkSession,
    function: Callable[[Any], str],
    items: Sequence[Any],
    look: Callable[[], None] = lambda: None,
    stop_file: str | None = None,
) -> list[str]:
    """Apply a function to each item in a Spark task of its own; no data passes through Spark.

    Parameters
    ----------
    spark : SparkSession
    function : callable
        Takes an item, returns a short text; picklable, as are the items.
    items : sequence
        Tasks begin in this order.
    look : callable, optional
        Called every few seconds while the tasks run, and once after them.
    stop_file : str, optional
        Written by the first task that fails for good, so that those after it do not begin.

    Returns
    -------
    list of str
        What the function returned, item by item.

    Raises
    ------
    InputError, OutputError
        As the function raised it; an `OutputError` also where an OSError stayed to the last
        attempt, or where worker processes died.
    DamagedFiles
        With the names of every `DamagedFile` that was raised.
    """
    if not items:
        return []
    if stop_file is not None:
        storage.remove_file(stop_file)
    fetch = ship(spark, (function, list(items)))
    apply = _apply(fetch, max_attempts(spark), stop_file)
    frame = spark.range(0, len(items), 1, len(items)).mapInArrow(
        apply, "item bigint, result string, fault string"
    )
    try:
        with _Looking(look):
            rows = frame.collect()
    except (PySparkException, Py4JError) as error:
        raise _explain(error) from error
    finally:
        look()
    raise_faults([row["fault"] for row in rows])
    results = {row["item"]: row["result"] for row in rows}
    return [results[number] for number in range(len(items))]


def _apply(
    fetch: Callable[[], Any], attempts: int, stop_file: str | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        function, items = fetch()
        for batch in batches:
            for number in batch.column(0).to_pylist():
                result, fault = attempt(function, items[number], attempts, stop_file)
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array([number], pa.int64()),
                        pa.array([result], pa.string()),
                        pa.array([fault], pa.string()),
                    ],
                    ["item", "result", "fault"],
                )

    return apply


def attempt(
    function: Callable[[Any], str], item: Any, attempts: int, stop_file: str | None = None
) -> tuple[str | None, str | None]:
    """Call the function in a task; return its result, or the fault as JSON.

    Raises
    ------
    OSError
        If the function does and Spark will try the task again.
    """
    if stop_file is not None and storage.exists(stop_file):
        return None, None
    try:
        return function(item), None
    except (InputError, OutputError, DamagedFile) as error:
        kind, text = type(error).__name__, str(error)
    except OSError as error:
        if attempt_number() + 1 < attempts:
            raise
        kind, text = "OutputError", f"storage: {error}; the same command goes on when it is back"
    if stop_file is not None:
        with suppress(OSError):  # a full disk above all: other tasks find out by themselves then
            storage.write_file(stop_file, text)
    return None, json.dumps({"kind": kind, "text": text})


def attempt_number() -> int:
    """Return how often the running task was tried before; 0 outside of tasks."""
    context = TaskContext.get()
    return int(context.attemptNumber()) if context else 0


def max_attempts(spark: SparkSession) -> int:
    """Return how often Spark tries a task; 1 where it does not say."""
    try:
        master = str(spark.conf.get("spark.master", ""))
        failures = int(spark.conf.get("spark.task.maxFailures", "4") or 4)
    except (PySparkException, Py4JError, ValueError):
        return 1
    local = re.fullmatch(r"local(?:\[[^,\]]*(?:,\s*(\d+))?\])?", master)
    return int(local[1] or 1) if local else failures


def raise_faults(texts: Sequence[str | None]) -> None:
    """Raise the error of tasks that failed for good, from the faults that `attempt` returned."""
    faults = [json.loads(text) for text in texts if text]
    damaged = [fault["text"] for fault in faults if fault["kind"] == "DamagedFile"]
    for fault in faults:
        if fault["kind"] == "InputError":
            raise InputError(fault["text"])
        if fault["kind"] == "OutputError":
            raise OutputError(fault["text"])
    if damaged:
        raise DamagedFiles(damaged)


def _explain(error: Exception) -> Exception:
    """Return the error of a Spark job that failed as one line, if it is no fault of the program."""
    text = str(error)
    if any(words in text for words in _DIED):
        return OutputError(
            "Spark: a task failed at every attempt, as its worker process or executor died "
            "(killed, or out of memory); what is done is kept, and the same command goes on"
        )
    found = re.search(rf"^(?:ocspark\.errors\.)?((?:{_IO_ERRORS}): .*)$", text, re.MULTILINE)
    if found:
        return OutputError(f"storage: {found[1]}; the same command goes on when it is back")
    return error


class _Looking:
    """Calls `look` every few seconds from a thread of its own while the block runs."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self._stop = look, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
            except OSError:  # progress is not worth the work; the look after the tasks counts
                continue
