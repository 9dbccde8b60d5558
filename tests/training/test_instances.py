"""Training instances: who is in them, how often, with which support sets; order does not matter."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.training.instances import choose_validation, draw_instances, random_order

RULES = {"duplicates": 2, "non_members_per_instance": 5, "support_size": 10}
MEMBERS = np.arange(100, 130, dtype=np.int64) * 7919


def non_members(n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(n).choice(2**60, n, replace=False))


def draw(n: int, seed: int = 42, key: int = 5, **rules: int):
    return draw_instances(seed, key, MEMBERS, non_members(n), **{**RULES, **rules})


def test_every_member_has_two_instances_with_different_support_sets():
    drawn = draw(1000)
    positive = drawn.is_member
    np.testing.assert_array_equal(np.bincount(drawn.star[positive]), np.full(30, 2))
    first, second = (drawn.support[positive & (drawn.copy == c)] for c in (0, 1))
    same = (np.sort(first) == np.sort(second)).all(axis=1)
    assert not same.any()


def test_support_sets_have_ten_different_members_and_never_the_member_itself():
    drawn = draw(1000)
    assert drawn.support.shape == (30 * 2 * 6, 10)
    assert drawn.support.min() == 0
    assert drawn.support.max() == 29
    assert all(len(set(row)) == 10 for row in drawn.support.tolist())
    own = drawn.is_member[:, None] & (drawn.support == drawn.star[:, None])
    assert not own.any()


def test_every_member_serves_in_support_sets_equally_often():
    drawn = draw(5000, non_members_per_instance=50)
    counts = np.bincount(drawn.support.ravel(), minlength=30)
    expected = drawn.support.size / 30
    # each is in 1/3 of the sets: binomial deviation √(n p (1 − p))
    assert np.abs(counts - expected).max() < 5 * np.sqrt(len(drawn.support) * (1 / 3) * (2 / 3))


def test_five_non_members_per_instance_without_repeats_while_they_last():
    drawn = draw(1000)
    chosen = drawn.star[~drawn.is_member]
    assert len(chosen) == 5 * 2 * 30
    assert len(set(chosen.tolist())) == len(chosen)
    assert (drawn.copy[~drawn.is_member] == 0).all()


@pytest.mark.parametrize("n", [300, 299, 150, 70, 1])
def test_too_few_non_members_are_padded_with_repeats(n):
    drawn = draw(n)
    counts = np.bincount(drawn.star[~drawn.is_member], minlength=n)
    assert counts.sum() == 300
    assert counts.max() - counts.min() <= 1  # whole rounds, the last in part
    assert set(counts) <= {300 // n, -(-300 // n)}


def test_which_non_members_are_padded_is_random():
    repeated = np.flatnonzero(np.bincount(draw(200).star[60:], minlength=200) == 2)
    assert len(repeated) == 100
    assert 60 < repeated.mean() < 140  # not the first or the last hundred


def test_draws_do_not_depend_on_which_other_non_members_were_kept():
    # a task hands over only the first in the random order; the draw must come out the same
    everyone = non_members(5000)
    kept = np.sort(everyone[random_order(42, 5, everyone)[:300]])
    whole = draw_instances(42, 5, MEMBERS, everyone, **RULES)
    part = draw_instances(42, 5, MEMBERS, kept, **RULES)
    np.testing.assert_array_equal(everyone[whole.star[60:]], kept[part.star[60:]])
    np.testing.assert_array_equal(whole.support, part.support)


def test_the_order_of_stars_does_not_matter_to_the_random_order():
    ids = non_members(500)
    shuffled = np.random.default_rng(1).permutation(ids)
    np.testing.assert_array_equal(
        ids[random_order(42, 5, ids)], shuffled[random_order(42, 5, shuffled)]
    )


@pytest.mark.parametrize("change", [{"seed": 43}, {"key": 6}])
def test_another_seed_or_cluster_gives_other_draws(change):
    one, other = draw(1000), draw(1000, **change)
    assert (one.support != other.support).any(axis=1).mean() > 0.99
    assert set(one.star[60:].tolist()) != set(other.star[60:].tolist())


@pytest.mark.parametrize(("n", "expected"), [(10, 3), (181, 54), (243, 72), (4, 1), (3, 0)])
def test_validation_has_int_of_30_percent_of_the_clusters(n, expected):
    keys = np.arange(n, dtype=np.int64) * 12345
    chosen = choose_validation(42, keys, 0.3)
    assert chosen.sum() == expected


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    keys = np.arange(100, dtype=np.int64) * 12345
    order = np.random.default_rng(2).permutation(100)
    chosen = choose_validation(42, keys, 0.3)
    np.testing.assert_array_equal(choose_validation(42, keys[order], 0.3), chosen[order])
    assert (choose_validation(43, keys, 0.3) != chosen).any()
