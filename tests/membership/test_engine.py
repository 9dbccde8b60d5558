"""The Monte Carlo engine: a plain forward pass, a direct loop, and bits that only keys decide."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ocspark.deepsets.network import build
from ocspark.deepsets.weights import load_model
from ocspark.keyed import normals, star_keys, subsets
from ocspark.membership.engine import Engine, Membership, Sampling
from ocspark.membership.sampling import sample_measurements, sampled_features
from ocspark.tables.stars import CalibratedStars
from tests.helpers.kernels import (
    STAR_ERRORS,
    forward_float64,
    make_cluster,
    plain_features,
    random_stars,
    to_tensor_state,
)

ASTROMETRY = ("parallax", "pmra", "pmdec")
CORRELATIONS = {
    (0, 1): "parallax_pmra_corr",
    (0, 2): "parallax_pmdec_corr",
    (1, 2): "pmra_pmdec_corr",
}
SAMPLING = Sampling(n_samples=30, support_size=10, seed=42, leave_one_out=True)


@pytest.fixture(scope="module")
def published():
    return load_model("DS10_v02")


@pytest.fixture(scope="module")
def stars():
    """90 candidates; every third is a support member."""
    return random_stars(90, 70)


@pytest.fixture(scope="module")
def cluster(stars):
    return make_cluster(stars.take(slice(0, 90, 3)))


def same_bits(a: Membership, b: Membership, rows: np.ndarray | slice = slice(None)) -> None:
    for field in fields(Membership):
        np.testing.assert_array_equal(getattr(a, field.name)[rows], getattr(b, field.name))


# --- draws -----------------------------------------------------------------------------------


def one_star(**changes: float) -> CalibratedStars:
    star = random_stars(3, 75).take([0])
    return star.with_columns({name: np.array([float(value)]) for name, value in changes.items()})


def covariance(star: CalibratedStars, i: int = 0) -> np.ndarray:
    """The 5×5 covariance of (ϖ, pmra, pmdec, G, C)."""
    sigma = np.array([star[f"{name}_error"][i] for name in STAR_ERRORS])
    matrix = np.eye(5)
    for (a, b), name in CORRELATIONS.items():
        matrix[a, b] = matrix[b, a] = star[name][i]
    return matrix * sigma * sigma[:, None]


def drawn_matrix(star: dict[str, np.ndarray], n: int, seed: int) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((1, n, 5))
    drawn = sample_measurements(star, z)
    return np.array([drawn[name][0] for name in STAR_ERRORS])


@pytest.mark.parametrize(
    "correlations", [(0, 0, 0), (0.5, -0.3, 0.2), (-0.9, 0.8, -0.7), (0.95, 0.95, 0.95)]
)
def test_draws_have_the_stars_mean_and_covariance(correlations):
    star = one_star(**dict(zip(CORRELATIONS.values(), correlations, strict=True)))
    n = 200_000
    values = drawn_matrix(star, n, 76)
    expected = covariance(star)
    sigma = np.sqrt(np.diag(expected))
    mean = np.array([star[name][0] for name in STAR_ERRORS])
    assert (np.abs(values.mean(axis=1) - mean) < 5 * sigma / np.sqrt(n)).all()
    deviation = (np.cov(values) - expected) / np.outer(sigma, sigma)
    assert np.abs(deviation).max() < 5 * np.sqrt(2 / n)


def test_colour_shares_the_noise_of_g_where_asked():
    star = one_star(phot_g_mean_mag_error=0.01, g_rp_error=np.hypot(0.01, 0.02))
    n = 200_000
    drawn = sample_measurements(star, np.random.default_rng(83).standard_normal((1, n, 5)), True)
    # G_RP = G − C has its own noise only
    g, c = drawn["phot_g_mean_mag"][0], drawn["g_rp"][0]
    assert abs((g - c).std() / 0.02 - 1) < 5 / np.sqrt(2 * n)
    assert abs(np.corrcoef(g, g - c)[0, 1]) < 5 / np.sqrt(n)
    assert abs(c.std() / np.hypot(0.01, 0.02) - 1) < 5 / np.sqrt(2 * n)


def test_draws_are_the_cholesky_factor_times_the_deviates():
    stars = random_stars(20, 77)
    z = np.random.default_rng(78).standard_normal((20, 4, 5))
    drawn = sample_measurements(stars, z)
    for i in range(20):
        factor = np.linalg.cholesky(covariance(stars, i))
        mean = np.array([stars[name][i] for name in STAR_ERRORS])
        for s in range(4):
            got = [drawn[name][i, s] for name in STAR_ERRORS]
            np.testing.assert_allclose(got, mean + factor @ z[i, s], rtol=1e-10)


@pytest.mark.parametrize(
    "correlations",
    [(1, 1, 1), (-1, 1, -1), (1, 0.5, 0.5), (-1, 0.3, -0.3), (0.6, 0.8, 0.0), (0.8, 0.6, 0.96)],
)
def test_a_singular_covariance_is_drawn_as_it_is(correlations):
    star = one_star(**dict(zip(CORRELATIONS.values(), correlations, strict=True)))
    expected = covariance(star)
    values = drawn_matrix(star, 100_000, 79)
    assert np.isfinite(values).all()
    sigma = np.sqrt(np.diag(expected))
    deviation = (np.cov(values) - expected) / np.outer(sigma, sigma)
    if np.linalg.eigvalsh(expected).min() > -1e-12:
        assert np.abs(deviation).max() < 5 * np.sqrt(2 / 100_000)


@pytest.mark.parametrize("correlations", [(0.9, -0.9, 0.9), (0.99, 0.0, 0.99), (1.0, 0.5, -0.5)])
def test_an_impossible_covariance_still_keeps_each_quantitys_own_error(correlations):
    # nothing of the sort is in the catalogue; a draw must not wander off by many errors for it
    star = one_star(**dict(zip(CORRELATIONS.values(), correlations, strict=True)))
    values = drawn_matrix(star, 100_000, 80)
    sigma = np.array([star[f"{name}_error"][0] for name in STAR_ERRORS])
    np.testing.assert_allclose(values.std(axis=1) / sigma, 1.0, atol=0.02)


BAD = {
    "errors": [{f"{name}_error": value} for name in STAR_ERRORS for value in (np.nan, 0.0, -1.0)],
    "correlations": [
        dict(zip(CORRELATIONS.values(), c, strict=True))
        for c in [(1, 1, 1), (0.9, -0.9, 0.9), (1, 0.2, -0.7), (1.5, 0, 0), (np.nan, 0.1, 0.1)]
    ],
}


@pytest.mark.parametrize("change", [*BAD["errors"], *BAD["correlations"]], ids=str)
def test_bad_errors_and_correlations_are_mended_and_counted(published, stars, cluster, change):
    few = stars.take(np.arange(5))
    for name, value in change.items():
        few[name][1] = value
    result = Engine(published, SAMPLING).membership(few, cluster)
    np.testing.assert_array_equal(result.errors_mended, [False, True, False, False, False])
    assert np.isfinite(result.probability).all()
    assert np.isfinite(result.mean_logit).all()
    np.testing.assert_array_equal(result.n_samples, SAMPLING.n_samples)
    others = [0, 2, 3, 4]
    same_bits(
        Engine(published, SAMPLING).membership(stars.take(others), cluster),
        Membership(**{name: values[others] for name, values in vars(result).items()}),
    )


def test_a_missing_correlation_is_none_and_a_missing_error_zero(published, stars, cluster):
    engine, star = Engine(published, SAMPLING), stars.take([1])
    for name, value in [("pmra_pmdec_corr", 0.0), ("parallax_error", 0.0)]:
        missing, plain = (star.with_columns({name: np.array([v])}) for v in (np.nan, value))
        assert (
            engine.membership(missing, cluster).mean_logit
            == engine.membership(plain, cluster).mean_logit
        )


@pytest.mark.parametrize("name", ["ra", "dec", *STAR_ERRORS])
def test_a_star_without_a_measurement_is_no_member(published, stars, cluster, name):
    few = stars.take(np.arange(3))
    few[name][2] = np.nan
    result = Engine(published, SAMPLING).membership(few, cluster)
    assert (result.probability[2], result.n_samples[2]) == (0.0, 0)
    assert (result.p_low[2], result.p_high[2]) == (0.0, 1.0)
    assert (result.n_samples[:2] == SAMPLING.n_samples).all()


def test_the_torch_network_gives_the_same_votes_but_for_undecided_ones(published, stars, cluster):
    # the path that a GPU takes
    here, there = (
        Engine(published, SAMPLING, device).membership(stars, cluster) for device in (None, "cpu")
    )
    np.testing.assert_allclose(there.mean_logit, here.mean_logit, rtol=0, atol=1e-4)
    assert (there.probability != here.probability).mean() < 0.02


def test_threads_within_a_task_do_not_matter(published, stars, cluster, whole):
    same_bits(whole, Engine(published, SAMPLING, threads=3).membership(stars, cluster))


def test_a_star_without_errors_is_drawn_as_itself():
    star = one_star(**{f"{name}_error": 0.0 for name in STAR_ERRORS})
    values = drawn_matrix(star, 50, 81)
    for row, name in zip(values, STAR_ERRORS, strict=True):
        np.testing.assert_array_equal(row, star[name][0])


def test_sampled_features_are_those_of_the_drawn_values_and_the_radius_stays(stars, cluster):
    few = stars.take(slice(0, 12))
    drawn = sample_measurements(few, np.random.default_rng(82).standard_normal((12, 6, 5)))
    got = sampled_features(few, drawn, cluster)
    assert got.shape == (12, 6, 5)
    for i in range(12):
        for s in range(6):
            values = [float(drawn[name][i, s]) for name in STAR_ERRORS]
            expected = plain_features(cluster, few["ra"][i], few["dec"][i], *values)
            np.testing.assert_allclose(got[i, s], expected, rtol=0, atol=1e-10)
    assert (np.ptp(got[..., 0], axis=1) == 0).all()
    assert (np.ptp(got[..., 1:], axis=1) > 0).all()


# --- membership, against a direct loop -------------------------------------------------------


def direct_margins(stars, cluster, model, sampling):
    """Member minus non-member logit per star and sample, one at a time and in float64."""
    network = build(to_tensor_state(model.state), model.width).double()
    signs = np.array([1, 1, 1, model.isochrone_sign, model.isochrone_sign])

    def standardised(rows):
        rows = np.array(rows) * signs
        if model.radius == "sine":
            rows[..., 0] = cluster.distance * np.sin(rows[..., 0] / cluster.distance)
        return (rows - model.source_mean) / model.source_std

    values = np.array([cluster.a0, cluster.log_age, cluster.parallax])
    own_cluster = (values - model.cluster_mean) / model.cluster_std
    n = len(stars)
    margins = np.empty((n, sampling.n_samples))
    for i in range(n):
        source_id = stars["source_id"][i]
        key = star_keys(sampling.seed, cluster.cluster_key, np.array([source_id]))
        left = np.flatnonzero(~(sampling.leave_one_out & (cluster.support_id == source_id)))
        size = min(sampling.support_size, len(left))
        factor = np.linalg.cholesky(covariance(stars, i))
        mean = np.array([stars[name][i] for name in STAR_ERRORS])
        x = np.empty((sampling.n_samples, size, 13))
        x[..., 5:8] = own_cluster
        for s in range(sampling.n_samples):
            sample = np.array([s])
            value = mean + factor @ normals(key, sample, 5)[0, 0]
            star = plain_features(cluster, stars["ra"][i], stars["dec"][i], *value)
            members = left[subsets(key, sample, len(left), size)[0, 0]]
            assert not (sampling.leave_one_out and source_id in cluster.support_id[members])
            x[s, :, :5] = standardised(star)
            x[s, :, 8:] = standardised(cluster.support_features[members])
        logits = network(torch.from_numpy(x)).numpy()
        margins[i] = logits[:, 1] - logits[:, 0]
    return margins


@pytest.mark.parametrize(
    ("conventions", "leave_one_out"), [("published", True), ("published", False), ("plain", True)]
)
def test_membership_equals_a_direct_loop(published, stars, cluster, conventions, leave_one_out):
    if conventions == "published":
        model = published
    else:  # the paper's own signs and angle
        model = replace(published, isochrone_sign=1, radius="angle")
    sampling = Sampling(n_samples=20, support_size=10, seed=3, leave_one_out=leave_one_out)
    few = stars.take(slice(0, 40))
    margins = direct_margins(few, cluster, model, sampling)
    result = Engine(model, sampling).membership(few, cluster)
    votes = (margins > 0).sum(axis=1)
    unsure = (np.abs(margins) < 1e-4).sum(axis=1)
    assert unsure.sum() <= 3
    assert ((votes > 0) & (votes < 20)).sum() >= 5
    assert (np.abs(result.probability * 20 - votes) <= unsure + 1e-9).all()
    np.testing.assert_allclose(result.mean_logit, margins.mean(axis=1), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(result.n_samples, 20)


def test_leaving_out_concerns_support_members_only(published, stars, cluster):
    with_it, without = (
        Engine(published, replace(SAMPLING, leave_one_out=choice)).membership(stars, cluster)
        for choice in (True, False)
    )
    member = np.isin(stars["source_id"], cluster.support_id)
    assert member.sum() == 30
    np.testing.assert_array_equal(with_it.mean_logit[~member], without.mean_logit[~member])
    assert (with_it.mean_logit[member] != without.mean_logit[member]).all()


@pytest.mark.parametrize("place", [0, 14, 29])
def test_a_support_members_own_features_do_not_matter_when_it_is_left_out(
    published, stars, cluster, place
):
    star = stars.take(np.flatnonzero(stars["source_id"] == cluster.support_id[place]))
    spoilt = cluster.support_features.copy()
    spoilt[place] = 1e3
    engine = Engine(published, replace(SAMPLING, n_samples=100))
    same_bits(
        engine.membership(star, cluster),
        engine.membership(star, replace(cluster, support_features=spoilt)),
    )
    other = stars.take([1])  # to a star that is no support member they do matter
    assert (
        engine.membership(other, cluster).mean_logit
        != engine.membership(other, replace(cluster, support_features=spoilt)).mean_logit
    )


def exact(stars):
    """The same stars without errors: every sample of a star is alike but for its support."""
    return stars.with_columns({f"{name}_error": np.zeros(len(stars)) for name in STAR_ERRORS})


@pytest.mark.parametrize("n_support", [2, 4, 9, 10])
def test_a_support_no_larger_than_asked_for_is_used_whole(published, stars, n_support):
    certain = exact(stars)
    cluster = make_cluster(certain.take(slice(0, n_support)))
    others = certain.take(slice(n_support, 30))
    result = Engine(published, SAMPLING).membership(others, cluster)
    own = published.standardise(
        np.array(
            [
                plain_features(cluster, *(float(others[n][i]) for n in ("ra", "dec", *STAR_ERRORS)))
                for i in range(len(others["ra"]))
            ]
        ),
        cluster.distance,
    )
    x = np.empty((len(own), n_support, 13))
    x[..., :5] = own[:, None]
    x[..., 5:8] = published.standardise_cluster(cluster.a0, cluster.log_age, cluster.parallax)
    x[..., 8:] = published.standardise(cluster.support_features, cluster.distance)
    logits = forward_float64(published.state, x)
    margin = logits[:, 1] - logits[:, 0]
    assert np.abs(margin).min() > 1e-4
    np.testing.assert_allclose(result.mean_logit, margin, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(result.probability, margin > 0)


def test_a_member_of_a_support_of_two_is_judged_by_the_other(published, stars):
    certain = exact(stars)
    cluster = make_cluster(certain.take(slice(0, 2)))
    alone = replace(
        cluster, support_id=cluster.support_id[1:], support_features=cluster.support_features[1:]
    )
    engine = Engine(published, replace(SAMPLING, n_samples=8))
    star = certain.take([0])
    same_bits(engine.membership(star, cluster), engine.membership(star, alone))


# --- bits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(published, stars, cluster):
    return Engine(published, SAMPLING).membership(stars, cluster)


def test_order_of_the_stars_does_not_matter(published, stars, cluster, whole):
    engine = Engine(published, SAMPLING)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(90)
        same_bits(whole, engine.membership(stars.take(order), cluster), order)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 65])
def test_batches_do_not_matter(published, stars, cluster, whole, size):
    engine = Engine(published, SAMPLING)
    for first in range(0, 90, size):
        rows = slice(first, first + size)
        same_bits(whole, engine.membership(stars.take(rows), cluster), rows)


def test_number_of_threads_does_not_matter(published, stars, cluster, whole):
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            same_bits(whole, Engine(published, SAMPLING).membership(stars, cluster))
    finally:
        torch.set_num_threads(before)


def test_other_clusters_seeds_and_ids_give_other_draws(published, stars, cluster, whole):
    renumbered = stars.with_columns({"source_id": stars["source_id"] + 1})
    others = [
        Engine(published, replace(SAMPLING, seed=43)).membership(stars, cluster),
        Engine(published, SAMPLING).membership(stars, replace(cluster, cluster_key=1)),
        Engine(published, SAMPLING).membership(renumbered, cluster),
    ]
    for other in others:
        assert (other.mean_logit != whole.mean_logit).all()


def test_more_samples_begin_with_the_same_ones(published, stars, cluster):
    few = stars.take(slice(0, 20))
    engine_of = {n: Engine(published, replace(SAMPLING, n_samples=n)) for n in (10, 20)}
    votes = {n: e.membership(few, cluster).probability * n for n, e in engine_of.items()}
    assert ((votes[20] - votes[10] >= -1e-9) & (votes[20] - votes[10] <= 10 + 1e-9)).all()


def test_no_stars_give_no_results(published, stars, cluster):
    result = Engine(published, SAMPLING).membership(stars.take(slice(0, 0)), cluster)
    assert result.probability.shape == result.mean_logit.shape == result.n_samples.shape == (0,)
    assert result.probability.dtype == np.float64
