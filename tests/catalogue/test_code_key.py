from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from ocspark.catalogue.code_key import STAGE_MODULES, code_keys
from ocspark.release import load_release
from ocspark.store import code_digest as of_code
from ocspark.store.code_digest import CALCULATING_PACKAGES, code_digest, modules_used_by
from tests.helpers.toy import Toy

ROOT = Path(__file__).parents[2]
STAGES = list(STAGE_MODULES)


def run_python(folder: Path, *arguments: str) -> Any:
    """Return what a fresh interpreter prints last, as JSON; it sees this ocspark, or another."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        cwd=folder if folder.is_dir() else folder.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Modules of ocspark that each stage loads when it runs by itself."""
    folder = tmp_path_factory.mktemp("stages")
    release = load_release("dr3")
    given = {
        "clusters": str(toy.folder / "clusters.csv"),
        "members": str(toy.folder / "members.csv"),
        "mirror": str(toy.folder / "plain"),
        "release": release.model_dump(mode="json"),
        "settings": toy.settings(),
    }
    (folder / "given.json").write_text(json.dumps(given))
    module = "tests.catalogue.stage_alone"
    return {stage: set(run_python(ROOT, "-m", module, stage, str(folder))) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_the_modules_of_a_stage_are_those_that_running_it_loads(
    loaded: dict[str, set[str]], stage: str
) -> None:
    on_gpus_alone = {"ocspark.deepsets.device"}
    used = modules_used_by(STAGE_MODULES[stage]) - on_gpus_alone
    assert used == loaded[stage] - {"ocspark"}


class PackageFinder(ModuleFinder):
    """The standard library's finder, which reads compiled code; not of the public names."""

    def scan_code(self, co: CodeType, m: Any) -> None:
        if m.__name__ != "ocspark":
            super().scan_code(co, m)


@pytest.mark.parametrize("stage", STAGES)
def test_the_modules_of_a_stage_are_those_that_the_standard_library_finds(stage: str) -> None:
    finder = PackageFinder([str(ROOT)])
    for module in STAGE_MODULES[stage]:
        finder.import_hook(module)
    found = {name for name in finder.modules if name.startswith("ocspark.")}
    assert modules_used_by(STAGE_MODULES[stage]) == found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ocspark", folder / "ocspark", ignore=skipped)
    return folder


def keys_of(folder: Path) -> dict[str, str]:
    code = "import json; from ocspark.catalogue.code_key import code_keys"
    keys: dict[str, str] = run_python(folder, "-c", f"{code}; print(json.dumps(code_keys()))")
    return keys


@pytest.mark.parametrize(
    ("changed", "stages"),
    [
        ("__init__.py build/verify_report.py build/assemble.py reports/page.py", ""),
        ("build/build_mirror.py exports/fits.py analysis/missed.py catalogue/plan.py", ""),
        ("inputs/members.py", "search summary"),
        ("selection/listed_members.py", "search"),
        ("selection/match.py", "search membership summary"),
        ("physics/isochrone.py", "characterise posterior summary"),
        ("selection/characterise.py", "characterise summary"),
        ("keyed.py", "membership posterior summary"),
        ("posterior/field.py", "posterior summary"),
        ("catalogue/sharing.py", "summary"),
        ("catalogue/summary.py", "summary"),
        ("tables/clusters.py", "summary"),
    ],
)
def test_a_changed_module_changes_the_keys_of_the_stages_that_use_it(
    copy: Path, changed: str, stages: str
) -> None:
    files = [copy / "ocspark" / name for name in changed.split()]
    before = {file: file.read_text() for file in files}
    for file, text in before.items():
        file.write_text(text + "\n# another\n")
    keys = keys_of(copy)
    for file, text in before.items():
        file.write_text(text)
    assert {stage for stage in STAGES if keys[stage] != code_keys()[stage]} == set(stages.split())


def test_a_zip_of_the_package_has_the_same_keys(tmp_path: Path) -> None:
    archive = tmp_path / "ocspark.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for file in (ROOT / "ocspark").rglob("*.py"):
            content.write(file, file.relative_to(ROOT))
    assert keys_of(archive) == code_keys()


def test_packages_that_a_stage_imports_are_known_to_calculate_or_not() -> None:
    # settings, what moves rows, and what calculates only where a run records it
    others = {"py4j", "pydantic", "pyspark", "yaml", "torch", "dustapprox"}
    for stage, roots in STAGE_MODULES.items():
        files = [ROOT / name.replace(".", "/") for name in modules_used_by(roots)]
        files = [f / "__init__.py" if f.is_dir() else f.with_suffix(".py") for f in files]
        trees = [ast.parse(file.read_text()) for file in files]
        statements = [node for tree in trees for node in ast.walk(tree)]
        names = {n.module for n in statements if isinstance(n, ast.ImportFrom) and n.module}
        names |= {a.name for n in statements if isinstance(n, ast.Import) for a in n.names}
        outside = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"ocspark"}
        assert outside - others <= CALCULATING_PACKAGES.keys(), stage
        # what is imported by a name made while running could not be followed
        assert not {"import_module", "__import__"} & {
            getattr(node, "id", getattr(node, "attr", None)) for node in statements
        }


def test_another_version_of_a_package_changes_the_stages_that_import_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        of_code, "package_version", lambda name: f"new {name}" * (name == "llvmlite")
    )
    now = {stage: code_digest(roots) for stage, roots in STAGE_MODULES.items()}
    monkeypatch.setattr(of_code, "package_version", lambda name: "")
    before = {stage: code_digest(roots) for stage, roots in STAGE_MODULES.items()}
    assert {s for s in STAGES if now[s] != before[s]} == {"membership"}


Write = Callable[[dict[str, str]], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write modules of a package on the path; each test has a package of its own name."""

    def write_modules(modules: dict[str, str]) -> None:
        for name, source in modules.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))

    return write_modules


def test_submodules_names_relative_imports_and_functions_are_followed(write: Write) -> None:
    write(
        {
            "keys1/__init__.py": "",
            "keys1/top.py": "from keys1.room import part, NAME\ndef f():\n  from . import late\n",
            "keys1/late.py": "import keys1.other.leaf as leaf",
            "keys1/unused.py": "",
            "keys1/room/__init__.py": "from .named import NAME",
            "keys1/room/named.py": "NAME = 1",
            "keys1/room/part.py": "from ..unused_name import X as Y",
            "keys1/unused_name.py": "X = 1",
            "keys1/other/__init__.py": "",
            "keys1/other/leaf.py": "import os.path, numpy",
        }
    )
    assert modules_used_by(["keys1.top"]) == {
        *("keys1.top", "keys1.late", "keys1.unused_name", "keys1.room", "keys1.room.named"),
        *("keys1.room.part", "keys1.other", "keys1.other.leaf"),
    }
    assert not any(name.startswith("keys1") for name in sys.modules)  # nothing was executed


def test_imports_for_type_checkers_do_not_count_but_tell_where_public_names_are(
    write: Write,
) -> None:
    write(
        {
            "keys2/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from keys2.verbs import run as run\ndef __getattr__(name): ...",
            "keys2/verbs.py": "",
            "keys2/shape.py": "",
            "keys2/plain.py": "import typing\nif typing.TYPE_CHECKING:\n    import keys2.shape\n"
            "else:\n    import keys2.shown\nif not typing.TYPE_CHECKING: import keys2.more",
            "keys2/more.py": "",
            "keys2/shown.py": "",
            "keys2/public.py": "from keys2 import run",
            "keys2/whole.py": "import keys2",
        }
    )
    assert modules_used_by(["keys2.plain"]) == {"keys2.plain", "keys2.shown", "keys2.more"}
    for module in ("keys2.public", "keys2.whole"):
        assert modules_used_by([module]) == {module, "keys2", "keys2.verbs"}


def test_a_module_that_is_not_there_or_has_no_source_is_named(write: Write) -> None:
    write({"keys3/__init__.py": "", "keys3/a.py": "import keys3.gone"})
    with pytest.raises(ModuleNotFoundError, match=r"keys3\.gone"):
        modules_used_by(["keys3.a"])
    compiled = Path(sys.path[0]) / "keys3" / "b.pyc"
    compiled.write_bytes(b"")
    with pytest.raises(ImportError, match=r"keys3\.b: expected its source"):
        modules_used_by(["keys3.b"])
