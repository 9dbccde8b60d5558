"""Installed beside what a platform brings: nothing replaced, nothing more needed, the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers.toyrun import ROOT, candidates_of
from tests.helpers.wheel import build_wheel

#: Exact versions that platforms have, a file each; all have Python 3.12.
PINS = sorted((ROOT / "tests/platforms").glob("*.txt"))
_PYTHON = "3.12"
#: Packages of extras; the main job is the same with and without.
OPTIONAL = (
    "torch dustapprox pygaia matplotlib matplotlib_venn itables jinja2 mocpy PIL sklearn "
    "astroquery requests gaia_oc_amd"
)


def test_the_main_job_needs_the_base_packages_and_spark_alone() -> None:
    code = f"""
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL.split()}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
import ocspark.catalogue.full_catalogue, ocspark.membership.evaluate
from ocspark.deepsets.weights import load_model
from ocspark.physics.extinction import extinction_coefficients
from ocspark.release import load_release
import numpy as np
assert load_model("DS10_v02").width == 64
for name in ("dr3", "dr4"):
    release = load_release(name)
    assert release.magnitude_errors_path.is_file()
    source = release.extinction
    extinction_coefficients(np.array([5000.0]), 1.0, source.law, source.passbands)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["dependencies"]]


def test_base_requirements_bring_no_spark_and_nothing_that_replaces_a_platform_s() -> None:
    names = {requirement.name.lower() for requirement in requirements()}
    assert not names & {"pyspark", "torch", "dustapprox", "matplotlib", "ipywidgets", "jinja2"}


def versions(pins: Path) -> dict[str, str]:
    """The versions of a platform's packages, by canonical name."""
    there = [Requirement(line) for line in pins.read_text().splitlines() if line[0] != "#"]
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in there}


@pytest.mark.parametrize("pins", PINS, ids=lambda p: p.stem)
def test_what_a_platform_has_meets_the_requirements(pins: Path) -> None:
    there = versions(pins)
    named = [r for r in requirements() if canonicalize_name(r.name) in there]
    assert len(named) >= 5
    assert [str(r) for r in named if there[canonicalize_name(r.name)] not in r.specifier] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
@pytest.mark.parametrize("pins", PINS, ids=lambda p: p.stem)
def test_the_wheel_resolves_against_the_exact_versions_of_a_platform(
    wheel: Path, pins: Path
) -> None:
    """By pip itself, for the platform's Python; nothing of the platform's is replaced."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--quiet", "--report", "-", "--target", "unused", "--only-binary", ":all:"]
    command += ["--python-version", _PYTHON, "-c", str(pins), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found = {
        canonicalize_name(item["metadata"]["name"]): item["metadata"]["version"]
        for item in report["install"]
    }
    there = versions(pins)
    assert len(found.keys() & there.keys()) >= 10
    assert {n: v for n, v in found.items() if there.get(n, v) != v} == {}
    assert not found.keys() & {"pyspark", "torch", "py4j"}


@pytest.mark.slow
def test_the_wheel_with_spark_alone_gives_the_bits_of_all_packages(
    wheel: Path, tmp_path: Path
) -> None:
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=300)
    python = place / "bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*install, f"{wheel}[spark]"], check=True, timeout=1200)
    look = f"import importlib.util as u; print([n for n in {OPTIONAL.split()} if u.find_spec(n)])"
    there = subprocess.run([str(python), "-c", look], check=True, capture_output=True, text=True)
    assert there.stdout == "[]\n"

    sample = ROOT / "conf/sample"
    files = {
        "mirror": "mirror",
        "clusters": "clusters.csv",
        "members": "members.csv",
        "isochrones": "isochrones.dat.gz",
    }
    arguments = ["full_catalogue", "--config", str(ROOT / "conf/sample.yaml")]
    for section, name in files.items():
        arguments += ["--set", f"{section}.path={sample / name}"]
    runs = {}
    for name, interpreter, path in (("spark", python, ""), ("all", sys.executable, str(ROOT))):
        runs[name] = tmp_path / name
        subprocess.run(
            [str(interpreter), "-m", "ocspark", *arguments, "--set", f"output.path={runs[name]}"],
            check=True,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": path,
                "PYSPARK_PYTHON": str(interpreter),
                "SPARK_LOCAL_IP": "127.0.0.1",
            },
            timeout=1200,
        )
    bare, full = (
        candidates_of(str(next(run.glob("*/candidates")).parent)) for run in runs.values()
    )
    assert len(bare) > 1000 and (bare["probability"] >= 0.5).sum() > 100
    pd.testing.assert_frame_equal(bare, full, check_exact=True)
