"""A run that takes over from an earlier one: only what depends on a change, and the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.runs.full_catalogue import RunResult, run_full_catalogue
from ocspark.runs.plan import plan_full_catalogue
from ocspark.settings import make_settings
from tests.mirror.test_layout import mixed_orders
from tests.toy import Toy

TABLES = {
    "candidates": ["cluster", "source_id"],
    "non_members": ["cluster", "source_id"],
    "training_members": ["cluster", "source_id"],
    "clusters": ["cluster"],
    "_models": ["cluster_key"],
}
#: Clusters with a cone, as the toy has them.
CONES = {"Wrap 1", "Wrap_2", "Pole_1", "Poor_1", "Empty_1"}


@dataclass
class Sky:
    """A HATS mirror, a cluster table and a member list that a test may change."""

    folder: Path

    def settings(self, output: str = "runs", **changes: Any) -> dict[str, Any]:
        tree: dict[str, Any] = {
            "mirror": {"path": str(self.folder / "hats")},
            "clusters": {"path": str(self.folder / "clusters.csv")},
            "members": {"path": str(self.folder / "members.csv")},
            "membership": {"n_samples": 4},
            "output": {"path": str(self.folder / output), "non_members": True},
            "spark": {"rows_per_unit": 1500},
        }
        for section, values in changes.items():
            tree[section] = (
                {**tree.get(section, {}), **values} if isinstance(values, dict) else values
            )
        return tree

    def run(self, spark: SparkSession, output: str = "runs", **changes: Any) -> RunResult:
        return run_full_catalogue(make_settings(self.settings(output, **changes)), spark)

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
    run = sky.run(spark)
    assert run.record["base"]["run_id"] is None
    return sky, run.record["run_id"]


@pytest.fixture
def sky(base: tuple[Sky, str], tmp_path: Path) -> Sky:
    """A copy of inputs and finished run, to change."""
    shutil.copytree(base[0].folder, tmp_path / "sky")
    return Sky(tmp_path / "sky")


def assert_same_as_from_nothing(
    sky: Sky, spark: SparkSession, run: RunResult, **changes: Any
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


def rows_read(run: RunResult) -> int:
    return sum(unit.get("mirror_rows", 0) for unit in run.record["units"])


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
    assert redone(run) == {"search": reasons, "characterise": reasons, "membership": reasons}
    assert run.record["base"]["stages"]["membership"]["reused"] == 2
    assert {unit["unit"].rsplit("-", 1)[0] for unit in run.record["units"]} >= {
        "kept-candidates",
        "membership",
    }
    assert_same_as_from_nothing(sky, spark, run)
