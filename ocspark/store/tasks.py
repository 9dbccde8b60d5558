"""A function over many work items as Spark tasks, watched by the driver while they run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from ocspark.session import ship

#: Seconds between two looks at what has landed.
LOOK_SECONDS = 2.0


def run_tasks(
    spark: SparkSession,
    function: Callable[[Any], str],
    items: Sequence[Any],
    look: Callable[[], None],
) -> list[str]:
    """Apply a function to each item in a Spark task of its own; no data passes through Spark.

    Parameters
    ----------
    spark : SparkSession
    function : callable
        Takes an item, returns a short text; picklable, as are the items.
    items : sequence
    look : callable
        Called every few seconds while the tasks run, and once after them.

    Returns
    -------
    list of str
        What the function returned, item by item.
    """
    if not items:
        return []
    fetch = ship(spark, (function, list(items)))
    frame = spark.range(0, len(items), 1, len(items)).mapInArrow(
        _apply(fetch), "item bigint, result string"
    )
    with _looking(look):
        results = {row["item"]: row["result"] for row in frame.collect()}
    look()
    return [results[number] for number in range(len(items))]


def _apply(
    fetch: Callable[[], Any],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        function, items = fetch()
        for batch in batches:
            numbers = batch.column(0).to_pylist()
            results = [function(items[number]) for number in numbers]
            yield pa.RecordBatch.from_pydict(
                {"item": pa.array(numbers, pa.int64()), "result": pa.array(results, pa.string())}
            )

    return apply


class _looking:
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
            except OSError:  # progress is not worth a build; the look after the tasks counts
                continue
