"""The HDBSCAN baseline finds a planted group, by itself and through a run's cones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from ocspark.analysis.clustering import SPACE, Baseline, cluster_members
from ocspark.analysis.distributed import baseline_members
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError
from ocspark.store.finished_run import FinishedRun, open_run
from tests.helpers.toy import Toy

MEAN = (1.0, 2.0, -3.0)


def planted(n_field: int, n_own: int, seed: int) -> dict[str, np.ndarray]:
    """Stars of a wide field, then of a cluster around `MEAN`."""
    rng = np.random.default_rng(seed)
    field = rng.normal((1.0, 0.0, 0.0), (0.6, 4.0, 4.0), (n_field, 3))
    own = rng.normal(MEAN, (0.04, 0.1, 0.1), (n_own, 3))
    stars = dict(zip(SPACE, np.concatenate((field, own)).T, strict=True))
    n = n_field + n_own
    stars |= {f"{name}_error": np.full(n, 0.03) for name in SPACE}
    return {**stars, "phot_g_mean_mag": np.full(n, 15.0), "source_id": np.arange(n)}


@pytest.mark.parametrize(("n_own", "seed"), [(60, 1), (300, 2), (600, 3)])
def test_a_planted_group_is_found_nearly_pure(n_own: int, seed: int) -> None:
    ids, probability = cluster_members(planted(3000, n_own, seed), MEAN, 5, Baseline(n_draws=3))
    sure = ids[probability >= 0.5]
    assert (sure >= 3000).sum() > 0.95 * n_own
    assert (sure < 3000).sum() < 0.5 * n_own
    assert ((probability > 0) & (probability <= 1)).all()


def test_nothing_is_found_where_nothing_is() -> None:
    ids, _ = cluster_members(planted(1500, 0, 1), (5.0, 30.0, 30.0), 5, Baseline(n_draws=2))
    assert len(ids) == 0


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_stars_give_no_members(n: int) -> None:
    ids, probability = cluster_members(planted(n, 0, 1), MEAN, 5, Baseline())
    assert len(ids) == len(probability) == 0


def test_faint_stars_are_left_out_and_a_rich_cone_is_cut_around_the_cluster() -> None:
    stars = planted(3000, 100, 4)
    stars["phot_g_mean_mag"][-50:] = 18.5
    ids, probability = cluster_members(stars, MEAN, 5, Baseline(n_draws=1, max_stars=800))
    assert ids.max() < 3050
    assert (ids[probability == 1.0] >= 3000).sum() >= 45


def test_a_runs_cones_give_a_list_of_its_planted_clusters(
    spark: SparkSession, toy: Toy, finished: RunResult
) -> None:
    run = open_run(finished.path)
    members = baseline_members(spark, run, Baseline(n_draws=2)).toPandas()
    assert set(members.columns) == {"cluster", "source_id", "probability"}
    planted_ids = set(toy.members.loc[toy.members["cluster"] == "Pole_1", "source_id"])
    found = set(members.loc[members["cluster"] == "Pole_1", "source_id"])
    assert len(found & planted_ids) > 0.6 * len(planted_ids)


def test_without_non_members_it_says_what_is_needed(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"output\.non_members=true"):
        baseline_members(spark, FinishedRun(str(tmp_path), {}), Baseline())
