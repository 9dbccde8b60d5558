"""What Spark prints beside ocspark's own lines, unless its user configured logging."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: A job with a task that fails at first, by an exception and by a kill.
JOB = """
import os, signal
from pyspark import TaskContext
from ocspark.cli import run_job
from ocspark.session import get_session

def fail(batches):
    for batch in batches:
        task = TaskContext.get()
        if task.partitionId() == 1 and task.attemptNumber() == 0:
            raise OSError("a read that failed")
        if task.partitionId() == 1 and task.attemptNumber() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch

def main():
    spark = get_session("probe", {"spark.sql.shuffle.partitions": "3"})
    rows = spark.range(0, 2, 1, 2).mapInArrow(fail, "id bigint").collect()
    print("[ocspark]", len(rows), "rows,", spark.conf.get("spark.sql.shuffle.partitions"))
    return 0

if __name__ == "__main__":
    run_job(main)
"""
LOUD = """
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = MINE %p %m%n
"""


def run(folder: Path, *command: str, **environment: str) -> list[str]:
    """Run the job; return the lines of standard output and error."""
    job = folder / "probe.py"
    job.write_text(JOB)
    done = subprocess.run(
        [*command, str(job)],
        env={
            **{k: v for k, v in os.environ.items() if "SPARK_" not in k or k == "SPARK_LOCAL_IP"},
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert "[ocspark] 2 rows, 3" in lines
    return lines


def submit(*options: str) -> list[str]:
    return [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[2,3]", *options]


def of_spark(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("[ocspark]")]


def test_a_submitted_job_shows_next_to_nothing_of_spark(tmp_path: Path) -> None:
    lines = of_spark(run(tmp_path, *submit()))
    assert len(lines) <= 12
    assert not any("Traceback" in line or " INFO " in line for line in lines)


@pytest.mark.slow
def test_a_job_started_by_python_shows_no_more(tmp_path: Path) -> None:
    options = "--master local[2,3] --conf spark.driver.memory=700m pyspark-shell"
    lines = of_spark(run(tmp_path, sys.executable, PYSPARK_SUBMIT_ARGS=options))
    assert len(lines) <= 12
    assert not any("Traceback" in line or "[Stage" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["folder", "option", "level"])
def test_its_user_s_own_configuration_of_logging_wins(tmp_path: Path, how: str) -> None:
    file = tmp_path / "log4j2.properties"
    file.write_text(LOUD)
    mark = "MINE INFO Running Spark version"
    if how == "folder":
        lines = run(tmp_path, *submit(), SPARK_CONF_DIR=str(tmp_path))
    elif how == "option":
        option = f"-Dlog4j2.configurationFile={file}"
        lines = run(tmp_path, *submit("--driver-java-options", option))
    else:
        lines = run(tmp_path, *submit("--conf", "spark.log.level=INFO"))
        mark = "INFO SparkContext: Running Spark version"
    assert any(mark in line for line in lines)
    assert len(lines) > 50
