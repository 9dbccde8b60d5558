"""Bad input: one line that names the file, column or key, exit code 2, and no result."""

from __future__ import annotations

import gzip
import hashlib
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, submit

Spoil = Callable[[Path], dict[str, object]]


def spoil_clusters(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> dict[str, object]:
        change(pd.read_csv(folder / "clusters.csv")).to_csv(folder / "clusters.csv", index=False)
        return {}

    return spoil


def spoil_members(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> dict[str, object]:
        change(pd.read_csv(folder / "members.csv")).to_csv(folder / "members.csv", index=False)
        return {}

    return spoil


def spoil_mirror(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> dict[str, object]:
        file = folder / "plain" / "part-2.parquet"
        change(pd.read_parquet(file)).to_parquet(file, index=False)
        return {}

    return spoil


def cut_mirror_file(folder: Path) -> dict[str, object]:
    file = folder / "plain" / "part-1.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    return {}


def damaged_page(folder: Path) -> dict[str, object]:
    file = folder / "plain" / "part-1.parquet"
    content = bytearray(file.read_bytes())
    content[4:3000] = bytes(2996)
    file.write_bytes(bytes(content))
    return {}


def isochrones(text: str) -> Spoil:
    def spoil(folder: Path) -> dict[str, object]:
        with gzip.open(folder / "iso.dat.gz", "wt") as file:
            file.write(text)
        return {"isochrones": {"path": str(folder / "iso.dat.gz")}}

    return spoil


def model(card: dict[str, object]) -> Spoil:
    def spoil(folder: Path) -> dict[str, object]:
        shutil.copytree(ROOT / "conf/models/DS10_v02", folder / "model")
        published = json.loads((folder / "model/card.json").read_text())
        (folder / "model/card.json").write_text(json.dumps({**published, **card}))
        return {"model": str(folder / "model")}

    return spoil


def wrong_shape(folder: Path) -> dict[str, object]:
    shutil.copytree(ROOT / "conf/models/DS10_v02", folder / "model")
    weights = folder / "model/weights.npz"
    with np.load(weights) as arrays:
        state = dict(arrays)
    state["phi.0.Gamma.weight"] = state["phi.0.Gamma.weight"][:, :12]
    np.savez(weights, **state)
    card = json.loads((folder / "model/card.json").read_text())
    card["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "model/card.json").write_text(json.dumps(card))
    return {"model": str(folder / "model")}


ISO_HEADER = "# Zini MH logAge Mini Mass logL logTe logg label mbolmag Gmag G_BPmag G_RPmag\n"
ISO_ROW = "0.0152 0.0 5.0 1.0 1.0 0.0 3.76 4.4 1 4.7 4.5 4.9 4.0\n"


def first(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].astype(object)
        table.loc[0, column] = value
        return table

    return change


CASES: dict[str, tuple[Spoil, list[str]]] = {
    "no mirror": (lambda f: {"mirror": {"path": str(f / "nowhere")}}, ["mirror.path", "nowhere"]),
    "no cluster table": (
        lambda f: {"clusters": {"path": str(f / "no.csv")}},
        ["clusters.path", "no.csv"],
    ),
    "no member list": (
        lambda f: {"members": {"path": str(f / "no.csv")}},
        ["members.path", "no.csv"],
    ),
    "no isochrones": (
        lambda f: {"isochrones": {"path": str(f / "no.dat")}},
        ["isochrones.path", "no.dat"],
    ),
    "truncated mirror file": (cut_mirror_file, ["part-1.parquet", "truncated"]),
    "mirror column missing": (
        spoil_mirror(lambda t: t.drop(columns="pmdec_error")),
        ["part-2.parquet", "pmdec_error", "missing"],
    ),
    "mirror column of a wrong type": (
        spoil_mirror(lambda t: t.assign(parallax=t["parallax"].astype(str))),
        ["part-2.parquet", "parallax", "expected a number"],
    ),
    "source_id as a float": (
        spoil_mirror(lambda t: t.assign(source_id=t["source_id"].astype(float))),
        ["part-2.parquet", "source_id", "int64"],
    ),
    "unknown setting": (
        lambda f: {"membership": {"n_sample": 10}},
        ["membership.n_sample", "unknown"],
    ),
    "n_samples 0": (
        lambda f: {"membership": {"n_samples": 0}},
        ["membership.n_samples", "greater than 0"],
    ),
    "support_size -1": (
        lambda f: {"membership": {"support_size": -1}},
        ["membership.support_size"],
    ),
    "a mirror of another release": (
        lambda f: {"release": "dr4"},
        ["part-0", "tentative_parallax_bias is missing", "astrometric_params_solved", "like dr3"],
    ),
    "a column of another release": (
        spoil_mirror(lambda t: t.assign(tentative_parallax_bias=0.0)),
        ["part-2", "tentative_parallax_bias is not of this release: looks like dr4"],
    ),
    "unknown release": (lambda f: {"release": "dr99"}, ["release", "dr99", "dr3"]),
    "run_id with a slash": (lambda f: {"output": {"run_id": "../x"}}, ["output.run_id"]),
    "cluster column missing": (
        spoil_clusters(lambda t: t.drop(columns="parallax_dispersion")),
        ["clusters.csv", "parallax_dispersion", "missing"],
    ),
    "cluster value not a number": (
        spoil_clusters(first("ra", "north")),
        ["clusters.csv", "column ra", "north"],
    ),
    "dec > 90": (spoil_clusters(first("dec", 91.0)), ["clusters.csv", "Wrap 1", "dec", "91"]),
    "distance 0": (spoil_clusters(first("distance", 0.0)), ["clusters.csv", "Wrap 1", "distance"]),
    "cluster twice": (
        spoil_clusters(lambda t: pd.concat([t, t.iloc[:1].assign(cluster="Wrap_1", ra=5.0)])),
        ["clusters.csv", "Wrap_1", "twice"],
    ),
    "chosen cluster unknown": (
        lambda f: {"clusters": {"names": ["M 999"]}},
        ["clusters.names", "M 999"],
    ),
    "empty member list": (spoil_members(lambda t: t.iloc[:0]), ["members.csv", "empty"]),
    "contradicting members": (
        spoil_members(lambda t: pd.concat([t, t.iloc[:1].assign(probability=0.3)])),
        ["members.csv", "Wrap 1", "twice"],
    ),
    "probability above 1": (
        spoil_members(first("probability", 7.0)),
        ["members.csv", "probability"],
    ),
    "no usable age": (isochrones(ISO_HEADER + ISO_ROW), ["isochrones", "no usable age"]),
    "isochrones of another kind": (isochrones("a b c\n1 2 3\n"), ["iso.dat.gz", "Zini"]),
    "isochrones without a band": (
        isochrones(ISO_HEADER.replace("G_RPmag", "Kmag") + ISO_ROW),
        ["iso.dat.gz", "G_RPmag"],
    ),
    "unknown model": (lambda f: {"model": "DS99"}, ["model", "DS99", "DS10_v02"]),
    "weights of another hash": (
        model({"weights_sha256": "0" * 64}),
        ["weights.npz", "SHA-256"],
    ),
    "weights of another shape": (wrong_shape, ["weights.npz", "13 inputs"]),
}


@pytest.fixture
def folder(toy: Toy, tmp_path: Path) -> Path:
    shutil.copytree(toy.folder / "plain", tmp_path / "plain")
    for name in ("clusters.csv", "members.csv"):
        shutil.copy(toy.folder / name, tmp_path / name)
    return tmp_path


def write_settings(toy: Toy, folder: Path, spoil: Spoil) -> Path:
    changes = spoil(folder)
    own = Toy(toy.sources, toy.clusters, toy.members, folder)
    (folder / "settings.yaml").write_text(yaml.safe_dump(own.settings(**changes)))
    return folder / "settings.yaml"


def assert_one_line(text: str, words: list[str], folder: Path) -> None:
    lines = [line for line in text.splitlines() if line.startswith("ocspark: ")]
    assert len(lines) == 1, text
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in text
    assert not list(folder.rglob("run.json")) and not list(folder.rglob("latest"))


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line_and_exit_code_2(
    toy: Toy,
    folder: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, words = CASES[case]
    settings = write_settings(toy, folder, spoil)
    monkeypatch.setattr(sys, "argv", ["full_catalogue.py", "--config", str(settings)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/full_catalogue.py"), run_name="__main__")
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert_one_line(captured.out + captured.err, words, folder)


@pytest.mark.parametrize(
    "arguments", [["--set", "membership"], ["--nonsense"], ["--config", "no.yaml"]]
)
def test_a_wrong_command_line_is_one_line_too(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["full_catalogue.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/full_catalogue.py"), run_name="__main__")
    assert stop.value.code == 2
    assert_one_line(capsys.readouterr().err, [arguments[-1]], tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: {"membership": {"n_samples": -3}}, ["n_samples"]),
        (damaged_page, ["part-1.parquet"]),
    ],
)
def test_spark_submit_passes_line_and_code_on(
    toy: Toy, folder: Path, spoil: Spoil, words: list[str]
) -> None:
    """The second fault is seen only by Spark's workers, in the middle of a run."""
    done = submit("local[1]", write_settings(toy, folder, spoil))
    assert done.returncode == 2, done.stdout
    assert_one_line(done.stdout, words, folder)
