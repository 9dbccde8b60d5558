"""The offset search uses the real clusters' cuts, at the positions of their twins."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from ocspark.inputs.isochrones import default_isochrones
from ocspark.names import cluster_key
from ocspark.selection_function.offsets import offset_cones, offset_models
from ocspark.selection_function.twins import Twin, plan_twins
from ocspark.settings import SearchSettings
from tests.helpers.kernels import make_cluster, random_stars

REAL = make_cluster(random_stars(50, 3).take(slice(0, 20)))
ROW = {
    "cluster": REAL.cluster,
    **{name: getattr(REAL, name) for name in "ra dec pmra pmdec parallax log_age a0".split()},
    **dict.fromkeys(("pmra_dispersion", "pmdec_dispersion", "parallax_dispersion"), 0.1),
    "distance": REAL.distance,
    "radius_deg": 9.6,
    "n_training_members": 20,
    "training_probability": 1.0,
}


@pytest.fixture(scope="module")
def twins() -> list[Twin]:
    return plan_twins(pd.DataFrame([ROW]), np.unique(default_isochrones()["log_age"]), 4, 1)


def test_models_are_the_real_clusters_moved(twins: list[Twin]) -> None:
    models = offset_models(twins, {REAL.cluster: REAL})
    assert len(models) == len(twins) == 4
    for twin in twins:
        model = models[cluster_key(twin.cluster.name)]
        assert (model.ra, model.dec) == (twin.row["ra"], twin.row["dec"])
        assert model.pmra - REAL.pmra == pytest.approx(twin.row["pmra"] - ROW["pmra"])
        assert model.pmdec - REAL.pmdec == pytest.approx(twin.row["pmdec"] - ROW["pmdec"])
        assert not len(model.training_id)
        names = ("cluster_key", "cluster", "ra", "dec", "pmra", "pmdec", "training_id")
        kept = replace(model, **{name: getattr(REAL, name) for name in names})
        for field in fields(REAL):
            np.testing.assert_array_equal(getattr(kept, field.name), getattr(REAL, field.name))


def test_cones_do_not_reach_the_cluster_or_each_other(twins: list[Twin]) -> None:
    cones = offset_cones(twins, SearchSettings()).table
    assert sorted(cones["cluster_key"]) == sorted(cluster_key(t.cluster.name) for t in twins)
    centres = SkyCoord([REAL.ra, *cones["ra"]] * u.deg, [REAL.dec, *cones["dec"]] * u.deg)
    radius = np.degrees(np.array(cones["radius_rad"]))
    # 50 pc at the cluster's distance
    np.testing.assert_allclose(radius, np.degrees(np.arcsin(50.0 / REAL.distance)), rtol=0.02)
    for i in range(len(centres)):
        apart = centres[i].separation(centres[np.arange(len(centres)) != i]).deg
        assert apart.min() > 2 * radius.max()
