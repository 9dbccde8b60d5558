"""One quiet Spark session, classic or Connect, and the toy sky, for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult
from tests.helpers.connect import runs_on_connect
from tests.helpers.stores import root as root
from tests.helpers.stores import store as store
from tests.helpers.toy import Toy, make_toy
from tests.helpers.toyrun import run_toy

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# Tests run many short Spark jobs, for which Java's fast compiler and serial garbage collector need
# a fifth less processor time. Java processes that a test starts inherit these options.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
# the worker processes run in other folders
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--connect",
        action="store_true",
        help="run the Spark tests, and only them, on a local Spark Connect server",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--connect"):
        left_out = [item for item in items if not runs_on_connect(item)]
        items[:] = [item for item in items if runs_on_connect(item)]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def spark(request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    connect = request.config.getoption("--connect")
    builder = SparkSession.builder.appName("ocspark tests")
    builder = builder.remote("local[2]") if connect else builder.master("local[2]")
    session = (
        builder.config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    if not connect:
        session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def finished(toy: Toy, spark: SparkSession) -> RunResult:
    """A run on the toy sky, with non-members."""
    return run_toy(toy, spark, output={"non_members": True})
