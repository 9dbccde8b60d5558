"""jobs/export.py on runs of the main job, on bad input, and its memory."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from mocpy import MOC

from ocspark.catalogue.full_catalogue import RunResult
from tests.helpers.made_run import make_run
from tests.helpers.toy import CLUSTERS
from tests.helpers.toyrun import ROOT, candidates_of

Job = Callable[..., tuple[int, str]]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Job:
    """Run the job; return its code and what it says."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["export.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "jobs/export.py"), run_name="__main__")
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out + captured.err

    return run


def test_every_format_of_a_run_of_the_main_job(
    finished: RunResult, job: Job, tmp_path: Path
) -> None:
    members = candidates_of(finished.path)
    members = members[members["probability"] >= 0.5]
    wanted = sorted(zip(members["cluster"], members["source_id"], strict=True))
    for kind, name, reader in (
        ("votable", "m.vot", "votable"),
        ("fits", "m.fits", "fits"),
        ("ecsv", "m.ecsv", "ascii.ecsv"),
        ("csv", "m.csv", "ascii.csv"),
        ("mrt", "m.mrt", "ascii.mrt"),
    ):
        output = tmp_path / name
        code, said = job(
            "--run", finished.path, "--format", kind, "--output", output, "--min-probability", 0.5
        )
        assert code == 0 and f"{len(members)} rows" in said, said
        read = Table.read(output, format=reader)
        names = np.asarray(read["cluster"]).astype(str).tolist()
        found = sorted(zip(names, read["source_id"].tolist(), strict=True))
        assert found == wanted, kind
    common = ("--run", finished.path, "--format")
    assert job(*common, "hats", "--output", tmp_path / "hats")[0] == 0
    assert job(*common, "moc", "--output", tmp_path / "moc.fits")[0] == 0
    moc = MOC.load(tmp_path / "moc.fits", "fits")
    ra, dec = (np.array([c[i] for c in CLUSTERS.values()]) for i in (0, 1))
    assert moc.contains_lonlat(ra * u.deg, dec * u.deg).all()  # skipped clusters were searched too
    assert moc.sky_fraction < 0.01
    wanted = ("--epoch", 2027, "--min-probability", 0.5)
    code, said = job(*common, "targets", "--output", tmp_path / "t.fits", *wanted)
    assert code == 0
    targets = Table.read(tmp_path / "t.fits")
    assert sorted(targets["source_id"]) == sorted(set(members["source_id"]))
    assert (np.asarray(targets["n_clusters"]) == 2).any()  # Wrap 1 and Wrap_2 overlap


def test_the_newest_run_of_a_folder_is_taken(finished: RunResult, job: Job, tmp_path: Path) -> None:
    folder = Path(finished.path).parent
    code, _ = job("--run", folder, "--format", "csv", "--output", tmp_path / "t.csv")
    assert code == 0


def test_the_folder_of_the_output_is_made(job: Job, tmp_path: Path) -> None:
    make_run(tmp_path / "run", 100)
    there = ("--run", tmp_path / "run", "--format", "csv", "--output")
    assert job(*there, tmp_path / "new/folder/t.csv")[0] == 0
    assert len(Table.read(tmp_path / "new/folder/t.csv")) == 100
    code, said = job(*there, tmp_path / "new/folder/t.csv/t.csv")
    assert code == 2 and "its folder cannot be made" in said and "Traceback" not in said


def spoilt(folder: Path, spoil: Callable[[Path], None]) -> Path:
    make_run(folder, 100)
    spoil(folder)
    return folder


def without_a_column(run: Path) -> None:
    import pyarrow.parquet as pq

    for file in (run / "candidates").iterdir():
        pq.write_table(pq.read_table(file).drop_columns(["p_low"]), file)


BAD: dict[str, tuple[Callable[[Path], None], list[str], str]] = {
    "unfinished run": (lambda r: (r / "run.json").unlink(), ["--format", "csv"], "run.json"),
    "no run at all": (shutil.rmtree, ["--format", "csv"], "run.json"),
    "run.json spoilt": (lambda r: (r / "run.json").write_text("{"), ["--format", "csv"], "JSON"),
    "run.json of another": (
        lambda r: (r / "run.json").write_text("{}"),
        ["--format", "csv"],
        "release",
    ),
    "release of another version": (
        lambda r: (r / "run.json").write_text(
            json.dumps({"inputs": {"release": {}}, "run_id": "r", "model": {"name": "m"}})
        ),
        ["--format", "csv"],
        "inputs.release: name",
    ),
    "table gone": (
        lambda r: shutil.rmtree(r / "candidates"),
        ["--format", "fits"],
        "no such table",
    ),
    "column gone": (without_a_column, ["--format", "fits"], "p_low"),
    "file cut short": (
        lambda r: (r / "candidates" / "membership-00001-00000.parquet").write_bytes(b"PAR1"),
        ["--format", "csv"],
        "membership-00001",
    ),
    "unknown format": (lambda r: None, ["--format", "docx"], "votable, fits, ecsv"),
    "unknown table": (lambda r: None, ["--format", "csv", "--table", "members"], "candidates"),
    "unknown style": (lambda r: None, ["--format", "targets", "--style", "desi"], "4most"),
    "no such table": (lambda r: None, ["--format", "csv", "--table", "non_members"], "non_members"),
    "probability out of range": (
        lambda r: None,
        ["--format", "csv", "--min-probability", "50"],
        "--min-probability",
    ),
    "cut of a table without": (
        lambda r: None,
        ["--format", "csv", "--table", "clusters", "--faint", "17"],
        "phot_g_mean_mag",
    ),
    "epoch of a table": (lambda r: None, ["--format", "csv", "--epoch", "2027"], "--epoch"),
    "hats of clusters": (lambda r: None, ["--format", "hats", "--table", "clusters"], "clusters"),
    "a constant without sense": (
        lambda r: None,
        ["--format", "targets", "--style", "weave", "--constant", "OBSTEMP"],
        "OBSTEMP",
    ),
    "no number": (lambda r: None, ["--format", "csv", "--faint", "faint"], "--faint"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(case: str, job: Job, tmp_path: Path) -> None:
    spoil, arguments, word = BAD[case]
    run = spoilt(tmp_path / "run", spoil)
    code, said = job("--run", run, "--output", tmp_path / "out", *arguments)
    lines = [line for line in said.splitlines() if line.startswith("ocspark: ")]
    assert code == 2 and len(lines) == 1 and word in lines[0], said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob("*.part"))


_MEMORY = """
import resource, sys
from ocspark.store.finished_run import open_run
from ocspark.exports.export import Options, export
run, folder = sys.argv[1:3]
for kind in sys.argv[3:]:
    export(open_run(run), Options(kind, f"{folder}/{kind}"))
    print(kind, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(folder: Path, n: int, *kinds: str) -> dict[str, int]:
    """Peak memory of a process after each of its exports of a run with `n` rows [MB]."""
    folder.mkdir()
    make_run(folder / "run", n, n_files=max(2, n // 250_000), awkward=False)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(folder / "run"), str(folder), *kinds],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    shutil.rmtree(folder)
    return {k: int(v) for k, v in (line.split() for line in done.stdout.splitlines())}


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Four times the rows are 120 MB more as Arrow columns."""
    kinds = ("fits", "mrt", "targets")
    few = peak_mb(tmp_path / "few", 200_000, *kinds)
    many = peak_mb(tmp_path / "many", 800_000, *kinds)
    for kind, peak in many.items():
        assert peak - few[kind] < 100, (few, many)


@pytest.mark.slow
def test_ten_million_rows_need_no_more_memory(tmp_path: Path) -> None:
    """They are 2.5 GB as Arrow columns."""
    kinds = ("fits", "votable", "ecsv", "csv", "mrt", "hats", "targets")
    few = peak_mb(tmp_path / "few", 1_000_000, *kinds)
    many = peak_mb(tmp_path / "many", 10_000_000, *kinds)
    for kind, peak in many.items():
        assert peak - few[kind] < 200, (few, many)
