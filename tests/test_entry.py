"""``ocspark JOB …``, from a checkout and from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocspark import __main__ as entry
from tests.helpers.toyrun import ROOT
from tests.helpers.wheel import build_wheel, install_wheel


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], ["nonsense: no such job", "full_catalogue", "make_report"]),
        (["full_catalog"], ["full_catalog: no such job; did you mean full_catalogue?"]),
        (
            ["full_catalogue", "--set", "mirorr.path=x"],
            ["mirorr: unknown setting; did you mean mirror"],
        ),
        (["full_catalogue"], ["mirror.path is not set; expected a Gaia mirror"]),
        ([], ["command line", "job"]),
        (["full_catalogue", "--set", "membership"], ["--set membership", "key=value"]),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    arguments: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["ocspark", *arguments])
    with pytest.raises(SystemExit) as stop:
        entry.main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("ocspark: ") and error.count("\n") == 1
    assert all(word in error for word in words)


def test_a_job_that_ends_well_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databricks takes an exit, even with code 0, for a failure."""
    (tmp_path / "well.py").write_text(
        "import sys\nfrom ocspark.cli import run_job\n"
        "def main():\n    print(sys.argv)\n    return 0\nrun_job(main)\n"
    )
    monkeypatch.setattr(entry, "beside_package", lambda folder: tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocspark", "well", "--set", "a=1"])
    entry.main()
    assert sys.argv == ["well", "--set", "a=1"]


def test_help_lists_every_job_with_what_it_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ocspark", "--help"])
    entry.main()
    lines = capsys.readouterr().out.splitlines()
    for path in (ROOT / "jobs").glob("*.py"):
        (line,) = (line for line in lines if line.startswith(f"  {path.stem} "))
        assert len(line.split()) > 2
    assert "others:" not in lines  # every job is in a group


def test_an_interrupted_job_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.py").write_text(
        "from ocspark.cli import run_job\ndef main():\n    raise KeyboardInterrupt\nrun_job(main)\n"
    )
    monkeypatch.setattr(entry, "beside_package", lambda folder: tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocspark", "long"])
    with pytest.raises(SystemExit) as stop:
        entry.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == (
        "ocspark: interrupted; the same command continues from here\n"
    )


def test_the_wheel_works_installed_and_as_a_zip(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    place = install_wheel(wheel, tmp_path / "site")
    assert (place / "bin" / "ocspark").is_file()
    inside = (
        "jobs/full_catalogue.py conf/default.yaml conf/releases/dr4.yaml "
        "conf/releases/gaia_edr3_log_err_vs_mag_spline.csv conf/models/DS10_v02/weights.npz "
        "conf/models/DS10_v02/LICENSE conf/extinction/gaia_kurucz_f99_a0_teff.ecsv"
    )
    assert all((place / "ocspark" / name).is_file() for name in inside.split())
    assert not (place / "ocspark/conf/databricks").exists()
    arguments = ["full_catalogue", "--set", "mirror.path=x", "--set", "clusters.path=x"]
    arguments += ["--set", "members.path=x", "--set", "release=dr99"]
    for path in (place, wheel):
        done = subprocess.run(
            [sys.executable, "-m", "ocspark", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 2, done.stderr
        assert "ocspark: release: 'dr99' is not known; expected one of dr3, dr4" in done.stderr


#: Makes a package missing, wherever Python is started with this module on its path.
WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Without())
"""


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        ("{python} jobs/compare.py", "matplotlib", "report"),
        ("{python} jobs/summarise_mock.py", "pyspark", "spark"),
        ("{python} jobs/fetch_inputs.py", "requests", "fetch"),
        ("{python} -m ocspark compare", "matplotlib", "report"),
        ("{python} -m ocspark full_catalogue", "pyspark", "spark"),
        ("{spark_submit} jobs/make_report.py", "jinja2", "report"),
    ],
)
def test_a_package_of_an_extra_that_is_not_installed_is_one_line(
    command: str, package: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(package=package))
    spark_submit = Path(sys.executable).with_name("spark-submit")
    done = subprocess.run(
        command.format(python=sys.executable, spark_submit=spark_submit).split(),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "PYSPARK_PYTHON": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    output = done.stdout + done.stderr  # of what spark-submit starts, it prints both as output
    ours = [line for line in output.splitlines() if line.startswith("ocspark: ")]
    assert ours == [f"ocspark: package {package} is not installed; pip install 'ocspark[{extra}]'"]
    assert done.returncode == 2
    assert "Traceback" not in output
