"""What a worker process loads to begin a task: nothing that only the driver or a few tasks need."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ocspark.catalogue.membership import EvaluateCandidates
from ocspark.catalogue.search import FindListed
from ocspark.deepsets.weights import load_model
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation
from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.portions import Piece, Portion
from ocspark.mirror.scan import ReadPortion
from ocspark.release import load_release
from ocspark.selection.calibrate import release_calibration
from ocspark.selection.cones import make_cones
from ocspark.selection.listed_members import MemberLookup
from ocspark.settings import SearchSettings
from tests.benchmarks.worker_import import TASKS
from tests.helpers.kernels import make_cluster
from tests.helpers.toyrun import ROOT

NOT_WANTED = (
    "astropy healpy llvmlite matplotlib pandas pydantic requests scipy sklearn torch yaml "
    "ocspark.release ocspark.settings ocspark.deepsets.weights"
).split()


def loaded(code: str) -> list[str]:
    """What is loaded in a fresh interpreter after some code, of what tasks can begin without."""
    code += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [name for name in json.loads(done.stdout) if name in NOT_WANTED]


@pytest.fixture(scope="module")
def passes() -> dict[str, Any]:
    """The functions of the tasks of both passes."""
    columns = "cluster_key ra dec distance parallax pmra pmdec"
    table = pd.DataFrame([[1, 10.0, 20.0, 500.0, 2.0, 1.0, 1.0]], columns=columns.split())
    dispersions = ("parallax_dispersion", "pmra_dispersion", "pmdec_dispersion")
    cones = make_cones(table.assign(**dict.fromkeys(dispersions, 0.1)), SearchSettings())
    listed = MemberLookup(
        pd.DataFrame({"cluster_key": [1], "source_id": [5], "list_probability": [1.0]})
    )
    evaluation = Evaluation(
        {1: make_cluster()},
        load_model("DS10_v02"),
        Sampling(n_samples=2, support_size=10, seed=42, leave_one_out=True),
        release_calibration(load_release("dr3")),
    )
    search = FindListed(cones.cuts, cones.cover, listed)
    return {
        "search": search,
        "membership": EvaluateCandidates(cones.cuts, cones.cover, evaluation, False),
    }


@pytest.mark.parametrize("name", ["search", "membership"])
def test_a_task_that_arrives_loads_only_what_it_needs_at_once(
    passes: dict[str, Any], name: str, tmp_path: Path
) -> None:
    function = ReadPortion(MirrorColumns({"ra": "ra"}, frozenset()), passes[name])
    portion = Portion((Piece("a.parquet", "a", (0,), 0, 1, None),), 1, 1.0)
    (tmp_path / "task").write_bytes(pickle.dumps((function, portion)))
    code = f"import pickle; pickle.load(open({str(tmp_path / 'task')!r}, 'rb'))"
    assert loaded(code) == []


def test_the_modules_of_tasks_load_nothing_heavy() -> None:
    assert loaded(f"import {', '.join(TASKS)}") == []
