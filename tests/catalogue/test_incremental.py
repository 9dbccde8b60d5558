"""A run that takes over from an earlier one: only what depends on a change, and the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.catalogue import dependence
from ocspark.catalogue.dependence import changes, depends_on
from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.catalogue.inputs import read_inputs
from ocspark.catalogue.plan import plan_full_catalogue
from ocspark.errors import InputError
from ocspark.names import cluster_key
from ocspark.settings import make_settings
from tests.catalogue.conftest import cut_small
from tests.helpers.hats import mixed_orders
from tests.helpers.toy import Toy

TABLES = {
    "candidates": ["cluster", "source_id"],
    "non_members": ["cluster", "source_id"],
    "training_members": ["cluster", "source_id"],
    "clusters": ["cluster"],
    "luminosity_functions": ["cluster", "phot_g_mean_mag"],
    "_models": ["cluster_key"],
    "_fits": ["cluster_key"],
    "_claims": ["cluster_key", "source_id"],
}
#: Clusters with a cone, as the toy has them.
CONES = {"Wrap 1", "Wrap_2", "Pole_1", "Poor_1", "Empty_1"}


@dataclass
class Sky:
    """A HATS mirror, a cluster table and a member list that a test may change."""

    folder: Path

    def settings(self, runs: str = "runs", /, **changes: Any) -> dict[str, Any]:
        tree: dict[str, Any] = {
            "mirror": {"path": str(self.folder / "hats")},
            "clusters": {"path": str(self.folder / "clusters.csv")},
            "members": {"path": str(self.folder / "members.csv")},
            "membership": {"n_samples": 4},
            "posterior": {"n_replicates": 2},
            "output": {"path": str(self.folder / runs), "non_members": True},
        }
        for section, values in changes.items():
            tree[section] = (
                {**tree.get(section, {}), **values} if isinstance(values, dict) else values
            )
        return tree

    def run(self, spark: SparkSession, runs: str = "runs", /, **changes: Any) -> RunResult:
        return run_full_catalogue(make_settings(self.settings(runs, **changes)), spark)

    def change(self, name: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        how(pd.read_csv(self.folder / name)).to_csv(self.folder / name, index=False)


@pytest.fixture(scope="session")
def base(
    toy: Toy, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sky, str]:
    """A finished run on the toy sky as a HATS mirror, and the name of the run."""
    sky = Sky(tmp_path_factory.mktemp("base"))
    mixed_orders(toy.sources, sky.folder / "hats", folder=False)
    for name in ("clusters.csv", "members.csv"):
        shutil.copy(toy.folder / name, sky.folder / name)
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch)
        run = sky.run(spark)
    assert run.record["base"]["run_id"] is None
    return sky, run.record["run_id"]


@pytest.fixture
def sky(base: tuple[Sky, str], tmp_path: Path) -> Sky:
    """A copy of inputs and finished run, to change."""
    shutil.copytree(base[0].folder, tmp_path / "sky")
    return Sky(tmp_path / "sky")


def assert_same_as_from_nothing(
    sky: Sky, spark: SparkSession, run: RunResult, /, **changes: Any
) -> None:
    """All tables of `run` are those of a run of the same inputs that takes nothing over."""
    fresh = sky.run(spark, "fresh", **changes)
    assert fresh.record["base"]["run_id"] is None and fresh.record["run_id"] == run.record["run_id"]
    for table, key in TABLES.items():
        if not Path(fresh.path, table).exists():
            assert not Path(run.path, table).exists()
            continue
        one, two = (
            pd.read_parquet(f"{path}/{table}").sort_values(key, ignore_index=True)
            for path in (run.path, fresh.path)
        )
        assert len(one) > 1 and not one.duplicated(key).any()
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def redone(run: RunResult) -> dict[str, dict[str, int]]:
    """Reasons per stage, of stages in which anything was redone."""
    stages = run.record["base"]["stages"]
    return {name: stage["reasons"] for name, stage in stages.items() if stage["redone"]}


def test_changed_clusters_are_done_again_and_no_others(
    sky: Sky, spark: SparkSession, base: tuple[Sky, str]
) -> None:
    sky.change("members.csv", lambda m: m[~((m["cluster"] == "Wrap_2") & (m.index % 3 == 0))])

    def clusters(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table["cluster"] == "Wrap 1", "a0"] = 0.35
        added = table[table["cluster"] == "Poor_1"].assign(cluster="Newcomer")
        return pd.concat([added, table[table["cluster"] != "Empty_1"]])

    sky.change("clusters.csv", clusters)
    plan = plan_full_catalogue(make_settings(sky.settings()), spark)
    assert plan.why == {
        "member list": ["Wrap_2"],
        "cluster row": ["Wrap 1"],
        "new cluster": ["Newcomer"],
    }
    run = sky.run(spark)
    assert run.record["base"]["run_id"] == base[1]
    reasons = {"member list": 1, "cluster row": 1, "new cluster": 1}
    assert redone(run) == dict.fromkeys(EVERY, reasons)
    assert run.record["base"]["stages"]["membership"]["reused"] == 2
    copied = {p["key"].rsplit("-", 1)[0] for p in run.record["portions"] if p["step"] == "kept"}
    assert copied >= {"candidates", "search", "counts", "models"}
    assert {p["step"] for p in run.record["portions"]} >= {"search", "membership", "layout"}
    assert_same_as_from_nothing(sky, spark, run)


def test_a_replaced_mirror_file_touches_the_clusters_whose_cones_it_is_in(
    sky: Sky, spark: SparkSession
) -> None:
    (file,) = (sky.folder / "hats").rglob("Npix=2.parquet")  # RA 180 to 270, up to the north pole
    stars = pd.read_parquet(file)
    stars[stars.index % 5 > 0].to_parquet(file, index=False)
    run = sky.run(spark)
    assert redone(run) == {stage: {"mirror": 1} for stage in EVERY}
    north = [
        f for n in range(4) for f in (sky.folder / "hats").rglob(f"Norder=0/**/Npix={n}.parquet")
    ]
    polar = sum(len(pd.read_parquet(f)) for f in north)
    searched = [p for p in run.record["portions"] if p["step"] == "search"]
    assert 0 < sum(p["rows"] for p in searched) <= polar
    assert_same_as_from_nothing(sky, spark, run)


def without_empty(sky: Sky) -> None:
    sky.change("clusters.csv", lambda t: t[~t["cluster"].isin(["Empty_1", "Pole_1"])])


def shorter_list(sky: Sky) -> None:
    sky.change("members.csv", lambda m: m[~((m["cluster"] == "Pole_1") & (m.index % 4 == 0))])


def without_neighbour(sky: Sky) -> None:
    """Wrap 1, on which nothing changes, no longer shares stars with Wrap_2."""
    sky.change("clusters.csv", lambda t: t[t["cluster"] != "Wrap_2"])


def other_order(sky: Sky) -> None:
    sky.change("members.csv", lambda m: m[::-1])
    sky.change("clusters.csv", lambda t: t[::-1])


EVERY = ("search", "characterise", "membership", "posterior")
CHANGES: dict[str, tuple[Callable[[Sky], None] | dict[str, Any], dict[str, dict[str, int]]]] = {
    "member list": (shorter_list, {key: {"member list": 1} for key in EVERY}),
    "clusters removed": (without_empty, {}),
    "a cluster that shares stars removed": (without_neighbour, {}),
    "only the order of rows": (other_order, {}),
    "model": ({"model": "mock_g21"}, {stage: {"model": 5} for stage in EVERY[2:]}),
    "seed": (
        {"membership": {"seed": 7}},
        {
            "membership": {"membership settings": 5},
            "posterior": {"membership settings": 5, "posterior settings": 5},
        },
    ),
    "posterior": (
        {"posterior": {"n_replicates": 3}},
        {"posterior": {"posterior settings": 5}},
    ),
    "fewer members needed": (
        {"members": {"min_members": 5}},
        {stage: {"member settings": 5} for stage in EVERY[1:]},
    ),
    "wider cones": (
        {"search": {"radius_pc": 55.0}},
        {key: {"search settings": 5} for key in EVERY},
    ),
    "output only": ({"output": {"non_members": False}, "spark": {"config": {"a.b": "c"}}}, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CHANGES)
def test_each_change_redoes_what_depends_on_it(sky: Sky, spark: SparkSession, what: str) -> None:
    change, expected = CHANGES[what]
    settings = change if isinstance(change, dict) else {}
    if not isinstance(change, dict):
        change(sky)
    run = sky.run(spark, **settings)
    assert redone(run) == expected
    assert_same_as_from_nothing(sky, spark, run, **settings)


@pytest.mark.slow
def test_damaged_and_lost_files_of_the_earlier_run_are_no_source(
    sky: Sky, spark: SparkSession
) -> None:
    shorter_list(sky)
    before = sky.folder / "runs" / (sky.folder / "runs" / "latest").read_text().strip()
    flipped = max(before.glob("candidates/*.parquet"), key=lambda f: f.stat().st_size)
    flipped.write_bytes(flipped.read_bytes()[:-1] + b"?")
    next(before.glob("_search/*.parquet")).unlink()
    run = sky.run(spark)
    assert "earlier run's file damaged" in redone(run)["membership"]
    assert "earlier run's file damaged" in redone(run)["search"]
    assert_same_as_from_nothing(sky, spark, run)


@pytest.mark.slow
def test_a_chain_of_runs_and_a_table_that_the_earlier_run_lacks(
    sky: Sky, spark: SparkSession
) -> None:
    shorter_list(sky)
    second = sky.run(spark, output={"non_members": False})
    assert redone(second)["membership"] == {"member list": 1}
    third = sky.run(spark)
    assert third.record["base"]["run_id"] == second.record["run_id"]
    assert redone(third) == {"membership": {"non_members not in the earlier run": 5}}
    assert_same_as_from_nothing(sky, spark, third)


def test_posteriors_can_be_left_out_and_are_null_then(sky: Sky, spark: SparkSession) -> None:
    run = sky.run(spark, posterior={"enabled": False})
    assert redone(run) == {"posterior": {"posterior settings": 5}}
    assert pd.read_parquet(f"{run.path}/candidates")["posterior"].isna().all()
    clusters = pd.read_parquet(f"{run.path}/clusters")
    done = clusters[clusters["status"] == "done"]
    assert (done["posterior_reason"] == "posterior.enabled is false").all()
    assert (done["members_by"] == "votes").all() and done["n_members"].isna().all()
    assert run.record["posterior"]["clusters"] == 0
    again = sky.run(spark, output={"base": run.record["run_id"], "run_id": "again"})
    assert redone(again) == {"posterior": {"posterior settings": 5}}
    for table in ("candidates", "clusters"):
        first, second = (
            pd.read_parquet(sky.folder / "runs" / run_id / table).sort_values(
                TABLES[table], ignore_index=True
            )
            for run_id in (str(run.record["base"]["run_id"]), "again")
        )
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_a_plan_writes_nothing_and_a_finished_run_has_none(
    base: tuple[Sky, str], spark: SparkSession
) -> None:
    sky, run_id = base
    before = sorted(path for path in sky.folder.rglob("*"))
    assert "nothing to do" in str(plan_full_catalogue(make_settings(sky.settings()), spark))
    plan = plan_full_catalogue(make_settings(sky.settings(model="mock_g21")), spark)
    assert plan.why.keys() == {"model"} and set(plan.why["model"]) == CONES
    search, _, membership, posterior = plan.stages
    assert (search.reused, search.redone, search.portions, search.rows) == (5, 0, 0, 0)
    assert (membership.reused, membership.redone) == (0, 5) and membership.rows > 0
    assert (posterior.reused, posterior.redone, posterior.rows) == (0, 5, 0)
    assert run_id in str(plan) and "model: 5" in str(plan)
    assert len(str(plan).splitlines()) < 20
    other = plan_full_catalogue(
        make_settings(sky.settings(output={"base": None}, model="mock_g21"))
    )
    assert other.why.keys() == {"no earlier run"}
    assert sorted(path for path in sky.folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["nobody", "half"])
def test_an_earlier_run_asked_for_by_name_must_be_finished(
    sky: Sky, spark: SparkSession, name: str
) -> None:
    (sky.folder / "runs" / "half").mkdir()
    settings = sky.settings(output={"base": name}, membership={"seed": 1})
    with pytest.raises(InputError, match=rf"output.base: .*{name}: is not finished"):
        plan_full_catalogue(make_settings(settings), spark)


def test_a_member_list_reaches_its_own_cluster_only(sky: Sky) -> None:
    settings = make_settings(sky.settings())
    before = depends_on(read_inputs(settings), "cpu")
    (sky.folder / "hats").rename(sky.folder / "moved")  # where it lies does not count
    other_order(sky)
    moved = make_settings(sky.settings(mirror={"path": str(sky.folder / "moved")}))
    assert depends_on(read_inputs(moved), "cpu") == before
    shorter_list(sky)
    now = depends_on(read_inputs(moved), "cpu")
    key = cluster_key("Pole 1")
    assert changes(before, now) == {stage: {key: ["member list"]} for stage in EVERY}
    gpu = depends_on(read_inputs(moved), "gpu")
    assert set(changes(now, gpu)["membership"]) == {int(k) for k in now.clusters}
    assert not changes(now, gpu)["characterise"]


def test_changed_code_redoes_its_stage_and_those_after_it(
    sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = read_inputs(make_settings(sky.settings()))
    before, keys = depends_on(inputs, "cpu"), dependence.code_keys()
    for stage, again in (("characterise", EVERY[1:]), ("summary", ())):
        monkeypatch.setattr(dependence, "code_keys", {**keys, stage: "other"}.copy)
        found = changes(before, depends_on(inputs, "cpu"))
        assert {name: set(map(tuple, rows.values())) for name, rows in found.items() if rows} == {
            name: {(f"{stage} code",)} for name in again
        }
    epoch = replace(inputs, release=inputs.release.model_copy(update={"name": "x", "epoch": 1.0}))
    monkeypatch.setattr(dependence, "code_keys", keys.copy)
    assert depends_on(epoch, "cpu") == before
