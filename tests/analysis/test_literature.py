"""Comparison with a member list on the toy sky: plain set arithmetic, and reasons by hand."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.analysis.cuts import PAPER_CUTS, Cut, parse_cut
from ocspark.analysis.literature import Comparison, compare_with_list
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError
from ocspark.selection.run_models import read_models
from ocspark.store.finished_run import FinishedRun, open_run
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, candidates_of, told_by, with_posteriors

WIDE = Cut("wide", 0.3, 12.0, 17.0)
NOWHERE = 123 << 35


@pytest.fixture(scope="module")
def finished(finished: RunResult, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return with_posteriors(finished, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def listed(toy: Toy, finished: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list with found, missed, rejected, far-off, incomplete and unheard-of stars."""
    rng = np.random.default_rng(8)
    candidates = candidates_of(finished.path)
    others = pd.read_parquet(f"{finished.path}/non_members").sort_values(["cluster", "source_id"])
    key = ["cluster", "source_id"]
    some = pd.concat(
        [
            candidates[key].iloc[::2],
            others[key].iloc[::9],
            pd.DataFrame({"cluster": "Pole_1", "source_id": toy.sources["source_id"].iloc[-40:]}),
            pd.DataFrame({"cluster": "Wrap_2", "source_id": NOWHERE + np.arange(3)}),
        ]
    ).drop_duplicates()
    bad = pd.DataFrame({"cluster": "Wrap 1", "source_id": incomplete(finished)})
    some = pd.concat([some, bad]).drop_duplicates()
    some["probability"] = rng.integers(1, 101, len(some)) / 100
    path = tmp_path_factory.mktemp("list") / "list.csv"
    some.to_csv(path, index=False)
    return path


def incomplete(finished: RunResult) -> list[int]:
    """Some sources in the cone of Wrap 1 that are no candidates."""
    others = pd.read_parquet(f"{finished.path}/non_members")
    return sorted(others.loc[others["cluster"] == "Wrap 1", "source_id"])[:5]


@pytest.fixture(scope="module")
def spoiled(toy: Toy, finished: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's mirror, but these sources have lost their parallax."""
    folder = tmp_path_factory.mktemp("spoiled") / "plain"
    shutil.copytree(toy.folder / "plain", folder)
    for file in folder.iterdir():
        table = pd.read_parquet(file)
        table.loc[table["source_id"].isin(incomplete(finished)), "parallax"] = np.nan
        table.to_parquet(file, index=False)
    return folder


@pytest.fixture(scope="module")
def comparison(
    spark: SparkSession,
    finished: RunResult,
    listed: Path,
    spoiled: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Comparison:
    output = tmp_path_factory.mktemp("compared") / "toy"
    return compare_with_list(
        spark,
        open_run(finished.path),
        str(listed),
        str(output),
        name="toy",
        cuts=[*PAPER_CUTS, WIDE],
        mirror=str(spoiled),
    )


def cut_sets(comparison: Comparison, finished: RunResult, listed: Path, cut: Cut) -> dict:
    """(cluster, source_id) of both sides at a cut; radii and G of all kept stars in cones."""
    stars = candidates_of(finished.path)
    others = pd.read_parquet(f"{finished.path}/non_members")
    key = ["cluster", "source_id"]
    gone = others["source_id"].isin(incomplete(finished))
    known = pd.concat([stars, others[~gone]]).set_index(key)[["f_r", "phot_g_mean_mag"]]
    outside = pd.read_parquet(f"{comparison.path}/stars").set_index(key)
    outside = outside[outside["kept"] & ~outside["in_cone"]]  # theirs the comparison must tell
    known = pd.concat([known, outside[["f_r", "phot_g_mean_mag"]]])
    if cut.max_radius_pc is not None:
        known = known[known["f_r"] < cut.max_radius_pc]
    if cut.max_g is not None:
        known = known[known["phot_g_mean_mag"] < cut.max_g]
    table = pd.read_csv(listed)
    theirs = set(table.loc[table["probability"] >= cut.probability, key].itertuples(index=False))
    theirs = {tuple(row) for row in theirs}
    ours = {
        tuple(row)
        for row in stars.loc[told_by(stars) >= cut.probability, key].itertuples(index=False)
    }
    by_votes = {
        tuple(row)
        for row in stars.loc[stars["probability"] >= cut.probability, key].itertuples(index=False)
    }
    if cut.max_radius_pc is not None or cut.max_g is not None:
        theirs, ours = theirs & set(known.index), ours & set(known.index)
        by_votes &= set(known.index)
    return {"theirs": theirs, "ours": ours, "by votes": by_votes}


@pytest.mark.parametrize("cut", [*PAPER_CUTS, WIDE], ids=lambda cut: cut.name)
def test_venn_counts_are_those_of_plain_sets(
    comparison: Comparison, finished: RunResult, listed: Path, cut: Cut
) -> None:
    sets = cut_sets(comparison, finished, listed, cut)
    theirs, ours = sets["theirs"], sets["ours"]
    table = comparison.table("clusters")
    rows = table[table["cut"] == cut.name].set_index("cluster")
    total = comparison.record["combined"][cut.name]
    for name, row in [*rows.iterrows(), (None, total)]:
        a = {s for s in theirs if name in (None, s[0])}
        b = {s for s in ours if name in (None, s[0])}
        v = {s for s in sets["by votes"] if name in (None, s[0])}
        expected = (len(a), len(b), len(a & b), len(a - b), len(b - a), len(v), len(a & v))
        columns = "n_listed n_ours n_both n_listed_only n_ours_only n_ours_votes n_both_votes"
        assert tuple(row[c] for c in columns.split()) == expected, name
        assert row["recovered"] == pytest.approx(len(a & b) / len(a))
    assert rows["members_by"].to_dict() == {
        "Wrap 1": "posterior",
        "Wrap_2": "votes",
        "Pole_1": "votes",
    }
    assert comparison.record["members_by"] == {"posterior": 1, "votes": 2}
    assert len(theirs & ours) > 20
    if cut.name == "all":
        assert len(theirs - ours) > 20


def test_every_missed_star_has_a_reason_and_it_is_the_selections(
    comparison: Comparison, toy: Toy, finished: RunResult
) -> None:
    stars = pd.read_parquet(f"{comparison.path}/stars").set_index(["cluster", "source_id"])
    missed = stars[stars["probability"].isna()]
    kept = missed[missed["kept"]]
    assert kept["in_cone"].sum() > 20 and (~kept["in_cone"]).sum() > 10
    models = {m.cluster: m for m in read_models(open_run(finished.path)).values()}
    everything = ["passes_proper_motion", "passes_parallax", "passes_isochrone"]
    for (name, source_id), star in kept.iterrows():
        m = models[name]
        raw = toy.sources.set_index("source_id").loc[source_id]
        motion = np.hypot(
            (raw["pmra"] - m.pmra) / (3 * raw["pmra_error"] + m.delta_pm),
            (raw["pmdec"] - m.pmdec) / (3 * raw["pmdec_error"] + m.delta_pm),
        )
        assert star["passes_proper_motion"] == (motion < 1)
        away = star["parallax"] - m.parallax
        delta = m.delta_plx_plus if away < 0 else m.delta_plx_minus
        assert star["passes_parallax"] == (abs(away) < 3 * raw["parallax_error"] + delta)
        assert not (star["in_cone"] and star[everything].all()), "it should be a candidate"
    # by the other way: what landed as non_members is in the cone, what did not is outside
    others = pd.read_parquet(f"{finished.path}/non_members").set_index(["cluster", "source_id"])
    assert set(kept.index[kept["in_cone"]]) <= set(others.index)
    assert not set(kept.index[~kept["in_cone"]]) & set(others.index)
    colour = np.array([s for n, s in kept.index if n == "Wrap 1"])
    own = others.loc["Wrap 1"].loc[[i for i in colour if i in others.loc["Wrap 1"].index]]
    curve, m = models["Wrap 1"].curve, models["Wrap 1"]
    scaled = np.min(
        ((own["g_rp"].to_numpy()[:, None] - curve[:, 0])
         / (3 * own["g_rp_error"].to_numpy()[:, None] + m.delta_c)) ** 2
        + ((own["phot_g_mean_mag"].to_numpy()[:, None] - curve[:, 1])
           / (3 * own["phot_g_mean_mag_error"].to_numpy()[:, None] + m.delta_g)) ** 2,
        axis=1,
    )  # fmt: skip
    found = stars.loc["Wrap 1"].loc[own.index, "passes_isochrone"].astype(bool)
    np.testing.assert_array_equal(found, scaled < 1)
    assert 0 < found.sum() < len(found)


def test_unheard_of_and_incomplete_stars_are_told_apart(
    comparison: Comparison, finished: RunResult
) -> None:
    stars = pd.read_parquet(f"{comparison.path}/stars").set_index(["cluster", "source_id"])
    unheard = stars.loc["Wrap_2"].loc[[NOWHERE + i for i in range(3)]]
    assert not unheard[["in_mirror", "kept", "in_cone"]].any(axis=None)
    bad = stars.loc["Wrap 1"].loc[incomplete(finished)]
    assert len(bad) and bad["in_mirror"].all() and not bad["kept"].any()
    row = comparison.record["combined"]["all"]
    p = pd.read_parquet(f"{comparison.path}/stars")
    p["told"] = told_by(p)
    missed = p[(p["list_probability"] >= 0.1) & ~(p["told"] >= 0.1)]
    assert row["n_not_in_mirror"] == (~missed["in_mirror"]).sum()
    assert row["n_not_kept"] == (missed["in_mirror"] & ~missed["kept"]).sum()
    assert (
        row["n_not_in_cone"] == (~missed["in_cone"] & (missed["kept"] | ~missed["in_mirror"])).sum()
    )
    assert row["n_zero_probability"] == (missed["told"] == 0).sum()
    assert row["n_low_probability"] == (missed["told"] > 0).sum()
    beyond = missed["probability"].notna() & missed["told"].isna()
    assert row["n_no_posterior"] == beyond.sum() > 0


def test_confusion_is_a_histogram_of_both_probabilities(
    comparison: Comparison, finished: RunResult, listed: Path
) -> None:
    key = ["cluster", "source_id"]
    ours = candidates_of(finished.path)
    ours = ours.assign(told=told_by(ours))[[*key, "told"]]
    theirs = pd.read_csv(listed).rename(columns={"probability": "theirs"})
    both = theirs.merge(ours, on=key, how="outer")
    both = both[both["cluster"].isin(theirs["cluster"])]
    # steps of 0.01 and of 1/20: in hundredths there is no rounding
    bins = {
        name: np.minimum((both[c].fillna(-0.1) * 100).round() // 10, 9).astype(int)
        for name, c in (("list_bin", "theirs"), ("our_bin", "told"))
    }
    expected = both.assign(**bins).groupby(["cluster", "list_bin", "our_bin"]).size()
    found = comparison.table("confusion").set_index(["cluster", "list_bin", "our_bin"])["n"]
    assert found.sort_index().to_dict() == expected.to_dict()


def test_spreads_are_percentiles_of_the_stars_on_each_side(
    comparison: Comparison, finished: RunResult
) -> None:
    own = candidates_of(finished.path)
    own = own[(told_by(own) >= 0.5) & (own["f_r"] < 20) & (own["phot_g_mean_mag"] < 18)]
    row = comparison.record["combined"]["probable"]
    for feature in ("f_plx", "f_pm"):
        expected = np.percentile(own[feature], [15, 50, 85])
        np.testing.assert_allclose(row[f"ours_{feature}"], expected, rtol=1e-9)


def test_the_job_prints_a_line_per_cluster_and_draws_the_venn_diagrams(
    finished: RunResult,
    listed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spark: SparkSession,
) -> None:
    runs = Path(finished.path).parent
    output = tmp_path / "out"
    arguments = ["compare.py", "--run", str(runs), "--members", str(listed)]
    arguments += ["--output", str(output), "--cut", "p=0.9,g=17"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/compare.py"), run_name="__main__")
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert printed.count("Wrap_2") == 3 and "missed: " in printed
    record = json.loads((output / "comparison.json").read_text())
    assert [cut["name"] for cut in record["cuts"]] == ["all", "probable", "p0.9_g17"]
    for cut in record["cuts"]:
        assert (output / f"venn_{cut['name']}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("text", ["", "0.5", "p=2", "p=x", "g=18", "p=0.5,radius=3"])
def test_a_wrong_cut_is_named(text: str) -> None:
    with pytest.raises(InputError, match="--cut"):
        parse_cut(text)


@pytest.fixture
def table(spark: SparkSession, spoiled: Path) -> str:
    spark.read.parquet(str(spoiled)).createOrReplaceTempView("spoiled_sky")
    return "table:spoiled_sky"


@pytest.fixture
def in_two(spoiled: Path, tmp_path: Path) -> tuple[str, str]:
    """The mirror, and an overlay: each has some of the sources."""
    sources = pd.concat([pd.read_parquet(file) for file in sorted(spoiled.iterdir())])
    there = sources.index % 3 == 0
    for name, part in (("mirror", sources[there]), ("overlay", sources[~there])):
        (tmp_path / name).mkdir()
        part.to_parquet(tmp_path / name / "stars.parquet", index=False)
    return str(tmp_path / "mirror"), str(tmp_path / "overlay")


def looked_up(comparison: Comparison) -> pd.DataFrame:
    stars = pd.read_parquet(f"{comparison.path}/stars")
    return stars.sort_values(["cluster", "source_id"], ignore_index=True)


def test_stars_are_looked_up_in_a_table_as_in_files(
    spark: SparkSession,
    comparison: Comparison,
    finished: RunResult,
    listed: Path,
    table: str,
    tmp_path: Path,
) -> None:
    run = open_run(finished.path)
    again = compare_with_list(
        spark, run, str(listed), str(tmp_path / "o"), name="toy", mirror=table
    )
    pd.testing.assert_frame_equal(looked_up(again), looked_up(comparison), check_exact=True)


def test_stars_are_looked_up_in_the_overlay_too(
    spark: SparkSession,
    comparison: Comparison,
    finished: RunResult,
    listed: Path,
    in_two: tuple[str, str],
    tmp_path: Path,
) -> None:
    run = open_run(finished.path)
    mirror, overlay = in_two
    laid_over = FinishedRun(run.path, {**run.record, "overlay": overlay})
    again = compare_with_list(
        spark, laid_over, str(listed), str(tmp_path / "o"), name="toy", mirror=mirror
    )
    pd.testing.assert_frame_equal(looked_up(again), looked_up(comparison), check_exact=True)


def test_the_clusters_are_those_of_the_run_whatever_became_of_their_table(
    spark: SparkSession,
    comparison: Comparison,
    finished: RunResult,
    listed: Path,
    spoiled: Path,
    tmp_path: Path,
) -> None:
    run = open_run(finished.path)
    settings = {**run.record["settings"], "clusters": {"path": "gone.csv"}}
    later = FinishedRun(run.path, {**run.record, "settings": settings})
    again = compare_with_list(
        spark, later, str(listed), str(tmp_path / "o"), name="toy", mirror=str(spoiled)
    )
    pd.testing.assert_frame_equal(looked_up(again), looked_up(comparison), check_exact=True)


def test_bad_input_is_one_clear_line(
    spark: SparkSession, finished: RunResult, listed: Path, tmp_path: Path
) -> None:
    run = open_run(finished.path)
    strange = tmp_path / "strange.csv"
    strange.write_text("cluster,source_id,probability\nM_999,1,0.5\n")
    with pytest.raises(InputError, match=r"--members: .*none of its 1 clusters is among those"):
        compare_with_list(spark, run, str(strange), str(tmp_path / "o"), name="x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty"):
        compare_with_list(spark, run, str(listed), str(tmp_path / "full"), name="x")
