"""Two runs star by star: a later run made by hand from the toy's, so that all is known."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.analysis.counterparts import link, read_neighbourhood
from ocspark.analysis.differences import (
    JOINED,
    Differences,
    find_differences,
    open_differences,
)
from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.errors import InputError
from ocspark.inputs.neighbourhood import bring_forward
from ocspark.release import load_release
from ocspark.reports.differences_page import write_differences
from ocspark.reports.site import make_report
from ocspark.settings import make_settings
from ocspark.store.claim import NOTE
from ocspark.store.finished_run import open_run
from ocspark.validation.validate import validation_settings
from tests.helpers.toyrun import ROOT, candidates_of, told_by, with_posteriors

SHARED = ROOT / "../shared/data"
SAMPLE = SHARED / "members/dr2_neighbourhood_sample.parquet"
OFFSET = 7  # of the later release's identifiers


class Later(NamedTuple):
    """A later run, its neighbourhood table, and what was done to the stars (old ids)."""

    path: str
    neighbourhood: str
    fate: dict[str, set[tuple[str, int]]]


def write_run(path: Path, model: RunResult, candidates: pd.DataFrame, **record: object) -> None:
    """A finished run with other candidates."""
    path.mkdir()
    (path / "candidates").mkdir()
    template = pd.read_parquet(f"{model.path}/candidates")
    candidates.astype(template.dtypes).to_parquet(path / "candidates" / "a.parquet", index=False)
    for table in ("clusters", "_models"):
        shutil.copytree(f"{model.path}/{table}", path / table)
    settings = {**model.record["settings"], "release": record.get("release", "dr3")}
    whole = {**model.record, "run_id": path.name, "settings": settings, **record}
    (path / "run.json").write_text(json.dumps(whole))


@pytest.fixture(scope="module")
def later(finished: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Later:
    """Stars of DR4: some gone, merged, no candidates, changed, new; Pole_1 is skipped."""
    rng = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("later")
    old = candidates_of(finished.path)
    usable, member = old["cluster"] != "Pole_1", old["probability"] >= 0.5
    # a star may be a candidate of both Wraps: what is done is done to it in both
    ids = rng.permutation(old.loc[usable & member, "source_id"].unique())
    risen_ids = old.loc[usable & (old["probability"] <= 0.1), "source_id"].unique()
    risen_ids = np.setdiff1d(risen_ids, ids[:32])
    chosen = {"gone": ids[:10], "dropped": ids[10:20], "flipped": ids[20:30], "rival": ids[30:31]}
    chosen["risen"] = risen_ids
    rival, taken = ids[30], ids[31]  # whose counterpart is the same; the first is farther away
    rows = {name: old["source_id"].isin(some) for name, some in chosen.items()}
    new = old.assign(source_id=old["source_id"] + OFFSET, n_samples=100)
    new["probability"] = rng.binomial(100, np.clip(old["probability"], 0.02, 0.98)) / 100
    new.loc[rows["flipped"], "probability"] = 0.03
    new.loc[rows["risen"], "probability"] = 0.98
    away = rows["gone"] | rows["dropped"] | rows["rival"]
    fresh = new[usable].iloc[:6].copy()
    fresh["source_id"] = np.arange(6) + 5
    fresh["probability"] = 1.0
    kept = pd.concat([new[~away & usable], fresh])
    dr4 = {"release": load_release("dr4").model_dump(mode="json")}
    write_run(folder / "dr4", finished, kept, release="dr4", inputs=dr4)
    clusters = pd.read_parquet(f"{finished.path}/clusters")
    clusters.loc[clusters["cluster"] == "Pole_1", "status"] = "skipped"
    shutil.rmtree(folder / "dr4" / "clusters")
    (folder / "dr4" / "clusters").mkdir()
    clusters.to_parquet(folder / "dr4" / "clusters" / "a.parquet", index=False)
    paired = old.loc[~(rows["gone"] | rows["rival"]), "source_id"].drop_duplicates()
    pairs = pd.DataFrame({"dr3_source_id": paired, "source_id": paired + OFFSET})
    pairs["angular_distance"], pairs["magnitude_difference"] = 10.0, np.nan
    decoys = pairs.sample(50, random_state=1)
    decoys = decoys.assign(source_id=decoys["source_id"] + 10**15, angular_distance=10.5)
    late = pairs.iloc[[0, 0]].assign(
        dr3_source_id=rival, source_id=taken + OFFSET, angular_distance=11.0
    )
    table = pd.concat([pairs, decoys, pairs.iloc[::9].assign(angular_distance=12.0), late])
    table.sample(frac=1.0, random_state=2).to_parquet(folder / "near.parquet", index=False)
    counted = {name: old[some & (member | (name == "risen"))] for name, some in rows.items()}
    fate = {name: named(some) for name, some in {**counted, "fresh": fresh}.items()}
    return Later(str(folder / "dr4"), str(folder / "near.parquet"), fate)


@pytest.fixture(scope="module")
def differences(
    spark: SparkSession,
    finished: RunResult,
    later: Later,
    tmp_path_factory: pytest.TempPathFactory,
) -> Differences:
    output = str(tmp_path_factory.mktemp("differences") / "out")
    return find_differences(
        spark,
        open_run(finished.path),
        open_run(later.path),
        output,
        min_probability=0.5,
        neighbourhood=later.neighbourhood,
    )


def stars_of(differences: Differences) -> pd.DataFrame:
    return pd.read_parquet(f"{differences.path}/stars", dtype_backend="pyarrow")


def named(stars: pd.DataFrame, column: str = "source_id") -> set[tuple[str, int]]:
    return set(stars[["cluster", column]].itertuples(index=False, name=None))


def test_every_star_is_what_was_done_to_it(
    differences: Differences, finished: RunResult, later: Later
) -> None:
    stars = stars_of(differences)
    lost, gained = (stars[stars["change"] == change] for change in ("lost", "gained"))
    by_reason = {reason: named(rows) for reason, rows in lost.groupby("reason")}
    assert by_reason["no_counterpart"] == later.fate["gone"]
    assert by_reason["merged"] == later.fate["rival"]
    assert by_reason["no_candidate"] == later.fate["dropped"]
    assert by_reason["probability"] >= later.fate["flipped"]
    assert {name for name, _ in by_reason["cluster_not_done"]} == {"Pole_1"}
    new = named(gained[gained["reason"] == "no_counterpart"], "with_source_id")
    assert new == later.fate["fresh"]
    assert named(gained[gained["reason"] == "probability"]) >= later.fate["risen"]
    # every candidate of either side is there once
    assert named(stars.dropna(subset="source_id")) == named(candidates_of(finished.path))
    assert named(stars.dropna(subset="with_source_id"), "with_source_id") == named(
        candidates_of(later.path)
    )
    both = stars.dropna(subset=["source_id", "with_source_id"])
    assert (both["with_source_id"] == both["source_id"] + OFFSET).all()


def test_redrawn_votes_are_noise_and_flips_are_not(differences: Differences, later: Later) -> None:
    stars = stars_of(differences).dropna(subset=["sigmas"])
    done = later.fate["flipped"] | later.fate["risen"]
    touched = np.array([k in done for k in zip(stars["cluster"], stars["source_id"], strict=True)])
    beyond = stars["beyond_noise"].to_numpy(bool)
    assert beyond[touched].all() and touched.sum() >= 12
    # the toy has 20 samples, so its probabilities are off by noise of their own: few more
    assert beyond[~touched].mean() < 0.02
    a, b, n, m = (
        stars[c].to_numpy(float)
        for c in ("probability", "with_probability", "n_samples", "with_n_samples")
    )
    pooled = (np.rint(a * n) + np.rint(b * m)) / (n + m)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num((b - a) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
    np.testing.assert_allclose(stars["sigmas"].to_numpy(float), expected, atol=1e-9)
    critical = differences.record["critical_sigmas"]
    assert (np.abs(expected[beyond]) >= critical).all()
    assert (np.abs(expected[~beyond]) < critical).all()


def test_counts_are_those_of_plain_sets(
    differences: Differences, finished: RunResult, later: Later
) -> None:
    before, after = candidates_of(finished.path), candidates_of(later.path)
    after = after.assign(source_id=after["source_id"] - OFFSET)
    table = differences.table("clusters").set_index("cluster")
    assert list(table.index) == sorted(pd.read_parquet(f"{finished.path}/clusters")["cluster"])
    total = differences.record["totals"]
    for name, row in [*table.iterrows(), (None, total)]:
        a, b = (
            named(side[(side["probability"] >= 0.5) & ((side["cluster"] == name) | (name is None))])
            for side in (before, after)
        )
        found = [row[f"n_{what}"] for what in ("kept", "gained", "lost")]
        assert found == [len(a & b), len(b - a), len(a - b)], name
        assert (row["n_members"], row["with_n_members"]) == (len(a), len(b))
        for change in ("gained", "lost"):
            reasons = [row[k] for k in total if k.startswith(f"n_{change}_")]
            assert sum(reasons) == row[f"n_{change}"]
    assert table.loc["Pole_1", "with_status"] == "skipped"
    assert differences.record["clusters"] == {
        "done_in_both": 2,
        "done_in_run_only": 1,
        "done_in_other_only": 0,
    }
    pairs = differences.table("probabilities")
    assert pairs["n"].sum() == len(stars_of(differences))
    assert pairs.loc[pairs["with_bin"] == -1, "n"].sum() == table["n_candidates"].sum() - (
        table["n_in_both"].sum()
    )


def test_a_posterior_differs_where_the_intervals_part(
    spark: SparkSession, finished: RunResult, tmp_path: Path
) -> None:
    """In Wrap 1 members are told by the posterior in both runs, in Wrap_2 in the later one."""
    before = with_posteriors(finished, tmp_path)
    stars = candidates_of(before.path)
    own = stars["cluster"] == "Wrap 1"
    member = own & (stars["posterior"] >= 0.5)
    far, near = np.split(stars.index[member][:12], 2)
    after = stars.copy()
    after.loc[far, ["posterior", "posterior_low", "posterior_high"]] = [0.01, 0.0, 0.02]
    after.loc[near, ["posterior", "posterior_low", "posterior_high"]] = [0.45, 0.2, 0.99]
    beyond = stars.index[member][12:15]
    after.loc[beyond, ["posterior", "posterior_low", "posterior_high"]] = np.nan
    told_otherwise = stars.index[(stars["cluster"] == "Wrap_2") & (stars["probability"] >= 0.5)]
    after.loc[told_otherwise, "posterior"] = 0.4
    write_run(tmp_path / "after", before, after)
    (file,) = (tmp_path / "after" / "clusters").iterdir()
    clusters = pd.read_parquet(file)
    clusters.loc[clusters["cluster"] == "Wrap_2", "members_by"] = "posterior"
    clusters.to_parquet(file, index=False)
    runs = open_run(before.path), open_run(str(tmp_path / "after"))
    found = find_differences(spark, *runs, str(tmp_path / "out"))
    lost = stars_of(found).query("change == 'lost'")
    by_reason = {reason: named(rows) for reason, rows in lost.groupby("reason")}
    assert by_reason["posterior"] == named(stars.loc[[*far, *beyond]])
    assert by_reason["noise"] == named(stars.loc[near])
    assert by_reason["members_by"] == named(stars.loc[told_otherwise])
    counts = (told_by(stars) >= 0.5).groupby(stars["cluster"]).sum()
    table = found.table("clusters").set_index("cluster")
    assert table.loc[counts.index, "n_members"].to_dict() == counts.to_dict()
    assert table.loc["Wrap_2", ["members_by", "with_members_by"]].tolist() == ["votes", "posterior"]
    assert found.record["members"] == [
        "posterior >= 0.5 (1 cluster), votes >= 0.5 (2 clusters)",
        "posterior >= 0.5 (2 clusters), votes >= 0.5 (1 cluster)",
    ]


def test_the_other_way_round_gained_is_lost(
    spark: SparkSession, finished: RunResult, later: Later, differences: Differences, tmp_path: Path
) -> None:
    back = find_differences(
        spark,
        open_run(later.path),
        open_run(finished.path),
        str(tmp_path / "back"),
        min_probability=0.5,
        neighbourhood=later.neighbourhood,
    )
    there, here = differences.record["totals"], back.record["totals"]
    assert (there["n_gained"], there["n_lost"]) == (here["n_lost"], here["n_gained"])
    for reason in ("no_counterpart", "no_candidate", "merged", "probability", "cluster_not_done"):
        assert there[f"n_lost_{reason}"] == here[f"n_gained_{reason}"]
    assert back.record["critical_sigmas"] == differences.record["critical_sigmas"]


def test_a_run_differs_from_itself_in_nothing(
    spark: SparkSession, finished: RunResult, tmp_path: Path
) -> None:
    run = open_run(finished.path)
    (tmp_path / "same" / JOINED).mkdir(parents=True)  # an earlier attempt was interrupted
    (tmp_path / "same" / NOTE).write_text(json.dumps({"holds": "differences"}))
    (tmp_path / "same" / "stars").mkdir()
    same = find_differences(spark, run, run, str(tmp_path / "same"))
    assert not (tmp_path / "same" / JOINED).exists()
    totals = same.record["totals"]
    assert totals["n_gained"] == totals["n_lost"] == totals["n_changed"] == 0
    assert totals["n_in_both"] == len(candidates_of(finished.path))
    assert same.record["critical_sigmas"] is None and same.record["settings_that_differ"] == {}
    shown = write_differences(str(tmp_path / "site"), 0, same, {})
    assert shown["gained"] == shown["lost"] == "0"
    assert (tmp_path / "site" / shown["page"]).is_file()


@pytest.mark.skipif(not SAMPLE.exists(), reason="needs ../shared/data/members")
def test_stars_are_paired_by_the_rules_of_member_lists(spark: SparkSession) -> None:
    sample = pd.read_parquet(SAMPLE)
    old = pd.DataFrame({"cluster_key": 1, "source_id": sample["dr2_source_id"].unique()})
    old = pd.concat([old, old.iloc[:3].assign(source_id=[1, 2, 3])], ignore_index=True)
    expected, counts = bring_forward(old.assign(probability=old.index / len(old)), str(SAMPLE))
    new = spark.createDataFrame([(int(sample["dr3_source_id"][0]),), (4,)], "source_id long")
    linked, known = link(
        spark.createDataFrame(old[["source_id"]]), new, read_neighbourhood(spark, str(SAMPLE))
    )
    found = linked.toArrow().to_pandas(types_mapper=pd.ArrowDtype)
    assert set(found["common"].dropna()) == set(expected["source_id"])
    assert (found["link"] == "none").sum() == counts["ids_lost"] == 3
    assert (found["link"] == "merged").sum() == counts["ids_merged"]
    assert sorted(row["link"] for row in known.collect()) == ["none", "own"]


def test_the_job_writes_figures_and_the_report_a_page(
    spark: SparkSession,
    finished: RunResult,
    later: Later,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["compare.py", "--run", finished.path, "--with-run", later.path]
    arguments += ["--neighbourhood", later.neighbourhood, "--output", str(tmp_path / "out")]
    arguments += ["--min-probability", "0.5"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/compare.py"), run_name="__main__")
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    counts = [len(later.fate[name]) for name in ("gone", "rival", "dropped")]
    assert "no counterpart {}, merged {}, no candidate {}".format(*counts) in printed
    assert "Pole_1" in printed
    for name in ("probabilities.png", "members.png", "reasons.png"):
        assert (tmp_path / "out" / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    differing = open_differences(str(tmp_path / "out"))
    make_report(spark, open_run(finished.path), str(tmp_path / "site"), (), [differing])
    front = (tmp_path / "site" / "index.html").read_text()
    assert 'href="differences/0/index.html"' in front
    page = tmp_path / "site" / "differences" / "0" / "index.html"
    text = page.read_text()
    assert '<th scope="row">release</th><td>dr3</td><td>dr4</td>' in text and "Pole_1" in text
    pictures = [f"{name}.svg" for name in ("probabilities", "members", "reasons")]
    for target in (*pictures, "clusters.csv", "../../clusters/Wrap_1/index.html"):
        assert f'"{target}"' in text and (page.parent / target).is_file()
    other = open_run(finished.path)
    other.record["run_id"] = "another"
    with pytest.raises(InputError, match=r"--differences: .*expected another"):
        make_report(spark, other, str(tmp_path / "site"), (), [differing])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "dr3 and dr4; expected a table"),
        ({"neighbourhood": "no.csv"}, "no.csv: no such file"),
        ({"neighbourhood": "no.parquet"}, "no.parquet: no such file"),
        ({"neighbourhood": "table:no_such"}, "table:no_such: no table that can be read"),
        ({"neighbourhood": "x", "same_ids": True}, "--same-ids: expected either"),
    ],
)
def test_bad_input_is_one_clear_line(
    spark: SparkSession,
    finished: RunResult,
    later: Later,
    tmp_path: Path,
    options: dict,
    words: str,
) -> None:
    with pytest.raises(InputError, match=words):
        find_differences(
            spark, open_run(finished.path), open_run(later.path), str(tmp_path / "o"), **options
        )


def test_other_bad_input_is_named(
    spark: SparkSession, finished: RunResult, later: Later, tmp_path: Path
) -> None:
    run = open_run(finished.path)
    with pytest.raises(InputError, match="both runs are of dr3"):
        find_differences(spark, run, run, str(tmp_path / "o"), neighbourhood="x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty"):
        find_differences(
            spark,
            open_run(finished.path),
            open_run(later.path),
            str(tmp_path / "full"),
            same_ids=True,
        )


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/gaia and reference_results")
def test_another_seed_is_noise_and_another_model_is_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    sources = pd.read_parquet(SHARED / "gaia/edr3_cones.parquet").drop(columns="cone")
    (tmp_path / "mirror").mkdir()
    sources.to_parquet(tmp_path / "mirror" / "all.parquet", index=False)
    names = ["NGC_2423", "NGC_2301", "NGC_5460", "NGC_7654"]
    tree = validation_settings(SHARED, str(tmp_path / "mirror"), str(tmp_path), names).model_dump()
    runs = []
    for seed, model in ((1, "DS10_v02"), (2, "DS10_v02"), (1, "mock_g21")):
        tree["membership"] |= {"seed": seed, "n_samples": 100}
        path = run_full_catalogue(make_settings({**tree, "model": model}), spark).path
        runs.append(open_run(path))
    noise = find_differences(spark, runs[0], runs[1], str(tmp_path / "seed"))
    assert noise.record["totals"]["chi2"] == pytest.approx(1.0, abs=0.15)
    assert noise.record["totals"]["n_changed"] <= 2
    assert noise.record["totals"]["n_in_both"] > 1000
    assert noise.record["settings_that_differ"] == {"membership.seed": [1, 2]}
    models = find_differences(spark, runs[0], runs[2], str(tmp_path / "model"))
    assert models.record["totals"]["n_changed"] > 100
    assert models.record["settings_that_differ"] == {"model": ["DS10_v02", "mock_g21"]}
