"""A mixture whose training members lie elsewhere: what it finds in a field without members."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.posterior.colours import MemberColours
from ocspark.posterior.mixture import Mixture
from ocspark.posterior.stars import RelativeStars, relative_stars
from tests.helpers.simulate import a_cluster, simulate

CLUSTER = a_cluster()


@pytest.fixture(scope="module")
def stars() -> RelativeStars:
    return relative_stars(simulate(250, 60_000, 5, CLUSTER).candidates, CLUSTER)[0]


def fit(stars: RelativeStars, training: RelativeStars | None = None) -> np.ndarray:
    colours = MemberColours(CLUSTER.isochrone)
    return Mixture(stars, colours, CLUSTER.covered_radius_pc, training).fit().q


def test_training_members_are_those_among_the_stars_if_none_are_given(stars):
    training = stars.take(np.flatnonzero(stars.is_training))
    np.testing.assert_array_equal(fit(stars), fit(stars, training))


def test_hardly_anything_is_found_in_a_field_without_members(stars):
    training = stars.take(np.flatnonzero(stars.is_training))
    field = relative_stars(simulate(0, 60_000, 6, CLUSTER).candidates, CLUSTER)[0]
    q = fit(field, training)
    assert len(q) > 1_500
    assert q.sum() < 5
