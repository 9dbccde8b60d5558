"""Delta tables: the mirror read at a version, and a run's rows replaced.

Spark needs a jar for Delta, which no Python package has. Sail (pysail) is another engine with
Spark's interface, which reads and writes Delta by itself. Its newest release understands the client
of Spark 4.2, not of 4.3, so the client is installed into a folder of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocspark.catalogue.full_catalogue import RunResult
from tests.helpers.toyrun import ROOT, assert_same_bits

PACKAGES = ["pyspark-client==4.2.*", "pysail==0.7.2", "deltalake>=1.6", "arro3-core", "deprecated"]


@pytest.mark.slow
def test_a_delta_table_gives_the_same_bits_and_keeps_the_rows_of_other_runs(
    finished: RunResult, tmp_path: Path
) -> None:
    folder = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *PACKAGES, "wrapt"], check=True, timeout=600)
    own = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.catalogue.delta_run", str(tmp_path)],
        cwd=ROOT,
        env={**own, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    first, second, again = told["paths"]
    assert_same_bits(finished.path, first)
    assert second == again != first
    ids = {Path(path).name for path in told["paths"]}
    assert told["format"] == "delta" and told["published"]["runs"] == dict.fromkeys(ids, 1)
    n = told["published"]["candidates"]
    assert n.keys() == ids and min(n.values()) > 100
    assert set(told["published"]["clusters"].values()) == {7}
