"""First members of a cluster without a list, where the truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocspark.analysis.mixture import MAX_G, mixture_members
from ocspark.sky.sphere import separation_rad

DATA = Path(__file__).parents[2] / "../shared/data"

MEAN, DISPERSION = (1.0, -3.0, 2.0), (0.06, 0.15, 0.15)


def sky(n_own: int, n_field: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    own = rng.normal(MEAN, (0.03, 0.1, 0.1), (n_own, 3))
    field = rng.normal((0.7, -2.0, 1.0), (0.4, 1.2, 1.2), (n_field, 3))
    values = np.concatenate([own, field])
    columns = dict(zip(("parallax", "pmra", "pmdec"), values.T, strict=True))
    g = rng.uniform(12, 16.9, len(values))
    return {"source_id": np.arange(len(values)), "phot_g_mean_mag": g, **columns}, np.arange(
        len(values)
    ) < n_own


@pytest.mark.parametrize(
    ("n_own", "n_field"), [(100, 0), (100, 5), (60, 300), (200, 2000), (100, 5000)]
)
def test_members_stand_out_of_the_field(n_own: int, n_field: int) -> None:
    stars, truth = sky(n_own, n_field, 1)
    off = tuple(np.add(MEAN, (0.03, 0.1, -0.1)))  # what is known is not exact
    ids, probability = mixture_members(stars, off, DISPERSION)
    chosen = np.isin(stars["source_id"], ids[probability >= 0.9])
    assert (chosen & truth).sum() > 0.8 * n_own
    assert (chosen & ~truth).sum() < 0.1 * chosen.sum()


def test_probabilities_mean_what_they_say() -> None:
    stars, truth = sky(300, 3000, 2)
    ids, probability = mixture_members(stars, MEAN, DISPERSION)
    assert probability.sum() == pytest.approx(300, rel=0.1)
    assert probability[truth[ids]].mean() > 0.8


def test_the_order_of_the_stars_does_not_matter() -> None:
    stars, _ = sky(80, 500, 3)
    ids, probability = mixture_members(stars, MEAN, DISPERSION)
    shuffled = np.random.default_rng(0).permutation(len(stars["source_id"]))
    other, again = mixture_members({k: v[shuffled] for k, v in stars.items()}, MEAN, DISPERSION)
    np.testing.assert_allclose(again[np.argsort(other)], probability[np.argsort(ids)], atol=1e-4)


def test_nobody_where_there_is_no_cluster_or_too_few_stars() -> None:
    stars, _ = sky(0, 20, 4)
    assert len(mixture_members(stars, MEAN, DISPERSION)[0]) == 0
    stars, _ = sky(100, 300, 5)
    far = tuple(np.add(MEAN, (0.0, 2.0, 2.0)))
    ids, probability = mixture_members(stars, far, DISPERSION)
    assert (probability >= 0.9).sum() < 15 or not np.isin(ids[probability >= 0.9], range(100)).any()


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize("name", ["NGC_2423", "NGC_2447", "IC_4651", "King_11"])
def test_first_members_of_real_clusters_are_in_their_published_lists(name: str) -> None:
    """Cantat-Gaudin et al. (2018), made from DR2 and other methods."""
    table = pd.read_csv(DATA / "catalogues/cg20.csv").set_index("oc")
    row = table.loc[name]
    stars = pd.read_parquet(DATA / "gaia/edr3_cones.parquet")
    apart = separation_rad(
        stars["ra"].to_numpy(), stars["dec"].to_numpy(), row["ra"] % 360, row["dec"]
    )
    dispersion = (0.06, 0.2, 0.2)
    near = apart * row["dist"] < 10.0
    near &= np.hypot(stars["pmra"] - row["pmra"], stars["pmdec"] - row["pmdec"]) < 2.0
    near &= np.abs(stars["parallax"] - row["par"]) < 0.6
    some = stars[near].drop_duplicates("source_id").sort_values("source_id")
    columns = {str(c): some[c].to_numpy() for c in some}
    ids, probability = mixture_members(columns, tuple(row[["par", "pmra", "pmdec"]]), dispersion)
    first = set(ids[probability >= 0.9])
    listed = pd.read_parquet(DATA / "members/cg18_dr2.parquet").query("cluster == @name")
    assert len(first & set(listed["source_id"])) > 0.9 * len(first)
    certain = set(listed.loc[listed["probability"] == 1.0, "source_id"])
    certain &= set(some.loc[some["phot_g_mean_mag"] < MAX_G, "source_id"])
    assert len(first & certain) > 0.85 * len(certain)
