"""Every command that a README shows is run on the toy sky, or at least understood by its job."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark import locations
from ocspark.cli import Parser
from ocspark.settings import make_settings, settings_tree
from ocspark.training.training_settings import load_training_settings
from tests.helpers.toy import Toy

ROOT = Path(__file__).parents[1]
#: README first, then those of the rooms.
ROOMS = sorted(ROOT.glob("ocspark/**/README.md"))
FILES = [ROOT / "README.md", *ROOMS, *sorted(ROOT.glob("conf/**/README.md"))]
README = "\n".join(file.read_text() for file in FILES)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S)
#: A job with its arguments, however it is started.
_JOB = re.compile(r"(?:spark-submit|python)\s.*?\bjobs/(\w+)\.py(.*)")
#: Commands that need what a test machine lacks, each checked by eye; anything else is refused.
OTHERS = (
    r"source \.venv/bin/activate",
    r"export PYSPARK_PYTHON=\S+/bin/python",
    r"pip wheel --no-deps -w dist \. && cp dist/ocspark-\*\.whl dist/ocspark\.zip",
    r"venv-pack -o ocspark\.tar\.gz",
    r"(cd conf/databricks && )?databricks bundle (deploy|run) .*",
)
#: Jobs that take ``--set`` for settings, and what they are laid over.
_SETTINGS = {"full_catalogue": "main", "selection_function": "main"}
_TRAINING = ("make_training_set", "train_model")
#: Run for real, in this order: enough of the README to go from data to a report.
RUN = ("full_catalogue", "compare", "make_report")
_NAMES = {"Wrap 1": "NGC_2423", "Wrap_2": "NGC_2422", "Pole_1": "NGC_188"}


def shell_commands() -> list[str]:
    """The commands of blocks without a language, without comments; continued lines joined."""
    commands = []
    for language, text in BLOCKS:
        if language in ("", "sh", "bash") and "─▶" not in text and not text.startswith("[ocspark]"):
            lines = text.replace("\\\n", " ").splitlines()
            if text.startswith("["):  # a service's file: only what it starts
                lines = [line for line in lines if line.startswith("ExecStart=")]
            commands += [re.sub(r"(^|\s)#\s.*", "", line).strip() for line in lines]
    return [" ".join(command.split()) for command in commands if command]


COMMANDS = shell_commands()


class Parsed(BaseException):
    """Stops a job once it has understood its command line."""


def parse(monkeypatch: pytest.MonkeyPatch, job: str, arguments: list[str]) -> dict[str, object]:
    understand = Parser.parse_args

    def stop(self: Parser) -> None:
        raise Parsed(vars(understand(self)))

    monkeypatch.setattr(Parser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [job, *arguments])
    with pytest.raises(Parsed) as parsed:
        runpy.run_path(str(ROOT / f"jobs/{job}.py"), run_name="__main__")
    options: dict[str, object] = parsed.value.args[0]
    return options


def arguments_of(text: str) -> list[str]:
    return shlex.split(re.split(r"\s(?:>>?|\d>)", text)[0])


def test_readme_has_commands() -> None:
    assert len(COMMANDS) > 15
    assert len({_JOB.search(c)[1] for c in COMMANDS if _JOB.search(c)}) >= 10  # type: ignore[index]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _JOB.search(command)
    if command.startswith(f"export {locations.OPTIONS_VARIABLE}="):
        monkeypatch.setenv(*shlex.split(command)[1].split("=", 1))
        locations.configure(locations.options_given())
        locations.configure({})
        return
    if job is None:
        made = re.fullmatch(r"make ((?:[A-Z]+=\S+ )*[a-z-]+(?: [A-Z]+=\S+)*)", command)
        if made is None:
            assert any(re.fullmatch(known, command) for known in OTHERS), (
                "no rule: run it, or say in OTHERS why it cannot be"
            )
        else:
            done = subprocess.run(
                ["make", "-n", *shlex.split(made[1])], cwd=ROOT, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        return
    name, arguments = job[1], arguments_of(job[2])
    assert (ROOT / f"jobs/{name}.py").is_file()
    parse(monkeypatch, name, arguments)
    for file in re.findall(r"\bconf/\S+", command):
        assert (ROOT / file).exists()
    settings = [arguments[i + 1] for i, a in enumerate(arguments) if a == "--set"]
    if name in _SETTINGS:
        needed = [f"{section}.path=x" for section in ("mirror", "clusters", "members")]
        make_settings(settings_tree("default.yaml", None, [*needed, *settings])[0])
    elif name in _TRAINING:
        load_training_settings(None, settings)


def test_yaml_blocks_are_settings() -> None:
    for language, text in BLOCKS:
        if language == "yaml":
            make_settings(yaml.safe_load(text))


def test_files_that_the_text_names_exist() -> None:
    inline = " ".join(re.findall(r"`([^`\n]+)`", README))
    named = set(re.findall(r"\b(?:jobs|conf|notebooks|tests|ocspark)/[\w/]+\.\w+", inline))
    assert named and not [path for path in named if not (ROOT / path).exists()]
    for file in FILES:
        links = re.findall(r"\]\(((?!https?:|#)[^)\s#]+)", file.read_text())
        assert not [link for link in links if not (file.parent / link).exists()], file


@pytest.fixture(scope="module")
def desk(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy sky under the names that README uses, in the columns of Cantat-Gaudin et al."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "data").mkdir()
    (folder / "data/gaia_dr3").symlink_to(toy.folder / "plain")
    columns = yaml.safe_load((ROOT / "conf/cantat_gaudin_2020.yaml").read_text())["clusters"]
    names = toy.clusters["cluster"].replace(_NAMES)
    clusters = toy.clusters.assign(cluster=names, radius_deg=0.1)
    clusters.rename(columns=columns["columns"]).to_csv(folder / "cg20.csv", index=False)
    members = toy.members.assign(cluster=toy.members["cluster"].replace(_NAMES))
    members.to_csv(folder / "cg18.csv", index=False)
    members[members["probability"] > 0.5].to_parquet(folder / "t22.parquet")
    return folder


def placed(text: str, desk: Path) -> str:
    """Put README's places into the folder; what ships with the checkout is taken from there."""
    text = re.sub(r"(?<![\w/.])/data/", f"{desk}/data/", text)
    text = re.sub(
        r"(?<![\w/.])(runs|cg20\.csv|cg18\.csv|t22\.parquet|\w+\.png)\b", rf"{desk}/\1", text
    )
    return re.sub(r"(?<![\w/.])conf/", f"{ROOT}/conf/", text)


def test_from_data_to_a_report(
    desk: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RUN:
        found = (_JOB.search(command) for command in COMMANDS)
        line = next(job[2] for job in found if job is not None and job[1] == name)
        arguments = arguments_of(placed(line, desk))
        if name == "full_catalogue":
            arguments += ["--set", f"output.path={desk}/runs/full_catalogue"]
            arguments += ["--set", "membership.n_samples=10"]
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / f"jobs/{name}.py"), run_name="__main__")
        assert ended.value.code == 0, name
    assert (desk / "runs/report/index.html").is_file()
    assert len(pd.read_parquet(desk / "runs/t22/clusters")) > 0


def test_python_blocks_run(desk: Path, spark: SparkSession) -> None:
    blocks = [text for language, text in BLOCKS if language == "python"]
    assert blocks
    names: dict[str, object] = {}
    for text in blocks:
        exec(compile(placed(text, desk), "README.md", "exec"), names)
