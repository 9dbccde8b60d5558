"""Displaced windows differ from the cluster's own in motion alone, and do not overlap it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pytest

from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.names import cluster_key
from ocspark.validation.displaced import DIRECTIONS, Window, displaced_windows
from tests.helpers.kernels import make_cluster
from tests.helpers.simulate import a_cluster, simulate

CLUSTER = a_cluster()
MODEL = make_cluster(
    pmra=CLUSTER.pmra, pmdec=CLUSTER.pmdec, parallax=0.8, distance=1250.0, training_id=np.arange(9)
)
ROW = {name: getattr(MODEL, name, 0.1) for name in CLUSTER_COLUMNS}
OWN = Window(MODEL, CLUSTER, ROW)


@pytest.fixture(scope="module")
def candidates() -> pa.Table:
    simulated = simulate(60, 400, seed=3, cluster=CLUSTER).candidates
    columns = {field.name: getattr(simulated, field.name) for field in fields(simulated)}
    xi, eta = (np.degrees(columns.pop(name) / MODEL.distance) for name in ("xi", "eta"))
    columns |= {"ra": MODEL.ra + xi / np.cos(np.radians(MODEL.dec)), "dec": MODEL.dec + eta}
    return pa.table(columns)


def motion(window: Window) -> np.ndarray:
    return np.array([window.model.pmra - MODEL.pmra, window.model.pmdec - MODEL.pmdec])


def test_they_lie_around_the_cluster_and_overlap_its_window_for_almost_no_star(
    candidates: pa.Table,
) -> None:
    windows = displaced_windows(OWN, candidates)
    assert len(windows) == DIRECTIONS == 4
    steps = np.array([motion(window) for window in windows])
    distance = np.linalg.norm(steps, axis=1)
    np.testing.assert_allclose(distance, distance[0])
    np.testing.assert_allclose(steps.sum(axis=0), 0.0, atol=1e-12)
    widest = OWN.stars(candidates).half_width[:2].max(axis=0)
    # the star's window about the cluster and about the displaced motion
    apart = 2.0 * widest <= distance[0]
    assert 0.97 <= apart.mean() < 1.0


def test_nothing_but_motion_and_name_differs(candidates: pa.Table) -> None:
    for window in displaced_windows(OWN, candidates):
        model, cluster, row = window.model, window.cluster, window.row
        key = cluster_key(model.cluster)
        assert model.cluster_key == cluster.key == row["cluster_key"] == key != OWN.cluster.key
        assert model.cluster == row["cluster"] != OWN.model.cluster
        assert not len(model.training_id)
        for axis, step in zip(("pmra", "pmdec"), motion(window), strict=True):
            assert getattr(cluster, axis) == getattr(model, axis)
            assert row[axis] - ROW[axis] == pytest.approx(step)
        assert replace(cluster, key=7, pmra=CLUSTER.pmra, pmdec=CLUSTER.pmdec) == CLUSTER
        changed = ("cluster", "cluster_key", "pmra", "pmdec", "training_id")
        for field in fields(MODEL):
            if field.name not in changed:
                np.testing.assert_array_equal(
                    getattr(model, field.name), getattr(MODEL, field.name)
                )
        same = [name for name in CLUSTER_COLUMNS if name not in changed]
        assert {name: row[name] for name in same} == {name: ROW[name] for name in same}
