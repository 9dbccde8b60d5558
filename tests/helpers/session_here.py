"""A stand-in for a Spark session: tasks run one after another in this process, and are retried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from pyspark import TaskContext
from pyspark.errors import PySparkException

Process = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def tasks_here() -> AbstractContextManager[Any]:
    """Give tasks their function as it is, so that it need not be picklable."""
    return patch("ocspark.store.tasks.ship", lambda spark, value: lambda: value)


class SessionHere:
    """What `run_tasks` uses of a session.

    Parameters
    ----------
    attempts : int
        How often a task is tried.
    """

    def __init__(self, attempts: int = 1) -> None:
        self.attempts = attempts
        settings = {"spark.master": f"local[1,{attempts}]"}
        self.conf = SimpleNamespace(get=settings.get)

    def range(self, start: int, end: int, step: int, n_partitions: int) -> Any:
        """Return a frame of one row a task."""
        assert (start, step, n_partitions) == (0, 1, end)

        def map_in_arrow(process: Process, schema: str) -> Any:
            def collect() -> list[dict[str, Any]]:
                return [row for number in range(end) for row in self._run(process, number)]

            return SimpleNamespace(collect=collect)

        return SimpleNamespace(mapInArrow=map_in_arrow)

    def _run(self, process: Process, number: int) -> list[dict[str, Any]]:
        for attempt in range(self.attempts):
            context = SimpleNamespace(attemptNumber=lambda attempt=attempt: attempt)
            with patch.object(TaskContext, "get", return_value=context):
                try:
                    numbers = pa.record_batch({"id": [number]})
                    return [row for batch in process(iter([numbers])) for row in batch.to_pylist()]
                except Exception as error:
                    died = error
        name = type(died).__name__
        raise PySparkException(
            f"Job aborted: task {number} failed {self.attempts} times:\n{name}: {died}"
        )
