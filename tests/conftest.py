"""One quiet Spark session, and the toy sky, for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ocspark.runs.full_catalogue import RunResult
from tests.toy import Toy, make_toy
from tests.toyrun import run_toy

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# the worker processes run in other folders
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = (
        SparkSession.builder.master("local[2]")
        .appName("ocspark tests")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
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
