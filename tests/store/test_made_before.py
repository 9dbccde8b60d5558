"""Outputs that are made once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocspark.store.made_before import INPUTS, inputs_digest, record_made_of

MODULES = ["ocspark.names"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """An output of some inputs: its record, a table and a page."""
    (tmp_path / "stars").mkdir()
    (tmp_path / "stars/all.parquet").write_text("rows")
    (tmp_path / "index.html").write_text("page")
    record = {"rows": 3, INPUTS: inputs_digest(MODULES, "run", {"cut": 0.5})}
    (tmp_path / "record.json").write_text(json.dumps(record))
    return tmp_path


def found(folder: Path, *facts: Any, modules: list[str] = MODULES) -> dict[str, Any] | None:
    inputs = inputs_digest(modules, *facts)
    return record_made_of(inputs, str(folder / "record.json"), ["stars"], ["index.html"])


def test_an_output_of_the_same_inputs_by_the_same_code_is_known_again(made: Path) -> None:
    record = found(made, "run", {"cut": 0.5})
    assert record is not None and record["rows"] == 3
    assert found(made, "run", {"cut": 0.6}) is None
    assert found(made, "run") is None
    assert found(made, "run", {"cut": 0.5}, modules=["ocspark.errors"]) is None


@pytest.mark.parametrize("lost", ["stars/all.parquet", "index.html", "record.json"])
def test_an_output_of_which_something_is_gone_is_made_again(made: Path, lost: str) -> None:
    (made / lost).unlink()
    assert found(made, "run", {"cut": 0.5}) is None


def test_a_record_that_is_not_whole_does_not_count(made: Path) -> None:
    text = (made / "record.json").read_text()
    (made / "record.json").write_text(text[: len(text) // 2])
    assert found(made, "run", {"cut": 0.5}) is None
