"""The Spark session, and how a value travels to the workers on classic Spark and on Connect."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import SparkSession

_UNPICKLED: dict[str, Any] = {}


def get_session(name: str, config: Mapping[str, str] | None = None) -> SparkSession:
    """Return the active session, or build one.

    A master that spark-submit, the environment or Databricks has given is never overridden;
    without one Spark's own default (all local cores) applies.

    Parameters
    ----------
    name : str
        Application name shown by Spark.
    config : mapping, optional
        Spark SQL options to set on the session.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name)
    for key, value in (config or {}).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def is_connect(spark: SparkSession) -> bool:
    """Whether `spark` is a Spark Connect session, which has no SparkContext."""
    return "connect" in type(spark).__module__


def ship(spark: SparkSession, value: Any) -> Callable[[], Any]:
    """Make `value` available to Python workers.

    It is a broadcast variable on classic Spark and bytes captured by the closure on Connect.
    Workers unpickle it once per process, whatever the number of tasks.

    Returns
    -------
    callable
        A picklable function of no arguments that returns the value.
    """
    payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    digest = hashlib.sha256(payload).hexdigest()
    if is_connect(spark):
        return _getter(lambda: payload, digest)
    broadcast = spark.sparkContext.broadcast(payload)
    return _getter(lambda: broadcast.value, digest)


def _getter(fetch: Callable[[], bytes], digest: str) -> Callable[[], Any]:
    def get() -> Any:
        from ocspark import session

        return session._unpickled(digest, fetch)

    return get


def _unpickled(digest: str, fetch: Callable[[], bytes]) -> Any:
    if digest not in _UNPICKLED:
        if len(_UNPICKLED) > 8:  # a worker that serves many runs must not keep them all
            _UNPICKLED.clear()
        _UNPICKLED[digest] = pickle.loads(fetch())
    return _UNPICKLED[digest]
