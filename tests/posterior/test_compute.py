"""The whole of it on a simulated cluster in a simulated field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ocspark.posterior.compute import PosteriorResult, compute_posterior
from ocspark.posterior.settings import PosteriorSettings
from ocspark.posterior.sharing import share_stars
from tests.helpers.simulate import Simulation, a_cluster, simulate, with_columns

NO_INTERVALS = PosteriorSettings(n_replicates=0)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(250, 200_000, 1, a_cluster(), field_slope=0.6)


@pytest.fixture(scope="module")
def result(simulation) -> PosteriorResult:
    return compute_posterior(simulation.candidates, a_cluster(), PosteriorSettings(n_replicates=4))


def test_the_number_of_members_is_within_its_error(simulation, result):
    truth = simulation.is_member.sum()
    assert result.reason is None
    assert abs(result.totals.expected_members - truth) < 2 * result.totals.expected_members_error
    assert result.totals.expected_members_error < 0.1 * truth


def test_probabilities_mean_what_they_say(simulation, result):
    for low, high in ((0.02, 0.5), (0.5, 0.95), (0.95, 1.01)):
        some = (result.q >= low) & (result.q < high)
        expected, truth = result.q[some].sum(), simulation.is_member[some].sum()
        spread = np.sqrt((result.q[some] * (1 - result.q[some])).sum())
        assert abs(expected - truth) < 3 * spread + 0.02 * some.sum()


def test_members_are_found_and_field_stars_are_not(simulation, result):
    called = result.q >= 0.5
    assert simulation.is_member[called].mean() > 0.9
    assert called[simulation.is_member].mean() > 0.9
    contaminants = (~simulation.is_member[called]).sum()
    expected = result.totals.contaminants_posterior_50
    assert abs(contaminants - expected) < 3 * np.sqrt(expected) + 2


def test_what_was_drawn_is_found_again(result):
    fit = result.fit
    assert (fit.pmra, fit.pmdec) == (pytest.approx(-1.0, abs=0.02), pytest.approx(2.0, abs=0.02))
    assert fit.pm_width == pytest.approx(0.08, rel=0.2)
    # 250 members even in G = 11–19.5.
    at = np.interp(np.array([13.0, 15.0, 17.0]), fit.luminosity_g, fit.luminosity)
    np.testing.assert_allclose(at, 250 / 8.5, rtol=0.35)
    assert result.flags == ()


def test_intervals_hold_the_value_and_are_widest_in_doubt(result):
    assert np.all((result.low <= result.q) & (result.q <= result.high))
    width = result.high - result.low
    doubt = (result.q > 0.2) & (result.q < 0.8)
    assert 0.02 < np.median(width[doubt]) < 0.8
    assert np.median(width[result.q > 0.999]) < 0.02


def test_a_result_is_the_same_bits_each_time_and_whatever_comes_beside(simulation, result):
    """Stars beyond R among the rows change nothing."""
    candidates = simulation.candidates
    n = len(candidates.source_id)
    far = simulate(0, 3_000, 2, a_cluster()).candidates
    far = with_columns(far, xi=far.xi + 200.0)
    names = list(vars(candidates))
    both = {f: np.concatenate([getattr(candidates, f), getattr(far, f)]) for f in names}
    order = np.argsort(both["source_id"], kind="stable")
    unique = np.append(True, np.diff(both["source_id"][order]) > 0)
    order = order[unique]
    more = type(candidates)(**{f: both[f][order] for f in names})
    again = compute_posterior(more, a_cluster(), PosteriorSettings(n_replicates=4))
    from_first = np.isin(more.source_id, candidates.source_id)
    assert from_first.sum() == n
    np.testing.assert_array_equal(again.q[from_first], result.q)
    np.testing.assert_array_equal(again.low[from_first], result.low)
    assert np.all(np.isnan(again.q[~from_first]))


def test_a_star_without_a_measurement_has_probability_nought(simulation):
    parallax = simulation.candidates.parallax.copy()
    parallax[::500] = np.nan
    some = with_columns(simulation.candidates, parallax=parallax)
    result = compute_posterior(some, a_cluster(), NO_INTERVALS)
    np.testing.assert_array_equal(result.q[::500], 0.0)
    assert result.totals.expected_members > 200


def test_reasons_say_why_there_is_no_posterior(simulation):
    small = compute_posterior(simulation.candidates, a_cluster(4.0), NO_INTERVALS)
    assert small.reason == "the mirror covers 4.0 pc around the centre; a field needs 5 pc"
    none = with_columns(
        simulation.candidates, is_training_member=np.zeros(len(simulation.is_member), dtype=bool)
    )
    few = compute_posterior(none, a_cluster(), NO_INTERVALS)
    assert few.reason == "0 training members with all measurements within 30.0 pc; needs 15"
    assert few.fit is None
    for null in (small, few):
        assert np.all(np.isnan(null.q))
        assert null.totals is None


def test_training_members_that_are_not_recovered_are_a_reason(simulation):
    """Half of the training members are field stars: no fit calls them members."""
    candidates = simulation.candidates
    rng = np.random.default_rng(3)
    wrong = (
        (~simulation.is_member)
        & (candidates.phot_g_mean_mag < 18)
        & (rng.uniform(size=len(candidates.xi)) < 0.05)
    )
    mixed = with_columns(candidates, is_training_member=candidates.is_training_member | wrong)
    result = compute_posterior(mixed, a_cluster(), NO_INTERVALS)
    assert result.reason is not None
    assert "of the training members have a posterior >= 0.5; a fit needs 85 %" in result.reason
    assert result.fit is not None
    assert "training members" in result.flags


def test_a_small_cone_is_flagged(simulation):
    cluster = a_cluster(10.0)
    near = simulate(250, 20_000, 4, cluster)
    result = compute_posterior(near.candidates, cluster, NO_INTERVALS)
    assert "small cone" in result.flags
    truth = near.is_member.sum()
    assert abs(result.totals.expected_members - truth) < 2 * result.totals.expected_members_error


def test_an_isochrone_that_does_not_fit_is_flagged(simulation):
    cluster = a_cluster()
    shifted = replace(cluster.isochrone, colour=cluster.isochrone.colour + 0.12)
    result = compute_posterior(
        simulation.candidates, replace(cluster, isochrone=shifted), NO_INTERVALS
    )
    assert "colour shift" in result.flags or "colour width" in result.flags


def test_two_clusters_on_top_of_each_other_share_their_stars(simulation, result):
    """The same stars claimed twice: each keeps half, and no star is shared out more than once."""
    ids = np.tile(simulation.candidates.source_id, 2)
    q, low, high = (np.tile(values, 2) for values in (result.q, result.low, result.high))
    posterior, lower, upper = share_stars(ids, q, low, high)
    n = len(result.q)
    assert np.all(posterior[:n] + posterior[n:] <= 1.0)
    sure = result.q > 0.999
    np.testing.assert_allclose(posterior[:n][sure], 0.5, atol=0.001)
    assert np.all((lower <= posterior) & (posterior <= upper))
