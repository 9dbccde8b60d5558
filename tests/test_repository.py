"""The repository holds its own files only, nothing that a job or a test has made; make helps."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.helpers.toyrun import ROOT

TOP_LEVEL = {
    *("ocspark", "jobs", "conf", "notebooks", "tests"),
    *("README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff"),
    *("Makefile", "pyproject.toml", "constraints.txt"),
}


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Paths of all tracked files."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone of the repository")
    command = ["git", "ls-files", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot list the files: {error}")
    return listed.stdout.strip("\0").split("\0")


def test_the_top_level_holds_what_belongs_there(tracked: list[str]) -> None:
    names = {path.partition("/")[0] for path in tracked}
    assert {name for name in names - TOP_LEVEL if not name.startswith(".")} == set()
    assert {"ocspark", "tests", "pyproject.toml"} <= names


def test_test_modules_take_helpers_from_no_other_test_module(tracked: list[str]) -> None:
    modules = [ROOT / path for path in tracked if re.search(r"^tests/.*\.py$", path)]
    takers = {
        m.name for m in modules if re.search(r"^ *from tests\.\S*\btest_", m.read_text(), re.M)
    }
    assert len(modules) > 100
    assert takers == set()


def test_make_help_names_goals_that_there_are() -> None:
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    goals = set(re.findall(r"^make ([\w-]+)", shown, re.MULTILINE))
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"setup", "run", "test"} <= goals <= rules
