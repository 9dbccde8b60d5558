"""Keyed draws: SplitMix64's published numbers, distributions by scipy, nothing but the key."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from ocspark.keyed import normals, star_keys, subsets, uniforms

MASK = 2**64 - 1


def splitmix_finaliser(x: int) -> int:
    """The finaliser of SplitMix64 in plain integers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def some_keys(n: int, seed: int = 7, cluster: int = 99) -> np.ndarray:
    return star_keys(seed, cluster, np.arange(n, dtype=np.int64) * 34359738368 + 5)


def test_uniforms_are_splitmix64():
    # first outputs of SplitMix64 seeded with 1234567 (Rosetta Code, checked against the C of Vigna)
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    draws = uniforms(np.array([1234567], np.uint64), np.array([0]), np.arange(1, 6))
    np.testing.assert_allclose(draws[0, 0], [b / 2**64 for b in published], rtol=0, atol=2.0**-52)


def test_star_keys_hash_seed_cluster_and_source_in_turn():
    golden = 0x9E3779B97F4A7C15
    for seed, cluster, source in [(42, -5, 1), (0, 0, 0), (2**63 - 1, 2**63 - 1, 6 * 10**18)]:
        key = splitmix_finaliser((seed + golden) & MASK)
        key = splitmix_finaliser((key + cluster) & MASK)
        key = splitmix_finaliser((key + source) & MASK)
        assert int(star_keys(seed, cluster, np.array([source]))[0]) == key


def test_keys_differ_for_every_seed_cluster_and_source():
    keys = [
        star_keys(seed, cluster, np.arange(2000, dtype=np.int64) + 2**60)
        for seed in range(5)
        for cluster in (-1, 0, 1, 2, -(2**63), 2**63 - 1)
    ]
    assert len(np.unique(np.concatenate(keys))) == 5 * 6 * 2000


def test_a_draw_depends_on_its_key_sample_and_number_only():
    keys = some_keys(50)
    samples, draws = np.arange(20, dtype=np.int64), np.arange(30, dtype=np.int64)
    whole = uniforms(keys, samples, draws)
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_array_equal(uniforms(keys[order], samples, draws), whole[order])
    for i, s, d in [(0, 0, 0), (49, 19, 29), (13, 7, 4)]:
        alone = uniforms(keys[i : i + 1], samples[s : s + 1], draws[d : d + 1])
        assert alone[0, 0, 0] == whole[i, s, d]
    np.testing.assert_array_equal(normals(keys, samples[5:7], 5), normals(keys, samples, 5)[:, 5:7])
    np.testing.assert_array_equal(
        subsets(keys[3:4], samples[9:10], 25, 10)[0, 0], subsets(keys, samples, 25, 10)[3, 9]
    )


def test_uniforms_are_uniform_and_never_0_or_1():
    draws = uniforms(some_keys(500), np.arange(40), np.arange(10)).ravel()
    assert draws.min() > 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 1e-3
    counts = np.bincount((draws * 256).astype(int), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_draws_of_one_star_do_not_repeat():
    # 100 samples of 5 normals and 10 support draws
    draws = uniforms(some_keys(20), np.arange(100), np.arange(26))
    assert len(np.unique(draws)) == draws.size


def test_normals_are_standard_normal():
    z = normals(some_keys(400), np.arange(100), 5)
    assert z.shape == (400, 100, 5)
    assert np.isfinite(z).all()
    n = z[..., 0].size
    for j in range(5):
        values = z[..., j].ravel()
        assert stats.kstest(values, "norm").pvalue > 1e-3
        assert abs(values.mean()) < 4 / np.sqrt(n)
        assert abs(values.var() - 1) < 4 * np.sqrt(2 / n)
        assert abs(stats.skew(values)) < 4 * np.sqrt(6 / n)
        assert abs(stats.kurtosis(values)) < 4 * np.sqrt(24 / n)


def test_normals_are_the_inverse_distribution_of_the_uniforms():
    keys, samples = some_keys(10), np.arange(10)
    expected = stats.norm.ppf(uniforms(keys, samples, np.arange(5)))
    np.testing.assert_allclose(normals(keys, samples, 5), expected, rtol=1e-12)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) * np.sqrt(a.size)


def test_normals_of_neighbouring_draws_samples_sources_clusters_and_seeds_are_uncorrelated():
    samples = np.arange(100)
    ids = np.arange(300, dtype=np.int64) + 10**18  # consecutive ids
    z = normals(star_keys(1, 1, ids), samples, 5)
    for i, j in itertools.combinations(range(5), 2):
        assert abs(correlation(z[..., i], z[..., j])) < 4.5
    assert abs(correlation(z[:, 1:], z[:, :-1])) < 4.5
    assert abs(correlation(z[1:], z[:-1])) < 4.5
    assert abs(correlation(z, normals(star_keys(1, 2, ids), samples, 5))) < 4.5
    assert abs(correlation(z, normals(star_keys(2, 1, ids), samples, 5))) < 4.5


@pytest.mark.parametrize(("n", "size"), [(11, 10), (10, 10), (200, 10), (2, 1), (1, 1), (5000, 3)])
def test_subsets_have_no_repeats_and_stay_in_range(n, size):
    chosen = subsets(some_keys(60), np.arange(50), n, size)
    assert chosen.shape == (60, 50, size)
    assert chosen.min() >= 0
    assert chosen.max() < n
    ordered = np.sort(chosen, axis=-1)
    assert (np.diff(ordered, axis=-1) > 0).all()


def test_a_subset_of_all_items_is_all_items():
    chosen = np.sort(subsets(some_keys(30), np.arange(10), 7, 7), axis=-1)
    assert (chosen == np.arange(7)).all()


def test_every_subset_is_equally_likely():
    chosen = np.sort(subsets(some_keys(400), np.arange(100), 6, 3).reshape(-1, 3), axis=-1)
    codes = chosen @ np.array([36, 6, 1])
    found, counts = np.unique(codes, return_counts=True)
    assert len(found) == 20  # 6 over 3
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(("n", "size"), [(37, 10), (11, 10), (150, 10)])
def test_every_item_and_every_pair_of_items_is_equally_likely(n, size):
    chosen = subsets(some_keys(300, seed=n), np.arange(100), n, size).reshape(-1, size)
    member = np.zeros((len(chosen), n))
    np.put_along_axis(member, chosen, 1, axis=1)
    p = size / n
    items = member.sum(axis=0)
    variance = len(chosen) * p * (1 - p)
    z = (items - len(chosen) * p) / np.sqrt(variance)
    # inclusion counts sum to a constant: Σ z² (n − 1) / n is chi² with n − 1 degrees of freedom
    assert stats.chi2.sf((z**2).sum() * (n - 1) / n, n - 1) > 1e-3
    together = (member.T @ member)[np.triu_indices(n, 1)] / len(chosen)
    expected = size * (size - 1) / (n * (n - 1))
    assert np.abs(together - expected).max() < 5.5 * np.sqrt(
        expected * (1 - expected) / len(chosen)
    )


def test_supports_and_normals_of_a_sample_are_independent():
    keys, samples = some_keys(400), np.arange(100)
    z = normals(keys, samples, 5)
    first = subsets(keys, samples, 50, 10)[..., 0]
    for j in range(5):
        assert abs(correlation(z[..., j], first)) < 4.5


def test_more_than_there_are_cannot_be_drawn():
    with pytest.raises(ValueError, match="11"):
        subsets(some_keys(2), np.arange(2), 10, 11)
