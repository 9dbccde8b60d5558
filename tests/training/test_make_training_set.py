"""The training set of the toy sky: against the main job's tables, and whatever the partitioning."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from ocspark.errors import InputError
from ocspark.mirror import portions
from ocspark.settings import validate_tree
from ocspark.training import make_training_set as making
from ocspark.training import training_tasks
from ocspark.training.make_training_set import make_training_set
from ocspark.training.training_set import load_training_set
from ocspark.training.training_settings import TrainingSettings
from tests.helpers.toyrun import ROOT

FEATURES = ["f_r", "f_pm", "f_plx", "f_c", "f_g"]


def tree(toy, **instances: Any) -> dict[str, Any]:
    sections = {k: toy.settings()[k] for k in ("mirror", "clusters", "members")}
    # the toy has three clusters fit to train, with 32 to 48 certain members
    rules = {"min_listed": 20, "validation_fraction": 0.4, **instances}
    return {**sections, "instances": rules}


def settings(toy, members: dict | None = None, **instances: Any):
    whole = tree(toy, **instances)
    whole["members"] |= members or {}
    return validate_tree(TrainingSettings, whole, "test")


@pytest.fixture(scope="module")
def folder(toy, spark, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("training") / "set")
    make_training_set(settings(toy), path, spark)
    return path


@pytest.fixture(scope="module")
def instances(folder):
    return pd.read_parquet(f"{folder}/instances")


@pytest.fixture(scope="module")
def card(folder):
    return json.loads(Path(folder, "card.json").read_text())


def key(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[["cluster", "source_id"]])


def test_members_are_the_support_members_of_the_main_job(instances, finished):
    expected = pd.read_parquet(f"{finished.path}/training_members")
    members = instances[instances["is_member"]]
    assert len(members) == 2 * len(expected)
    for copy in (0, 1):
        one = members[members["copy"] == copy].set_index(key(members[members["copy"] == copy]))
        wanted = expected.set_index(key(expected))
        pd.testing.assert_frame_equal(
            one.sort_index()[FEATURES], wanted.sort_index()[FEATURES], check_exact=True
        )


def test_non_members_are_non_members_of_the_main_job_with_their_features(instances, finished):
    everyone = pd.read_parquet(f"{finished.path}/non_members")
    everyone = everyone.set_index(key(everyone))
    others = instances[~instances["is_member"]]
    found = everyone.reindex(key(others))
    np.testing.assert_array_equal(others[FEATURES].to_numpy(), found[FEATURES].to_numpy())
    members = instances[instances["is_member"]].groupby("cluster").size()
    pd.testing.assert_series_equal(others.groupby("cluster").size(), 5 * members)


def test_standardisation_is_that_of_candidates_and_non_members(card, finished):
    tables = [pd.read_parquet(f"{finished.path}/{t}") for t in ("candidates", "non_members")]
    stars = pd.concat(tables).groupby("cluster")[FEATURES]
    mean = stars.mean().mean()
    std = np.sqrt((stars.var(ddof=0) + (stars.mean() - mean) ** 2).mean())
    given = card["standardisation"]
    np.testing.assert_allclose(given["source_mean"], mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(given["source_std"], std, rtol=1e-6)
    clusters = pd.read_parquet(f"{finished.path}/clusters").query("status == 'done'")
    values = clusters[["a0", "log_age", "parallax"]]
    np.testing.assert_allclose(given["cluster_mean"], values.mean(), rtol=1e-12)
    np.testing.assert_allclose(given["cluster_std"], values.std(ddof=0), rtol=1e-9)


def test_the_card_says_what_was_left_out_and_why(card):
    why = card["left_out"]
    assert set(why) == {"Poor_1", "Empty_1", "Ageless_1", "Ancient_1"}
    assert why["Ageless_1"] == "the cluster table has no log_age"
    assert "listed; needs 20" in why["Poor_1"]
    parts = card["parts"]
    names = parts["training"]["clusters"] + parts["validation"]["clusters"]
    assert sorted(names) == ["Pole_1", "Wrap 1", "Wrap_2"]
    assert len(parts["validation"]["clusters"]) == 1  # int(0.4 · 3)


def test_counts_of_the_card_are_those_of_the_tensors(card, folder):
    data = load_training_set(folder)
    for part, tensors in (("training", data.training), ("validation", data.validation)):
        counts = card["parts"][part]
        assert int(tensors.label.sum()) == counts["n_member_instances"]
        assert int((1 - tensors.label).sum()) == counts["n_non_member_instances"]


def test_members_that_fail_the_conditions_can_leave_a_cluster_below_the_minimum(
    toy, spark, finished, tmp_path
):
    # 15 good members and a field star far from the isochrone, which is listed but fails Eq. 3
    field = pd.read_parquet(f"{finished.path}/non_members").query("cluster == 'Wrap_2'")
    outlier = field.loc[field["f_c"].abs().idxmax(), "source_id"]
    own = toy.members.query("cluster == 'Wrap_2' and probability == 1").head(15)
    wrong = pd.DataFrame({"cluster": ["Wrap_2"], "source_id": [outlier], "probability": [1.0]})
    others = toy.members.query("cluster != 'Wrap_2'")
    members = tmp_path / "members.csv"
    pd.concat([others, own, wrong]).to_csv(members, index=False)
    changed = {"path": str(members), "min_members": 16}
    rules = settings(toy, members=changed, min_listed=16, validation_fraction=0.5)
    made = make_training_set(rules, str(tmp_path / "set"), spark)
    assert made["left_out"]["Wrap_2"] == (
        "15 members pass the candidate conditions, of 16 in the cone; needs 16"
    )


def test_the_set_is_the_same_however_the_work_is_cut(
    toy, spark, folder, card, tmp_path, monkeypatch
):
    for name, value in {"MOST_ROWS": 700, "FEWEST_PAIRS": 5, "MOST_PAIRS": 50}.items():
        monkeypatch.setattr(portions, name, value)
    monkeypatch.setattr(training_tasks, "_CLUSTERS_PER_TASK", 1)
    other = str(tmp_path / "set")
    made = make_training_set(settings(toy), other, spark)
    assert len(list(Path(other, "instances").iterdir())) == 3  # a task, and a file, for each
    assert made["standardisation"] == card["standardisation"]
    assert load_training_set(other).sha256 == load_training_set(folder).sha256


def test_the_order_of_files_and_rows_says_nothing(folder, tmp_path):
    other = tmp_path / "set"
    shutil.copytree(folder, other)
    for path in sorted((other / "instances").iterdir()):
        rows = pq.read_table(path)
        path.unlink()
        shuffled = rows.take(np.random.default_rng(5).permutation(len(rows)))
        for name, part in (("b", shuffled[:300]), ("a", shuffled[300:])):
            pq.write_table(part, path.with_name(f"{name}.parquet"))
    assert load_training_set(str(other)).sha256 == load_training_set(folder).sha256


def test_what_is_done_is_kept_and_nothing_else_is_left_in_the_end(
    toy, spark, folder, tmp_path, monkeypatch, caplog
):
    """A set stopped before its stars were selected, then before its card, then made."""
    other = tmp_path / "set"
    for stop in ("draw_works", "typed_table"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(making, stop, lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            make_training_set(settings(toy), str(other), spark)
        (other / "instances").mkdir(exist_ok=True)
        (other / "instances" / "00000-dead.parquet").write_text("of an attempt that was killed")
    caplog.clear()
    with caplog.at_level("INFO", logger="ocspark"):
        make_training_set(settings(toy), str(other), spark)
    steps = [record.message for record in caplog.records if "reused)" in record.message]
    assert len(steps) == 4  # both passes, characterising, drawing
    names = {path.name for path in other.iterdir()}
    assert names == {"_inputs.json", "card.json", "clusters", "instances"}
    assert load_training_set(str(other)).sha256 == load_training_set(folder).sha256


def test_the_job_on_one_core_makes_the_same_set(toy, folder, card, tmp_path):
    config = tmp_path / "training.yaml"
    config.write_text(yaml.safe_dump(tree(toy)))
    command = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[1]"]
    command += ["--conf", "spark.ui.enabled=false", "jobs/make_training_set.py"]
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    done = subprocess.run(
        [*command, "--config", str(config), "--output", str(tmp_path / "set")],
        cwd=ROOT,
        env={**os.environ, **python},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 clusters" in done.stdout
    assert json.loads((tmp_path / "set" / "card.json").read_text())["parts"] == card["parts"]
    assert load_training_set(str(tmp_path / "set")).sha256 == load_training_set(folder).sha256


def test_another_seed_draws_other_instances(toy, spark, folder, tmp_path):
    other = str(tmp_path / "set")
    make_training_set(settings(toy, seed=43), other, spark)
    order = ["cluster", "is_member", "source_id", "copy"]
    tables = [pd.read_parquet(f"{p}/instances").sort_values(order) for p in (folder, other)]
    # the toy's non-members are fewer than wanted, so all are in both sets
    one, two = (np.stack(t.loc[t["is_member"], "support"].to_numpy()) for t in tables)
    assert (one != two).any(axis=1).mean() > 0.99


def test_a_folder_with_another_set_is_refused_and_the_same_is_not_made_again(toy, spark, folder):
    before = Path(folder, "card.json").stat().st_mtime_ns
    make_training_set(settings(toy), folder, spark)
    assert Path(folder, "card.json").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="other inputs or settings"):
        make_training_set(settings(toy, seed=43), folder, spark)


def test_test_clusters_may_be_named_in_a_file(toy, spark, tmp_path):
    names = tmp_path / "test.txt"
    names.write_text("# kept for testing\nPole 1\n\n")
    made = make_training_set(
        settings(toy, test_clusters=str(names), validation_fraction=0.5),
        str(tmp_path / "set"),
        spark,
    )
    assert made["left_out"]["Pole_1"] == "a test cluster"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_listed": 1000}, "no cluster meets the criteria"),
        ({"test_clusters": "/nowhere/names.txt"}, "instances.test_clusters"),
    ],
)
def test_what_makes_no_set_is_refused_before_spark_starts(toy, tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        make_training_set(settings(toy, **changes), str(tmp_path / "set"))
