"""Every example of a README is run on the toy sky, or the README says that it is not.

The parser of a job still reads those that are not run, so that no option in them is wrong.
"""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import dataclass
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
#: `test_dr4_day` runs the commands of this one.
_ELSEWHERE = ROOT / "conf/releases/README.md"
#: How a README says that a block is not run: in the paragraph above the block, or, for all of its
#: blocks, above its first section.
_NOT_RUN = re.compile(r"not\s+run\s+by\s+the\s+tests", re.I)


@dataclass(frozen=True)
class Block:
    """A fenced block of a README."""

    file: Path
    language: str
    text: str
    is_run: bool

    @property
    def is_shell(self) -> bool:
        return self.language in ("", "sh", "bash")

    def commands(self) -> list[str]:
        """Return the block's commands without comments; continued lines are joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.text.startswith("["):  # a service's file: only what it starts
            lines = [line for line in lines if line.startswith("ExecStart=")]
        lines = [re.sub(r"(^|\s)#\s.*", "", line) for line in lines]
        return [" ".join(line.split()) for line in lines if line.strip()]


def blocks_of(file: Path) -> list[Block]:
    text = file.read_text()
    head = text.split("\n## ")[0].split("```")[0]
    whole = file == _ELSEWHERE or _NOT_RUN.search(head) is not None
    blocks = []
    for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
        above = text[: found.start()].rstrip().rsplit("\n\n", 1)[-1]
        is_run = not whole and _NOT_RUN.search(above) is None
        blocks.append(Block(file, found[1], found[2], is_run))
    return blocks


BLOCKS = [block for file in FILES for block in blocks_of(file)]
#: A job with its arguments, however it is started.
_JOB = re.compile(
    r"(?:(?:spark-submit|python)\s.*?\bjobs/(?=\w+\.py)|(?:^|/)ocspark )(\w+)(?:\.py)?(.*)"
)
#: Commands that need what a test machine lacks, each checked by eye; anything else is refused.
OTHERS = (
    r"source \.venv/bin/activate",
    r"export PYSPARK_PYTHON=\S+/bin/python",
    r"pip wheel --no-deps -w dist \. && cp dist/ocspark-\*\.whl dist/ocspark\.zip",
    r"conda create -y -n ocspark python=3\.1\d && conda activate ocspark",
    r"pip install dist/ocspark-\*\.whl conda-pack",
    r"conda pack -o ocspark\.tar\.gz",
    # the image's pip lines and the files of Kubernetes: tests/test_recipes.py
    r"pip wheel --no-deps -w dist \. && docker build -f conf/kubernetes/Dockerfile -t \S+ \.",
    r"docker push \S+",
    r"kubectl apply --namespace gaia -f conf/kubernetes/claim\.yaml",
    r"(cd conf/databricks && )?databricks bundle (deploy|run) .*",
)
#: Jobs that take ``--set`` for settings, and what they are laid over.
_SETTINGS = {"full_catalogue": "main", "selection_function": "main"}
_TRAINING = ("make_training_set", "train_model")
_NAMES = {"Wrap 1": "NGC_2423", "Wrap_2": "NGC_2422", "Pole_1": "NGC_188"}


COMMANDS = [command for block in BLOCKS if block.is_shell for command in block.commands()]


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
    for block in BLOCKS:
        if block.language == "yaml":
            make_settings(yaml.safe_load(block.text))


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
        r"(?<![\w/.])(runs|cg20\.csv|cg18\.csv|t22\.parquet|\w+\.(?:png|vot|fits))\b",
        rf"{desk}/\1",
        text,
    )
    return re.sub(r"(?<![\w/.])conf/", f"{ROOT}/conf/", text)


def test_commands_run(desk: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the READMEs: from data to members, a comparison, a report, exports."""
    done = set()
    for block in BLOCKS:
        for command in block.commands() if block.is_shell and block.is_run else ():
            job = _JOB.search(command)
            assert job is not None, f"{block.file}: nothing here runs {command!r}: say so above it"
            arguments = arguments_of(placed(job[2], desk))
            if (job[1], *arguments) in done:
                continue
            done.add((job[1], *arguments))
            if job[1] == "full_catalogue":
                arguments += ["--set", f"output.path={desk}/runs/full_catalogue"]
                arguments += ["--set", "membership.n_samples=10"]
            monkeypatch.setattr(sys, "argv", [job[1], *arguments])
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(str(ROOT / f"jobs/{job[1]}.py"), run_name="__main__")
            assert ended.value.code == 0, command
    assert {name for name, *_ in done} >= {"full_catalogue", "compare", "make_report", "export"}
    assert (desk / "runs/report/index.html").is_file()
    assert len(pd.read_parquet(desk / "runs/t22/clusters")) > 0


def test_python_blocks_run(desk: Path, spark: SparkSession) -> None:
    blocks = [block for block in BLOCKS if block.language == "python" and block.is_run]
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(placed(block.text, desk), str(block.file), "exec"), names)
