"""Jobs by spark-submit on a small cluster, with everything in S3, GCS or Azure: nothing patched.

Workers have no other disk in common with the driver than the store. Spark's own clients of stores
(hadoop-aws and the like) are no part of pyspark, and none is needed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from astropy.table import Table
from pyarrow import fs

from ocspark import locations, storage
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.settings import conf_path
from tests.helpers.hats import mixed_orders
from tests.helpers.stores import SERVERS
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, assert_same_bits

SUBMIT = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local-cluster[2,1,1024]"]
SUBMIT += ["--conf", "spark.ui.enabled=false", "--conf", "spark.executor.memory=1g"]


@pytest.fixture(scope="module", params=list(SERVERS))
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a folder of a store; jobs know its options by their environment."""
    with SERVERS[request.param]() as (place, options):
        locations.configure({})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(locations.OPTIONS_VARIABLE, json.dumps(options))
            yield f"{place}/my folder"


def put(source: str, target: str) -> None:
    filesystem, inner = storage.resolve(target)
    storage.make_directory(target.rpartition("/")[0])
    fs.copy_files(source, inner, destination_filesystem=filesystem)


def fetched(path: str, folder: Path) -> str:
    """Copy a folder of the store to this disk; return where it is."""
    filesystem, inner = storage.resolve(path)
    folder.mkdir()
    fs.copy_files(inner, str(folder), source_filesystem=filesystem)
    return str(folder)


@pytest.fixture(scope="module")
def settings(place: str, toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URI of settings of which every input, the model and the release too, is there."""
    local = tmp_path_factory.mktemp("inputs")
    mixed_orders(toy.sources, local, folder=False)
    put(str(local), f"{place}/hats")
    for name in ("clusters.csv", "members.csv"):
        put(str(toy.folder / name), f"{place}/{name}")
    put(str(conf_path("models", "DS10_v02")), f"{place}/model")
    put(str(conf_path("releases", "dr3.yaml")), f"{place}/own_release.yaml")
    tree = toy.settings(
        release=f"{place}/own_release.yaml",
        model=f"{place}/model/",
        mirror={"path": f"{place}/hats"},
        clusters={"path": f"{place}/clusters.csv"},
        members={"path": f"{place}/members.csv"},
        output={"path": f"{place}/runs", "run_id": "killed", "non_members": True},
    )
    storage.write_file(f"{place}/settings.yaml", yaml.safe_dump(tree))
    return f"{place}/settings.yaml"


def command(job: str, *arguments: str) -> dict[str, Any]:
    """Return how a job is started."""
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return {
        "args": [*SUBMIT, f"jobs/{job}.py", *arguments],
        "cwd": ROOT,
        "env": {**os.environ, **python},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def run_job(job: str, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(**command(job, *arguments), timeout=900)
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return str(done.stdout)


def kill_after_pass_1(settings: str, run: str) -> None:
    """Start the main job and kill it, workers and all, once tasks of pass 2 have begun to end."""
    process = subprocess.Popen(**command("full_catalogue", "--config", settings), process_group=0)
    until = time.monotonic() + 600
    while not storage.list_files(f"{run}/_tasks/membership"):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_a_killed_run_goes_on_and_is_compared_reported_and_exported(
    place: str, settings: str, toy: Toy, finished: RunResult, tmp_path: Path
) -> None:
    run = f"{place}/runs/killed"
    kill_after_pass_1(settings, run)
    assert not storage.exists(f"{run}/run.json")
    # what a writer that was killed leaves on Azure and HDFS: files that are empty or cut
    (search, *_) = storage.list_files(f"{run}/_tasks/search")
    for path, text in (
        (search, ""),
        (f"{run}/_tasks/layout/00000.json", '{"key": "00000", "ro'),
        (f"{run}/run.json", '{"run_id": '),
        (f"{run}/_base", ""),
        (f"{place}/runs/latest", ""),
    ):
        storage.write_file(path, text)
    run_job("full_catalogue", "--config", settings)
    record = json.loads(storage.read_text(f"{run}/run.json"))
    assert any(task["reused"] for task in record["portions"])
    assert record["settings"]["output"]["path"] == f"{place}/runs" and "storage" not in record
    assert storage.read_text(f"{place}/runs/latest") == "killed\n"
    assert not any(name.startswith("_lock") for name in storage.list_names(run))
    assert_same_bits(finished.path, fetched(run, tmp_path / "run"))
    assert "already finished" in run_job("full_catalogue", "--config", settings)

    of_list = ["--members", f"{place}/members.csv", "--name", "list"]
    run_job("compare", "--run", f"{place}/runs", *of_list, "--output", f"{place}/comparison")
    comparison = json.loads(storage.read_text(f"{place}/comparison/comparison.json"))
    assert comparison["listed"]["rows_of_compared_clusters"] > 100
    same = ["--with-run", run, "--output", f"{place}/differences"]
    run_job("compare", "--run", run, *same)
    differences = json.loads(storage.read_text(f"{place}/differences/differences.json"))
    assert differences["stars_compared"] > 100

    shown = ["--comparison", f"{place}/comparison", "--differences", f"{place}/differences"]
    run_job("make_report", "--run", run, *shown, "--output", f"{place}/report")
    pages = storage.list_files(f"{place}/report", recursive=True)
    assert f"{place}/report/index.html".replace("s3a:", "s3:") in pages
    assert sum(page.endswith("index.html") for page in pages) > len(toy.clusters)

    run_job("export", "--run", run, "--format", "fits", "--output", f"{place}/stars.fits")
    (tmp_path / "stars.fits").write_bytes(storage.read_bytes(f"{place}/stars.fits"))
    assert len(Table.read(tmp_path / "stars.fits")) == record["totals"]["n_candidates"]
    run_job("export", "--run", run, "--format", "hats", "--output", f"{place}/stars")
    assert storage.exists(f"{place}/stars/hats.properties")
