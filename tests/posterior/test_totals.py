"""Sums over a cluster's posteriors, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.posterior.totals import field_beneath, sum_up


def test_totals_are_the_sums_they_say():
    posterior = np.array([1.0, 0.8, 0.5, 0.2, 0.0, np.nan])
    votes = np.array([0.9, 0.4, 0.6, 0.7, 0.1, 1.0])
    g_mag = np.array([12.0, 14.0, 14.0, 16.0, 17.0, 15.0])
    totals = sum_up(posterior, votes, g_mag)
    assert totals.n_members == 3
    assert totals.expected_members == pytest.approx(2.5)
    assert totals.contaminants_posterior_50 == pytest.approx(0.7)
    assert totals.contaminants_votes_50 == pytest.approx(0.0 + 0.5 + 0.8)
    # by magnitude, which lie five widths of the kernel apart
    pair = (0.8 * 0.2 + 0.25) / (1.0 - (0.8 * 0.2 + 0.25) / 1.3)
    alone = 0.2 * 0.8 / (1.0 - 0.8)
    beneath = pair + alone
    assert totals.expected_members_error == pytest.approx(
        np.sqrt(beneath + (0.03 * 2.5) ** 2 + (0.25 * beneath) ** 2), rel=1e-4
    )


def test_where_all_stars_are_alike_the_field_beneath_is_what_a_count_on_and_off_gives():
    """30 members among 90 field stars of the same kind: all have q = 1/4."""
    rng = np.random.default_rng(1)
    assert field_beneath(np.full(120, 0.25), rng.uniform(15.0, 17.0, 120)) == pytest.approx(90.0)
    # 30 more members that nobody could mistake, at other magnitudes, change nothing
    q, g_mag = (
        np.append(np.full(120, 0.25), np.ones(30)),
        np.append(np.full(120, 16.0), [10.0] * 30),
    )
    assert field_beneath(q, g_mag) == pytest.approx(90.0)


def test_the_field_beneath_says_how_a_wrong_field_changes_the_number_of_members():
    """With a field taken 1 % too dense, a mixture whose number is fitted loses 0.01 B members."""
    rng = np.random.default_rng(2)
    n_members, n_field = 4000, 16000
    x = np.append(rng.normal(0.0, 0.1, n_members), rng.uniform(-1.0, 1.0, n_field))
    member = np.exp(-0.5 * (x / 0.1) ** 2) / (0.1 * np.sqrt(2.0 * np.pi))

    def fit(field: float) -> np.ndarray:
        n = 1000.0
        for _ in range(300):
            q = n * member / (n * member + field)
            n = q.sum()
        return q

    field = n_field / 2.0
    q = fit(field)
    change = (q.sum() - fit(1.01 * field).sum()) / 0.01
    assert change == pytest.approx(field_beneath(q, np.full(len(q), 16.0)), rel=0.02)
