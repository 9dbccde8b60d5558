"""The verbs of `import ocspark`: what they return, and the one line when something is wrong."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from pyspark.sql import SparkSession

import ocspark
from ocspark.api.running import settings_of
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.inputs.clusters import read_clusters
from ocspark.inputs.column_maps import column_map
from ocspark.inputs.members import read_members
from tests.helpers.toy import Toy
from tests.helpers.toyrun import with_posteriors

CONES = {"cluster": ["A", "B"], "ra": [0.02, 359.6], "dec": [20.0, 20.3]}


def test_importing_costs_nothing_heavy() -> None:
    code = "import sys, ocspark; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(ocspark.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    loaded = set(done.stdout.split())
    assert "ocspark" in loaded
    assert not loaded & {"pyspark", "torch", "pandas", "numpy", "pyarrow", "matplotlib"}


def test_an_unknown_name_is_an_attribute_error_with_near_ones() -> None:
    with pytest.raises(AttributeError, match=r"ocspark.*no attribute 'fly'$"):
        ocspark.fly  # noqa: B018
    with pytest.raises(AttributeError, match=r"'member_of'; did you mean members_of"):
        ocspark.member_of  # noqa: B018
    assert {"run", "members_of", "Settings", "__version__"} <= set(dir(ocspark))


def test_help_of_the_package_is_a_screen_or_two() -> None:
    text = pydoc.plain(pydoc.render_doc(ocspark))
    assert len(text.splitlines()) <= 90
    assert "find_members(" in text and "pydantic" not in text
    assert ocspark.Settings.model_fields["release"].default == "dr3"


def test_search_finds_what_astropy_finds(toy: Toy, spark: SparkSession) -> None:
    found = ocspark.search(
        toy.folder / "plain", pd.DataFrame(CONES), radius_deg=0.6, spark=spark
    ).toPandas()
    stars = SkyCoord(toy.sources["ra"], toy.sources["dec"], unit="deg")
    for name, ra, dec in zip(*CONES.values(), strict=True):
        inside = stars.separation(SkyCoord(ra, dec, unit="deg")) <= 0.6 * u.deg
        expected = set(toy.sources["source_id"][np.asarray(inside)])
        assert set(found.loc[found["cluster"] == name, "source_id"]) == expected
        assert len(expected) > 50
    assert found["source_id"].duplicated().any()  # the cones overlap


def test_search_takes_tables_of_astropy_and_their_units(toy: Toy, spark: SparkSession) -> None:
    centres = SkyCoord(CONES["ra"], CONES["dec"], unit="deg")
    galactic = centres.galactic  # a SkyCoord in any frame
    table = QTable({"ra": centres.ra.to(u.hourangle), "dec": centres.dec, "radius_deg": [36, 36]})
    table["radius_deg"].unit = u.arcmin
    mixed = QTable({"at": galactic, "radius_deg": [0.6, 0.6]})
    frame = pd.DataFrame(CONES).set_index("cluster")

    def ids(positions: object, radius_deg: float | None = None) -> list[tuple[str, int]]:
        found = ocspark.search(
            toy.folder / "plain", positions, radius_deg=radius_deg, spark=spark
        ).toPandas()
        return sorted(zip(found["cluster"], found["source_id"], strict=True))

    expected = ids(CONES, 0.6)
    assert len(expected) > 100 and ids(frame, 0.6) == expected
    numbered = sorted((str("AB".index(name)), star) for name, star in expected)
    assert ids(galactic, 0.6) == ids(table) == ids(mixed) == ids(Table(table)) == numbered
    with pytest.raises(ocspark.InputError, match="positions: got int; expected a path or a table"):
        ids(5)


def test_tables_in_memory_are_kept_beside_the_runs_with_their_units(
    toy: Toy, tmp_path: Path
) -> None:
    clusters = QTable.from_pandas(toy.clusters)
    clusters["distance"] = toy.clusters["distance"].to_numpy() / 1000 * u.kpc
    sections = {
        "mirror": "gaia",
        "clusters": {"path": clusters, "names": ["Wrap 1"]},
        "members": toy.members.set_index("source_id"),
        "output": tmp_path,
    }
    settings = settings_of(None, sections)
    assert settings == settings_of(None, sections)  # so that the same call goes on with a run
    assert settings.clusters.names == ["Wrap 1"]
    kept = read_clusters(settings.clusters.path, {})
    expected = read_clusters(str(toy.folder / "clusters.csv"), {})
    pd.testing.assert_frame_equal(kept.table, expected.table, rtol=1e-14)
    listed = read_members(settings.members.path, {}, kept.all_keys).table
    assert listed.equals(read_members(toy.folder / "members.csv", {}, kept.all_keys).table)


def test_search_cuts_in_motion_and_parallax(toy: Toy, spark: SparkSession) -> None:
    cuts = {"parallax": 0.667, "parallax_limit": 0.1, "pmra": 2.0, "pmdec": -3.0, "pm_limit": 0.4}
    columns = {**CONES, "radius_deg": 0.6, **cuts}
    found = ocspark.search(toy.folder / "plain", pd.DataFrame(columns), spark=spark).toPandas()
    assert len(found) > 20
    assert (np.hypot(found["pmra"] - 2.0, found["pmdec"] + 3.0) <= 0.4).all()
    assert (np.abs(found["parallax"] - 0.667) <= 0.1).all()
    whole = ocspark.search(toy.folder / "plain", CONES, radius_deg=0.6, spark=spark).toPandas()
    passes = np.hypot(whole["pmra"] - 2.0, whole["pmdec"] + 3.0) <= 0.4
    passes &= np.abs(whole["parallax"] - 0.667) <= 0.1
    assert len(found) == passes.sum()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dec": None}, "positions: column dec is missing"),
        ({"dec": [20.0, 91.0]}, "positions: column dec, row 2: got 91; expected -90 to 90"),
        ({"ra": [20.0, 400.0]}, "positions: column ra, row 2: got 400; expected -180 to 360"),
        ({"dec": [20.0, "north"]}, "column dec, row 2: expected a number, got 'north'"),
        ({"cluster": ["A", "A"]}, "column cluster: a name is there twice"),
        ({"parallax": [1.0, 1.0]}, "column parallax_limit is missing; parallax, parallax_limit"),
        ({"radius_deg": None}, "column radius_deg is missing; expected it, or the argument"),
    ],
)
def test_wrong_positions_are_named(
    toy: Toy, spark: SparkSession, change: dict[str, object], words: str
) -> None:
    columns = {"radius_deg": [0.5, 0.5], **CONES, **change}
    columns = {name: column for name, column in columns.items() if column is not None}
    with pytest.raises(ocspark.InputError, match=words):
        ocspark.search(toy.folder / "plain", columns, spark=spark)


@pytest.mark.parametrize(
    ("cluster", "levels", "by", "level"),
    [
        ("Wrap 1", {}, "posterior", 0.5),
        ("Wrap_2", {}, "votes", 0.5),  # whose posterior did not pass the check
        ("Wrap_2", {"min_posterior": 0.7}, "posterior", 0.7),
        ("Wrap 1", {"min_probability": 0.9}, "votes", 0.9),
    ],
)
def test_members_are_the_candidates_above_the_level_of_posterior_or_votes(
    finished: RunResult,
    tmp_path: Path,
    cluster: str,
    levels: dict[str, float],
    by: str,
    level: float,
) -> None:
    run = with_posteriors(finished, tmp_path)
    table = pd.read_parquet(f"{run.path}/candidates")
    column = {"posterior": "posterior", "votes": "probability"}[by]
    expected = table[(table["cluster"] == cluster) & (table[column] >= level)]
    members = ocspark.members_of(run.path, cluster.replace("_", " "), **levels)
    assert sorted(members["source_id"]) == sorted(expected["source_id"])
    assert len(members) and (members["members_by"] == by).all()
    assert members["source_id"].dtype == np.int64
    assert members[column].is_monotonic_decreasing
    assert (members["p_low"] <= members["probability"]).all()


@pytest.mark.parametrize("levels", [{"min_probability": 50}, {"min_posterior": 2}])
def test_a_level_out_of_range_is_named(finished: RunResult, levels: dict[str, float]) -> None:
    ((name, level),) = levels.items()
    with pytest.raises(ocspark.InputError, match=f"{name}: {level}; expected 0 to 1"):
        ocspark.members_of(finished.path, "Wrap 1", **levels)


def test_a_run_says_what_it_is(finished: RunResult, spark: SparkSession) -> None:
    run = ocspark.open_run(finished.path)
    assert repr(run).startswith("Run(3 clusters done, 4 skipped, ")
    lines = str(run).splitlines()
    assert lines[0] == repr(run) and lines[1].split()[:2] == ["cluster", "members"]
    assert len(lines) == 2 + 7 and "training members in the cone" in lines[-1] + lines[-2]
    table = run.table("non_members", spark)
    assert table.count() > 100
    with pytest.raises(ocspark.InputError, match=r"'stars' is none of candidates, "):
        run.table("stars", spark)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Warp 1", "'Warp 1' is not in the run .*; did you mean Wrap 1 or Wrap_2"),
        ("NGC 2423", "'NGC 2423' is not in the run .*[0-9a-f]$"),
        ("Poor_1", "'Poor_1' was skipped in .*: . training members in the cone, of . listed"),
    ],
)
def test_a_wrong_cluster_is_named_with_near_ones(
    finished: RunResult, name: str, words: str
) -> None:
    for look in (ocspark.members_of, ocspark.plot):
        with pytest.raises(ocspark.InputError, match=words):
            look(finished.path, name)


def test_a_wrong_name_in_the_settings_is_named_too(toy: Toy) -> None:
    with pytest.raises(ocspark.InputError, match=r"clusters.names: 'Pole 2' .*did you mean Pole_1"):
        ocspark.run(toy.settings(), clusters={"names": ["Pole 2"]})


def test_a_run_that_is_not_there_or_not_finished(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(ocspark.InputError, match=r"run: .*nowhere/run.json: no such file"):
        ocspark.open_run(tmp_path / "nowhere")
    (tmp_path / "_inputs.json").write_text("{}")
    with pytest.raises(ocspark.InputError, match=r"run: .*the run there has not finished"):
        ocspark.open_run(tmp_path)


def test_pictures_are_drawn(finished: RunResult, tmp_path: Path) -> None:
    for kind in ("members", "selection", "structure"):
        picture = ocspark.plot(finished.path, "Wrap 1", kind)
        for suffix, mark in (("png", b"\x89PNG"), ("SVG", b"<?xml"), ("pdf", b"%PDF-")):
            picture.save(tmp_path / f"new/{kind}.{suffix}")
            assert (tmp_path / f"new/{kind}.{suffix}").read_bytes().startswith(mark)
        svg = (tmp_path / f"new/{kind}.SVG").read_text()
        assert "</svg>" in svg and ("μα*" in svg or kind == "structure")
        assert picture._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ocspark.InputError, match=r"x.jpg: .* ends in .png or .svg or .pdf"):
        picture.save(tmp_path / "x.jpg")
    with pytest.raises(ocspark.InputError, match=r"x.pdf: expected a name that ends in .png$"):
        ocspark.Picture(picture.png).save(tmp_path / "x.pdf")  # one that was read from a file
    with pytest.raises(ocspark.InputError, match=r"kind: 'pie' is none of members, "):
        ocspark.plot(finished.path, "Wrap 1", "pie")


def test_settings_are_laid_over_each_other(toy: Toy) -> None:
    tree = toy.settings()
    settings = settings_of(tree, {"mirror": "elsewhere", "membership": {"seed": 7}})
    assert settings.mirror.path == "elsewhere"
    assert settings.membership.seed == 7
    assert settings.membership.n_samples == tree["membership"]["n_samples"]
    assert settings_of(settings, {}) == settings
    with pytest.raises(ocspark.InputError, match=r"membership.n_sample: unknown setting"):
        settings_of(tree, {"membership": {"n_sample": 7}})
    with pytest.raises(ocspark.InputError, match=r"mirror.path"):
        settings_of(None, {})
    of_one = settings_of(tree, {"release": "DR3", "clusters": {"names": "Wrap 1"}})
    assert of_one == settings_of(tree, {"release": "dr3", "clusters": {"names": ["Wrap 1"]}})


def test_tables_with_the_columns_of_a_catalogue_need_no_map(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    of_hunt, of_tarricq = column_map("hunt_2023", ""), column_map("tarricq_2022", "", "members")
    settings = toy.settings(output={"path": str(tmp_path / "runs")})
    clusters = {"names": ["Wrap 1"], "path": toy.clusters.rename(columns=of_hunt)}
    members = toy.members.rename(columns=of_tarricq)
    few = {"n_samples": 5}
    run = ocspark.run(settings, clusters=clusters, members=members, membership=few, spark=spark)
    assert run.record["column_maps"] == {"clusters": "hunt_2023", "members": "tarricq_2022"}
    clusters["columns"] = run.record["settings"]["clusters"]["columns"]
    listed = {"path": members, "columns": of_tarricq}
    same = ocspark.run(settings, clusters=clusters, members=listed, membership=few, spark=spark)
    assert same.path == run.path


def test_own_cluster_is_the_one_that_was_planted(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    listed = toy.members[(toy.members["cluster"] == "Pole_1") & (toy.members["probability"] == 1)]
    values = {"ra": 120.0, "dec": 89.7, "parallax": 0.83, "pmra": 2.1, "pmdec": -2.9}
    own = ocspark.find_members(
        toy.folder / "plain",
        "../Mine",  # a name is no path
        tmp_path / "own",
        **values,
        log_age=8.4,
        membership={"n_samples": 20},
        spark=spark,
    )
    members = ocspark.members_of(own, "../Mine")
    assert len(set(members["source_id"]) & set(listed["source_id"])) > 0.9 * len(listed)
    every = toy.members.loc[toy.members["cluster"] == "Pole_1", "source_id"]
    assert members["source_id"].isin(every).mean() > 0.9
    of_vizier = column_map("cantat_gaudin_2020_vizier", "")
    table = toy.clusters.rename(columns=of_vizier)
    table = table.drop(columns=["pmra_dispersion", "pmdec_dispersion", "parallax_dispersion"])
    again = ocspark.find_members(
        toy.folder / "plain",
        "Pole 1",
        tmp_path / "own",
        table=table,
        membership={"n_samples": 5},
        spark=spark,
    )
    found = ocspark.members_of(again, "Pole 1")["source_id"]
    assert len(set(found) & set(listed["source_id"])) > 0.9 * len(listed)
    assert {path.name for path in tmp_path.iterdir()} == {"own"}
    assert len(list((tmp_path / "own/inputs").iterdir())) == 4
    with pytest.raises(ocspark.InputError, match=r"first_members: 'Nobody': . stars stand out"):
        ocspark.find_members(
            toy.folder / "plain",
            "Nobody",
            tmp_path / "nobody",
            **{**values, "ra": 200.0, "dec": -60.0},
            log_age=8.4,
            spark=spark,
        )
    with pytest.raises(ocspark.InputError, match=r"log_age: expected a value"):
        ocspark.find_members(toy.folder / "plain", "Mine", tmp_path / "own", **values, spark=spark)
    with pytest.raises(ocspark.InputError, match=r"ra is 400; expected degrees within \[-180, 360"):
        ocspark.find_members(
            toy.folder / "plain", "Mine", tmp_path / "own", **{**values, "ra": 400.0}, log_age=8.4
        )
