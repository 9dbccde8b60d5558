"""The Spark session, and how a value travels to the workers on classic Spark and on Connect."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.util import is_remote_only

from ocspark import locations
from ocspark.places import beside_package

#: Environment variables that say that the session is on a Spark Connect server.
_REMOTE = {"SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"}
_UNPICKLED: dict[str, Any] = {}
#: Bytes from which on a value travels as a file of its own on Connect.
_LARGEST_CAPTURED = 1 << 20


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
    options = dict(config or {})
    if SparkSession.getActiveSession() is None and "spark.log.level" not in options:
        _make_quiet(options)
    builder = SparkSession.builder.appName(name)
    for key, value in options.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _make_quiet(options: dict[str, str]) -> None:
    """Let the Spark that is about to start print errors only, unless its user configured logging.

    It is done before there is a session, whose start alone prints fifty lines. The options get
    one more, since a Spark that Python starts draws progress bars of its own over ours.
    """
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # spark-submit has started the JVM
    if is_remote_only() or (_REMOTE & os.environ.keys() and not submitted):
        return
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext

    if SparkContext._active_spark_context is not None:
        return
    if not submitted and "showConsoleProgress" not in os.environ.get("PYSPARK_SUBMIT_ARGS", ""):
        options.setdefault("spark.ui.showConsoleProgress", "false")
    # what getOrCreate does first; a JVM that is to start takes memory and the like from the options
    SparkContext._ensure_initialized(conf=SparkConf().setAll(list(options.items())))
    jvm: Any = SparkContext._jvm
    given = jvm.SparkConf()
    if given.contains("spark.log.level") or given.get("spark.submit.deployMode", "") == "cluster":
        return  # logs of a cluster's driver are files, and read only when something is wrong
    try:
        # Spark applies its default when it first logs anything, whatever was set before
        given.initializeLogIfNecessary(False, True)
        log4j = jvm.org.apache.logging.log4j
        current = log4j.LogManager.getContext(False).getConfiguration()
        where = current.getConfigurationSource().getLocation() or ""
        of_log4j = current.getClass().getSimpleName() == "DefaultConfiguration"
        if of_log4j or "!/org/apache/spark/log4j2-" in where:  # in Spark's jar
            ours = beside_package("conf") / "log4j2.properties"
            log4j.core.config.Configurator.reconfigure(jvm.java.net.URI.create(ours.as_uri()))
    except Py4JError:
        pass  # another logging system than Spark's own


def is_connect(spark: SparkSession) -> bool:
    """Return whether `spark` is a Spark Connect session, which has no SparkContext."""
    return "connect" in type(spark).__module__


def ship(spark: SparkSession, value: Any) -> Callable[[], Any]:
    """Make `value` available to Python workers.

    It is a broadcast variable on classic Spark. On Connect it is bytes captured by the closure, or,
    if it is large, a file that is sent once beside it: a message holds 128 MB. Workers unpickle it
    once per process, whatever the number of tasks, and use the driver's options of storages from
    then on.

    Returns
    -------
    callable
        A picklable function of no arguments that returns the value.
    """
    payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    digest = hashlib.sha256(payload).hexdigest()
    if is_connect(spark):
        if len(payload) > _LARGEST_CAPTURED:
            return _getter(_sent_file(spark, payload, digest), digest)
        return _getter(lambda: payload, digest)
    broadcast = spark.sparkContext.broadcast(payload)
    return _getter(lambda: broadcast.value, digest)


def _sent_file(spark: SparkSession, payload: bytes, digest: str) -> Callable[[], bytes]:
    """Send a payload to the workers as a file of the session; return a function that reads it."""
    name = f"ocspark-{digest}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(payload)
        spark.addArtifacts(str(path), file=True)

    def read() -> bytes:
        from pyspark import SparkFiles

        return Path(SparkFiles.get(name)).read_bytes()

    return read


def _getter(fetch: Callable[[], bytes], digest: str) -> Callable[[], Any]:
    options = locations.options_given()

    def get() -> Any:
        from ocspark import locations, session

        locations.configure(options)  # of the driver, whatever the worker's environment
        return session._unpickled(digest, fetch)

    return get


def _unpickled(digest: str, fetch: Callable[[], bytes]) -> Any:
    if digest not in _UNPICKLED:
        if len(_UNPICKLED) > 8:  # a worker that serves many runs must not keep them all
            _UNPICKLED.clear()
        _UNPICKLED[digest] = pickle.loads(fetch())
    return _UNPICKLED[digest]
