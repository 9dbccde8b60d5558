"""Every notebook runs from top to bottom, and what is committed has been run."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Of an output on a code host.
MOST_BYTES = 300_000
#: Minutes each, since they train a network or make a second mock.
SLOW = ("04", "05")
CASES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem[:2] in SLOW))
    for path in NOTEBOOKS
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that the mock of two of them is made once."""
    return tmp_path_factory.mktemp("notebooks")


def test_there_are_six() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_was_run_without_error_and_is_small(path: Path) -> None:
    book = nbformat.read(path, 4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < MOST_BYTES
    assert not [word for word in ("/tmp/", "/home/", "/root/") if word in path.read_text()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_begins_with_what_databricks_needs_and_explains_its_pictures(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    # installed by hand where it is not there: neither Jupyter nor a test should install anything
    assert code[0].metadata["tags"] == ["install"]
    assert all(line.startswith("# ") for line in code[0].source.splitlines())
    assert "%pip install" in code[0].source
    assert 'work = "/Volumes/' in code[1].source
    for before, cell in pairwise(cells):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert before.cell_type == "markdown", cell.source


@pytest.mark.parametrize("path", CASES)
def test_runs(path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing cell raises, with its traceback."""
    environment = {
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false pyspark-shell",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    book = nbformat.read(path, 4)
    before = shown(book)
    NotebookClient(
        book, timeout=900, kernel_name="python3", resources={"metadata": {"path": work}}
    ).execute()
    # a cell that showed something still does
    assert shown(book) == before


def shown(book: nbformat.NotebookNode) -> list[bool]:
    """Which cells show something; warnings of the Java machine are no part of it."""
    outputs = [cell.get("outputs", []) for cell in book.cells]
    return [any(output.get("name") != "stderr" for output in of) for of in outputs]
