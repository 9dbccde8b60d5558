"""What all jobs share on the command line: options with their meaning, --json, --quiet."""

from __future__ import annotations

import argparse
import json
import logging
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocspark.catalogue.full_catalogue import RunResult
from ocspark.cli import Parser, show_results
from tests.helpers.made_run import make_run
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT

JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))


def run(monkeypatch: pytest.MonkeyPatch, job: str, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", [job, *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / f"jobs/{job}.py"), run_name="__main__")
    return int(stop.value.code or 0)


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its options, and those of its kinds."""
    found: list[argparse.Action] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for kind in action.choices.values():
                assert kind.description
                found += options_of(kind)
        else:
            found.append(action)
    return found


@pytest.mark.parametrize("job", JOBS)
def test_help_begins_with_what_the_job_does_and_explains_each_option(
    job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parsers: list[Parser] = []
    understand = Parser.parse_args

    def remember(self: Parser, *given: Any) -> Any:
        parsers.append(self)
        return understand(self, *given)

    monkeypatch.setattr(Parser, "parse_args", remember)
    assert run(monkeypatch, job, "--help") == 0
    said = capsys.readouterr().out
    first = str(parsers[0].description).splitlines()[0]
    assert first in said and first.endswith(".") and "jobs/" not in first.partition(",")[0]
    assert f"jobs/{job}.py" in said  # an example
    assert [a.option_strings for a in options_of(parsers[0]) if not a.help] == []
    if job != "fetch_inputs":  # whose kinds have these
        assert "--json" in said and "--quiet" in said


def test_defaults_and_what_is_required_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "make_mock", "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "seed of all that is drawn (default: 42)" in said
    assert "folder of the mock (required)" in said
    assert run(monkeypatch, "fetch_inputs", "isochrones", "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "(default: 6.6 10.1 0.05)" in said and "--json" in said


def test_json_and_lines_say_the_same_of_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "run", 100)
    there = ["--run", tmp_path / "run", "--format", "csv", "--output"]
    assert run(monkeypatch, "export", *there, tmp_path / "a.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"[ocspark] 100 rows written to {tmp_path}/a.csv"]
    assert run(monkeypatch, "export", *there, tmp_path / "b.csv", "--json") == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"output": f"{tmp_path}/b.csv", "rows": 100}
    assert run(monkeypatch, "export", *there, tmp_path / "b.csv", "--json") == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("ocspark: --output ")


def test_the_main_job_and_its_plan_as_json(
    toy: Toy,
    finished: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(finished.record["settings"]))
    there = ["--config", settings, "--json", "--quiet"]
    assert run(monkeypatch, "full_catalogue", *there) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["path"] == finished.path and result["already_finished"] is True
    assert result["clusters"] == finished.record["clusters"]
    assert "[ocspark]" not in captured.err and logging.getLogger("ocspark").level == logging.WARNING
    assert run(monkeypatch, "full_catalogue", *there, "--plan") == 0
    assert json.loads(capsys.readouterr().out)["finished"] is True


def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(json=True)
    show_results(options, {"purity": float("nan"), "levels": (0.5, float("inf")), 1: "ü"}, ["-"])
    assert capsys.readouterr().out == '{"purity": null, "levels": [0.5, null], "1": "ü"}\n'
