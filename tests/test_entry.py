"""``ocspark JOB …``, from a checkout and from the wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocspark import __main__ as entry
from tests.wheel import build_wheel, install_wheel


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], ["nonsense: no such job", "full_catalogue", "make_report"]),
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


def test_the_wheel_works_installed_and_as_a_zip(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    place = install_wheel(wheel, tmp_path / "site")
    assert (place / "bin" / "ocspark").is_file()
    for inside in ("jobs/full_catalogue.py", "conf/default.yaml", "conf/releases/dr4.yaml"):
        assert (place / "ocspark" / inside).is_file()
    assert (place / "ocspark/conf/models/mock_g21/weights.pt").is_file()
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
