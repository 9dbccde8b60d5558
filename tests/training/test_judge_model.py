"""A judgement of the toy run: its counts are those of the tables, and it is drawn."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from matplotlib.image import imread
from sklearn.metrics import roc_auc_score

from ocspark.errors import InputError
from ocspark.store.finished_run import open_run
from ocspark.training.judge_model import SUPPORT_DRAWS, judge_model


@pytest.fixture(scope="module")
def truth(toy, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("truth") / "truth.parquet")
    toy.members[["cluster", "source_id"]].to_parquet(path)
    return path


@pytest.fixture(scope="module")
def judged(finished, truth, spark, tmp_path_factory):
    output = tmp_path_factory.mktemp("judgement")
    return judge_model(spark, open_run(finished.path), truth, str(output)), output


@pytest.fixture(scope="module")
def stars(finished, truth):
    table = pd.read_parquet(f"{finished.path}/candidates")
    table = table[~table["is_training_member"]]
    planted = pd.MultiIndex.from_frame(pd.read_parquet(truth)[["cluster", "source_id"]])
    true = pd.MultiIndex.from_frame(table[["cluster", "source_id"]]).isin(planted)
    return table.assign(is_true=true)


def test_the_judgement_is_of_candidates_that_are_not_training_members(judged, stars):
    result, _ = judged
    assert result["n_stars"] == len(stars) > 50
    assert result["n_members"] == stars["is_true"].sum() > 5
    called = stars["probability"] >= 0.5
    assert result["confusion"]["tp"] == (called & stars["is_true"]).sum()
    assert result["confusion"]["fp"] == (called & ~stars["is_true"]).sum()
    assert result["roc_auc"] == pytest.approx(
        roc_auc_score(stars["is_true"], stars["probability"]), rel=1e-12
    )


def test_groups_hold_every_star_once(judged, stars):
    for name in ("phot_g_mean_mag", "f_r"):
        groups = judged[0]["groups"][name]
        for group in groups:
            inside = stars[stars[name].between(group["from"], group["to"], inclusive="left")]
            assert group["n_stars"] == len(inside)
            assert group["n_members"] == inside["is_true"].sum()
        assert sum(group["n_stars"] for group in groups) == len(stars)


def test_the_call_of_every_star_is_tried_with_many_support_sets(judged, stars):
    support = judged[0]["support"]
    assert sum(support["n"]) == len(stars)
    votes = [share * SUPPORT_DRAWS for share in support["share"]]
    assert votes == pytest.approx([round(v) for v in votes])
    assert 0 <= support["not_unanimous"] < 0.5


def test_it_is_written_and_drawn(judged):
    result, output = judged
    assert json.loads((output / "judgement.json").read_text())["n_stars"] == result["n_stars"]
    assert imread(output / "judgement.png").shape[0] > 500


def test_an_unfinished_run_or_a_missing_truth_is_refused(spark, finished, tmp_path):
    with pytest.raises(InputError, match="--run"):
        open_run(str(tmp_path))
    with pytest.raises(InputError, match="--truth"):
        judge_model(spark, open_run(finished.path), str(tmp_path / "x"), str(tmp_path / "o"))
