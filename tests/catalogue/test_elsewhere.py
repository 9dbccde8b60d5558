"""Clusters whose machines do not have the package: it travels as a zip by --py-files."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ocspark.catalogue.full_catalogue import RunResult
from tests.helpers.toy import Toy
from tests.helpers.toyrun import assert_same_bits
from tests.helpers.wheel import build_wheel

BIN = Path(sys.executable).parent
PROBE = """
import json
import pyarrow as pa
from ocspark.session import get_session
def where(batches):
    import ocspark
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"file": [ocspark.__file__]})
rows = get_session("probe").range(0, 8, 1, 8).mapInArrow(where, "file string").collect()
print("FILES", json.dumps(sorted({row["file"] for row in rows})))
"""


def clean(**more: str) -> dict[str, str]:
    """An environment that does not know of the checkout."""
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "JAVA_HOME", "LANG") if k in os.environ}
    return {**kept, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", **more}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a zip, the form in which Spark puts it on workers' paths."""
    folder = tmp_path_factory.mktemp("wheel")
    return Path(shutil.move(build_wheel(folder), folder / "ocspark.zip"))


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone master with two workers, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("standalone")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    roles = {"master": ["master.Master", "--port", str(port), "--webui-port", "0"]}
    for number in (1, 2):
        work = ["--work-dir", str(folder / f"work{number}"), "--webui-port", "0", url]
        roles[f"worker{number}"] = ["worker.Worker", "--cores", "1", "--memory", "1g", *work]
    started = []
    for name, (role, *arguments) in roles.items():
        command = [str(BIN / "spark-class"), f"org.apache.spark.deploy.{role}"]
        command += ["--host", "127.0.0.1", *arguments]
        with (folder / f"{name}.log").open("w") as log:
            started.append(
                subprocess.Popen(command, cwd=folder, env=clean(), stdout=log, stderr=log)
            )
    end = time.monotonic() + 120
    while (folder / "master.log").read_text().count("Registering worker") < 2:
        assert time.monotonic() < end, (folder / "master.log").read_text()
        time.sleep(0.2)
    yield url
    for process in started:
        process.terminate()
    for process in started:
        process.wait(30)


def submit(
    master: str, package: Path, job: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "spark-submit"), "--master", master, "--py-files", str(package)]
    command += ["--conf", "spark.ui.enabled=false", "--executor-memory", "1g", str(job)]
    return subprocess.run(
        [*command, *arguments],
        cwd=package.parent,
        env=clean(PYSPARK_DRIVER_PYTHON=sys.executable),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )


@pytest.mark.slow
def test_workers_that_do_not_share_the_output_end_the_job_with_one_line(
    toy: Toy, package: Path, tmp_path: Path, standalone: str
) -> None:
    # relative to the driver's folder; each worker would write into its own
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(toy.settings(output={"path": "runs"})))
    job = Path(__file__).parents[2] / "jobs/full_catalogue.py"
    done = submit(standalone, package, job, "--config", str(settings))
    assert done.returncode == 2, done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("ocspark: ")]
    assert len(lines) == 1 and "does not see what the driver wrote there" in lines[0]
    assert "expected storage that driver and workers share" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local-cluster[2,1,1024]", "standalone"])
def test_workers_without_the_package_take_it_from_the_zip_and_give_the_same_bits(
    toy: Toy,
    finished: RunResult,
    package: Path,
    tmp_path: Path,
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    master = request.getfixturevalue("standalone") if kind == "standalone" else kind
    (tmp_path / "probe.py").write_text(PROBE)
    probe = submit(master, package, tmp_path / "probe.py")
    assert probe.returncode == 0, probe.stdout
    files = json.loads(probe.stdout.split("FILES ")[1].splitlines()[0])
    assert files and all(file.endswith("ocspark.zip/ocspark/__init__.py") for file in files)
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(toy.settings(output={"path": str(tmp_path / "runs")})))
    # nothing but the job's file is taken from anywhere else, its configuration neither
    job = tmp_path / "full_catalogue.py"
    shutil.copy(Path(__file__).parents[2] / "jobs/full_catalogue.py", job)
    done = submit(master, package, job, "--config", str(settings))
    assert done.returncode == 0, done.stdout
    run = tmp_path / "runs" / (tmp_path / "runs" / "latest").read_text().strip()
    assert_same_bits(finished.path, str(run))
