"""Stars of training clusters: moments are numpy's, and no cut of the sources changes anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ocspark.training import training_stars
from ocspark.training.training_stars import (
    RESOLUTION,
    SELECTED_TABLE,
    SUMS_TABLE,
    Selection,
    moments,
    select_stars,
)
from tests.helpers.kernels import STAR_ERRORS, make_cluster, plain_features, random_stars

N_STARS, N_MEMBERS, PER_MEMBER = 900, 12, 1
STARS = random_stars(N_STARS, 5)
CLUSTER = make_cluster(STARS.take(slice(0, N_MEMBERS)))


class Rows:
    """What is written, by table."""

    def __init__(self) -> None:
        self.tables: dict[str, list[pa.RecordBatch]] = {SELECTED_TABLE: [], SUMS_TABLE: []}

    def add(self, table: str, batch: pa.RecordBatch) -> None:
        self.tables[table].append(batch)

    def table(self, name: str) -> Any:
        return pa.Table.from_batches(self.tables[name]).to_pandas()


def select(order: np.ndarray, n_batches: int, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Select from the stars in an order, cut into batches."""
    monkeypatch.setattr(training_stars, "calibrate", lambda stars, calibration: stars)
    selection = Selection({CLUSTER.cluster_key: CLUSTER}, None, 42, PER_MEMBER)  # type: ignore[arg-type]
    batches = []
    for rows in np.array_split(order, n_batches):
        keys = np.full(len(rows), CLUSTER.cluster_key)
        stars = STARS.take(rows).with_columns({"cluster_key": keys})
        batches.append(pa.RecordBatch.from_pydict(dict(stars.columns)))
    written = Rows()
    select_stars(batches, selection, written)  # type: ignore[arg-type]
    return written


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Rows:
    return select(np.arange(N_STARS), 1, monkeypatch)


def test_moments_are_those_of_plain_features(written: Rows) -> None:
    names = ("ra", "dec", *STAR_ERRORS)
    values = np.array(
        [plain_features(CLUSTER, *(float(STARS[n][i]) for n in names)) for i in range(N_STARS)]
    )
    row = written.table(SUMS_TABLE).iloc[0]
    mean, variance = moments(np.array([row["n_cone"]]), row["sums"][None])
    np.testing.assert_allclose(mean[0], values.mean(axis=0), rtol=0, atol=RESOLUTION)
    np.testing.assert_allclose(variance[0], values.var(axis=0), rtol=1e-5)


def test_sources_are_candidates_or_non_members_and_members_are_kept(written: Rows) -> None:
    row, stars = written.table(SUMS_TABLE).iloc[0], written.table(SELECTED_TABLE)
    assert row["n_cone"] == N_STARS == row["n_candidates"] + row["n_non_members"]
    members = stars.loc[stars["is_member"], "source_id"]
    assert sorted(members) == sorted(CLUSTER.support_id)
    others = stars.loc[~stars["is_member"], "source_id"]
    assert len(others) == PER_MEMBER * N_MEMBERS < row["n_non_members"]
    assert not set(others) & set(CLUSTER.training_id)


def test_neither_order_nor_batches_change_anything(
    written: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = np.random.default_rng(1).permutation(N_STARS)
    for n_batches in (1, 7):
        other = select(order, n_batches, monkeypatch)
        one, two = (w.table(SUMS_TABLE).iloc[0] for w in (written, other))
        assert one["sums"].tolist() == two["sums"].tolist()
        stars, same = (
            w.table(SELECTED_TABLE).sort_values("source_id", ignore_index=True)
            for w in (written, other)
        )
        assert stars.equals(same)
