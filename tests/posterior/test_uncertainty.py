"""Weights of the bootstrap: exponential, and keyed by seed, cluster, star and replicate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from ocspark.posterior.uncertainty import bootstrap_weights

IDS = np.arange(20_000, dtype=np.int64) * 7_919


def test_weights_are_exponential():
    assert kstest(bootstrap_weights(1, 2, IDS, 0), "expon").pvalue > 1e-3


def test_a_stars_weight_does_not_depend_on_what_stars_are_beside_it():
    weights = bootstrap_weights(1, 2, IDS, 3)
    np.testing.assert_array_equal(bootstrap_weights(1, 2, IDS[::3], 3), weights[::3])


@pytest.mark.parametrize("other", [(5, 2, 0), (1, 5, 0), (1, 2, 5)])
def test_seeds_clusters_and_replicates_differ(other):
    seed, cluster, replicate = other
    first, second = (
        bootstrap_weights(1, 2, IDS, 0),
        bootstrap_weights(seed, cluster, IDS, replicate),
    )
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
