"""Cones of an archive are a mirror in which a run finds what it would find in the whole."""

from __future__ import annotations

import io
import logging
import re
import runpy
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from astropy.coordinates.name_resolve import sesame_url
from astropy.table import Table
from pyspark.sql import SparkSession

import ocspark
from ocspark.api import own
from ocspark.catalogue.inputs import read_inputs
from ocspark.errors import InputError
from ocspark.fetch import client as client_module
from ocspark.fetch import vizier
from ocspark.fetch.client import Client
from ocspark.fetch.cones import MAX_RADIUS_DEG, Archive
from ocspark.fetch.values import cluster_values
from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.inputs.column_maps import column_map
from ocspark.selection.cones import make_cones
from ocspark.settings import SearchSettings, conf_path
from tests.helpers.archive import FakeArchive
from tests.helpers.server import Server
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, candidates_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hats.io.validation import is_valid_catalog


@pytest.fixture
def archive(server: Server, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> FakeArchive:
    """An archive, VizieR with the toy's clusters in Hunt & Reffert's table, and Sesame."""
    # of the client alone, since Spark's threads sleep as well
    monkeypatch.setattr(client_module, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(vizier, "SERVER", server.url)
    names = column_map("hunt_2023", "")
    clusters = toy.clusters.rename(columns=names)
    clusters[names["aliases"]] = [f"Toy {n}, Other {n}" for n in range(len(clusters))]
    clusters[names["radius_deg"]] = 0.2
    page = io.BytesIO()
    Table.from_pandas(clusters).write(page, format="votable")
    server.forms["/viz-bin/votable"] = lambda _: (200, page.getvalue())
    return FakeArchive(server, toy.sources)


@pytest.fixture
def release(archive: FakeArchive, tmp_path: Path) -> str:
    """DR3, its archive on this machine."""
    tree = yaml.safe_load(conf_path("releases", "dr3.yaml").read_text())
    tree["archive"]["server"] = archive.url
    path = tmp_path / "dr3_here.yaml"
    path.write_text(yaml.safe_dump(tree))
    return str(path)


def place(server: Server, answer: str) -> None:
    """Let Sesame answer any name."""
    server.files["/sesame/SNV"] = answer.encode()


def test_a_name_is_enough_for_a_run(
    archive: FakeArchive,
    release: str,
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Values are looked up, and the mirror has what the run's own search asks for."""
    monkeypatch.setattr(own, "run", lambda settings, spark: settings)
    members = toy.members.loc[toy.members["cluster"] == "Wrap 1", "source_id"].tolist()
    given = {"first_members": members, "release": release, "spark": spark}
    settings = ocspark.find_members(name="Toy 0", output=tmp_path / "own", **given)
    assert settings.search.max_radius_deg == MAX_RADIUS_DEG
    assert settings.mirror.path.startswith(str(tmp_path / "own/inputs/archive/mirror-"))
    inputs = read_inputs(settings)
    wanted = toy.clusters.iloc[0]
    values = inputs.clusters.table.iloc[0]
    assert all(values[name] == wanted[name] for name in CLUSTER_COLUMNS[1:])
    (query,) = archive.queries
    assert sum(file.rows for file in inputs.files) == len(archive.select(query)) > 400
    again = ocspark.find_members(name="Toy 0", output=tmp_path / "own", **given)
    assert again == settings and archive.queries == [query]


def test_one_cluster_by_its_name_alone(
    archive: FakeArchive, release: str, toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    """The same stars and probabilities as with a mirror of the whole sky."""
    few = {"membership": {"n_samples": 10}, "release": release, "spark": spark}
    here = ocspark.find_members(name="Toy 0", output=tmp_path / "own", **few)
    assert len(archive.queries) == 1
    wanted = toy.clusters.iloc[0]
    values = {name: float(wanted[name]) for name in CLUSTER_COLUMNS[1:] if "pm" not in name}
    whole = ocspark.find_members(
        toy.folder / "plain",
        "Toy 0",
        tmp_path / "whole",
        pmra=wanted["pmra"],
        pmdec=wanted["pmdec"],
        pm_dispersion=wanted["pmra_dispersion"],
        **values,
        **few,
    )
    pd.testing.assert_frame_equal(candidates_of(here.path), candidates_of(whole.path))
    counts = ["n_cone", "n_not_kept", "n_training_members", "n_candidates"]
    assert here.clusters[counts].equals(whole.clusters[counts])
    again = ocspark.find_members(name="Toy 0", output=tmp_path / "own", **few)
    assert again.path == here.path and len(archive.queries) == 1
    assert len(ocspark.members_of(here, "Toy 0")) > 40


def test_a_table_of_clusters_is_one_mirror_with_every_source_once(
    archive: FakeArchive,
    release: str,
    client: Client,
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    clusters = toy.clusters[:2].assign(cluster_key=[1, 2])
    cones = make_cones(clusters, SearchSettings()).table
    cut_off = cones.assign(pm_limit=[1e-5, cones["pm_limit"][1]])
    fetcher = Archive(client, release, str(tmp_path / "cones"))
    names = ["Wrap 1", "Wrap_2"]
    mirror = Path(fetcher.fetch_mirror(cones, names, spark))
    assert is_valid_catalog(mirror, strict=True)
    queries = list(archive.queries)
    expected = pd.concat([archive.select(query) for query in queries])
    assert expected["source_id"].duplicated().sum() > 20  # the cones overlap
    stored = pd.read_parquet(mirror / "dataset").sort_values("source_id", ignore_index=True)
    distinct = expected.drop_duplicates("source_id").sort_values("source_id", ignore_index=True)
    pd.testing.assert_frame_equal(stored[distinct.columns.tolist()], distinct)
    assert fetcher.fetch_mirror(cones, names, spark) == str(mirror)
    assert archive.queries == queries
    other = fetcher.fetch_mirror(cut_off, names, spark)
    assert len(archive.queries) == 3 and other != str(mirror)  # only the new one was asked
    with pytest.raises(InputError, match="no sources in the cones"):
        fetcher.fetch_mirror(cut_off[:1], names[:1], spark)


def test_a_cluster_that_cannot_be_had_keeps_no_other_from_coming(
    archive: FakeArchive,
    release: str,
    client: Client,
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    cones = make_cones(toy.clusters[:3].assign(cluster_key=[1, 2, 3]), SearchSettings()).table
    fetcher = Archive(client, release, str(tmp_path / "cones"))
    archive.server.faults["/tap/async/2/phase"] = ["403"]
    with pytest.raises(InputError, match=r"^Wrap_2: .*403"):
        fetcher.fetch_mirror(cones, ["Wrap 1", "Wrap_2", "Pole_1"], spark)
    assert len(archive.queries) == 3
    assert not list((tmp_path / "cones").glob("mirror*"))
    fetcher.fetch_mirror(cones, ["Wrap 1", "Wrap_2", "Pole_1"], spark)
    assert len(archive.queries) == 4


def test_a_cone_is_bounded_and_that_is_said(
    archive: FakeArchive,
    release: str,
    client: Client,
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cones = make_cones(toy.clusters[:1].assign(cluster_key=[1]), SearchSettings(max_radius_deg=1.0))
    with caplog.at_level(logging.INFO, "ocspark"):
        fetcher = Archive(client, release, str(tmp_path / "cones"))
        fetcher.fetch_mirror(cones.table, ["Wrap 1"], spark)
    assert "Wrap 1: its cone is bounded to 1 degrees by search.max_radius_deg" in caplog.text
    assert "20.000000000, 1.000010000))" in archive.queries[0]


def test_values_are_looked_up_by_name_then_by_position(
    archive: FakeArchive, client: Client, toy: Toy, tmp_path: Path
) -> None:
    wanted = toy.clusters.iloc[2]
    cache, nothing = str(tmp_path), dict.fromkeys(CLUSTER_COLUMNS[1:])
    with sesame_url.set([f"{archive.server.url}/sesame/"]):
        for name in ("Pole 1", "Other 2"):
            got = cluster_values(client, name, nothing, cache)
            assert got == {column: wanted[column] for column in CLUSTER_COLUMNS[1:]}
        place(archive.server, "%J 120.30 +89.72 = 08:01:12 +89:43:12\n")
        assert cluster_values(client, "M 999", nothing, cache)["distance"] == wanted["distance"]
        own = cluster_values(client, "M 999", {**nothing, "parallax": 0.9}, cache)
        assert own["parallax"] == 0.9 and own["log_age"] == wanted["log_age"]
        place(archive.server, "%J 33.0 -45.0 = \n")
        lacking = "parallax, pmra, pmdec, log_age: expected values"
        with pytest.raises(InputError, match=rf"'M 998' is not in Hunt & .*; {lacking}"):
            cluster_values(client, "M 998", nothing, cache)
        table = toy.clusters[["cluster", "parallax", "pmra", "pmdec", "log_age"]]
        with pytest.raises(InputError, match=r"table: .*columns ra, dec are missing"):
            cluster_values(client, "Pole 1", nothing, cache, table=table)
        given = {**nothing, **{c: wanted[c] for c in table.columns[1:]}}
        assert cluster_values(client, "M 998", given, cache)["dec"] == -45.0
        place(archive.server, "#!SIMBAD: No known catalog could be found\n")
        with pytest.raises(InputError, match=r"'M 998': CDS \(Sesame\) has no object of that name"):
            cluster_values(client, "M 998", given, cache)
    with (
        sesame_url.set(["http://127.0.0.1:9/"]),
        pytest.raises(InputError, match=r"CDS \(Sesame\) cannot be reached; is there a network\?"),
    ):
        cluster_values(client, "M 998", given, cache)
    assert len(archive.server.asked_for("/viz-bin/votable")) == 1


def test_without_a_mirror_a_release_must_have_an_archive(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="release dr4: its description has no section archive"):
        Archive(client, "dr4", str(tmp_path)).fetch_mirror(pd.DataFrame(), [])
    with pytest.raises(InputError, match="name: expected what the cluster is called"):
        ocspark.find_members()


def job(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fetch_inputs.py", "cone", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/fetch_inputs.py"), run_name="__main__")
    return int(stop.value.code or 0)


def test_the_job_makes_a_mirror_of_a_table(
    archive: FakeArchive,
    release: str,
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = toy.clusters[:3].rename(columns=column_map("hunt_2023", ""))
    table.loc[3] = table.loc[0]
    table.loc[3, ["Name", "Plx"]] = ["Without", None]
    table.to_csv(tmp_path / "hunt.csv", index=False)
    output = str(tmp_path / "cones")
    given = ["--clusters", str(tmp_path / "hunt.csv"), "--release", release, "--output", output]
    assert job(monkeypatch, *given) == 0
    said = "".join(capsys.readouterr())
    path = re.search(r"3 cones are a mirror: mirror.path=(\S+) search.max_radius_deg=10", said)
    assert path is not None and is_valid_catalog(path[1], strict=True)
    assert "1 clusters are left out, the first as Without: parallax: expected a value" in said
    assert len(archive.queries) == 3
    assert job(monkeypatch, "Pole 1", *given) == 0 and len(archive.queries) == 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["A", "B", "--parallax", "1.0"], "got 2 clusters; expected one"),
        ([], "expected names of clusters, or --clusters"),
        (["A", "--clusters", "nowhere.csv"], "--clusters: nowhere.csv: no such file"),
    ],
)
def test_the_job_tells_in_one_line(
    arguments: list[str],
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert job(monkeypatch, *arguments, "--output", str(tmp_path / "cones")) == 2
    said = capsys.readouterr()
    lines = [x for x in (said.out + said.err).splitlines() if x.startswith("ocspark: ")]
    assert len(lines) == 1 and word in lines[0]
    assert not (tmp_path / "cones").exists()
