"""Parity figures on small tables worked out by hand (method §12)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import angular_separation

from ocspark.validation.parity import FEATURES, ClusterParity, compare_cluster, pool

STD = np.array([10.0, 1.0, 0.5, 0.1, 1.0])
CENTRE = {"ra": 10.0, "dec": 20.0, "pmra": 1.0, "pmdec": -1.0, "parallax": 2.0, "dist": 500.0}


class Case:
    """Equal results of ours and the reference for `n` candidates; change them, then `compare`.

    Ids 0 … n−1 are candidates, the first tenth training members; n … n+9 the reference's
    non-members.
    """

    def __init__(self, n: int = 400, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.n_training = n, n // 10
        index = pd.Index(np.arange(n), name="source_id")
        features = rng.normal(0, 1, (n, 5)) * STD
        self.ours = pd.DataFrame(features, index=index, columns=list(FEATURES))
        self.ours["is_training_member"] = np.arange(n) < self.n_training
        self.ours["probability"] = rng.integers(1, 100, n) / 100
        self.ours["ra"], self.ours["dec"] = rng.normal(10, 1, n), rng.normal(20, 1, n)
        self.ours["pmra"], self.ours["pmdec"] = rng.normal(1, 1, n), rng.normal(-1, 1, n)
        self.ours["parallax"] = rng.normal(2, 0.2, n)
        self.reference = self.ours[list(FEATURES)].copy()
        self.reference[["f_c", "f_g"]] *= -1  # the reference's sign
        self.reference["PMemb"] = self.ours["probability"]
        self.training = self.training_reference = index[: self.n_training]
        self.non_members = pd.Index(np.arange(n, n + 10))
        self.listed = index[: self.n_training]
        self.available = pd.Index(np.arange(-100, n + 10_000))

    def compare(self) -> tuple[ClusterParity, np.ndarray]:
        return compare_cluster(
            "Toy",
            {
                "candidates": self.ours,
                "training_members": pd.DataFrame(index=self.training),
            },
            {
                "candidates": self.reference,
                "training_members": pd.DataFrame(index=self.training_reference),
                "non_members": pd.DataFrame(index=self.non_members),
            },
            STD,
            self.listed,
            self.available,
            CENTRE,
        )


def failing(result: ClusterParity, *words: str) -> None:
    """One failure per word, and no other."""
    assert len(result.failures) == len(words), result.failures
    for word in words:
        assert any(word in failure for failure in result.failures), result.failures


def test_equal_results_have_no_deviation():
    case = Case(200)
    result, chi2 = case.compare()
    assert (result.jaccard, result.n_candidates, result.n_candidates_reference) == (1.0, 200, 200)
    assert set(result.feature_deviation_p99.values()) == {0.0}
    assert (result.n_found_differing, result.n_training_differing, result.n_absent) == (0, 0, 0)
    assert (chi2 == 0).all()
    assert len(chi2) == result.n_between == 200
    failing(result)  # 200 sources are too few for a verdict on chi²


def test_equal_probabilities_of_many_sources_are_too_good_to_be_independent():
    result, _ = Case(300).compare()
    assert result.n_between == 300
    failing(result, "chi2 0.000")


def test_chi2_is_that_of_two_samples_of_100():
    case = Case(4)
    case.ours["probability"] = [0.5, 0.0, 1.0, 0.98]
    case.reference["PMemb"] = [0.4, 0.02, 1.0, 1.0]
    result, chi2 = case.compare()
    # (p1 − p2)² · 100 / (2 p (1 − p)) with p the mean; the third is certain on both sides
    expected = [0.01 * 100 / (2 * 0.45 * 0.55), 0.04 / (2 * 0.01 * 0.99), 0.04 / (2 * 0.99 * 0.01)]
    np.testing.assert_allclose(chi2, expected, rtol=1e-9)
    assert result.n_between == 3
    assert result.chi2 == pytest.approx(np.mean(expected))
    assert result.mean_difference == pytest.approx((0.1 - 0.02 + 0.0 - 0.02) / 4)
    spread = np.std([0.1, -0.02, 0.0, -0.02])
    assert result.mean_difference_error == pytest.approx(spread / 2)


def test_binomial_draws_of_the_same_probabilities_pass_with_chi2_of_one():
    case, rng = Case(6000, seed=1), np.random.default_rng(2)
    p = rng.uniform(0.1, 0.9, 6000)
    case.ours["probability"] = rng.binomial(100, p) / 100
    case.reference["PMemb"] = rng.binomial(100, p) / 100
    result, chi2 = case.compare()
    assert result.chi2 == pytest.approx(1.0, abs=5 * math.sqrt(2 / 6000))
    failing(result)
    totals = pool([result], chi2)
    assert totals["failures"] == []
    assert totals["chi2"] == pytest.approx(result.chi2)
    # drawn from p and p + 0.02: the mean difference and chi² notice
    case.reference["PMemb"] = rng.binomial(100, p + 0.06) / 100
    result, _ = case.compare()
    failing(result, "chi2", "mean difference -0.0")


def test_jaccard_by_hand_and_its_limit():
    case = Case(200)
    case.ours = case.ours.drop(index=[150, 151])  # we miss two
    extra = case.ours.loc[[160]].set_axis([200])  # a non-member of the reference is ours
    case.ours = pd.concat([case.ours, extra])
    result, _ = case.compare()
    assert result.jaccard == pytest.approx(198 / 201)
    assert (result.n_candidates, result.n_candidates_reference) == (199, 200)
    failing(result)
    case.ours = case.ours.drop(index=[152, 153, 154])
    result, _ = case.compare()
    assert result.jaccard == pytest.approx(195 / 201)
    failing(result, "Jaccard")


def test_our_sources_outside_the_references_cone_are_only_counted():
    case = Case(100)
    outside = case.ours.iloc[:30].set_axis(np.arange(1000, 1030)).assign(probability=0.0)
    case.ours = pd.concat([case.ours, outside])
    result, chi2 = case.compare()
    assert result.n_outside_reference_cone == 30
    assert result.jaccard == 1.0
    assert len(chi2) == 100
    failing(result)


def test_sources_that_the_input_lacks_are_left_out_of_every_comparison():
    case = Case(100)
    gone = [5, 50, 51, 105]  # a training member, two candidates, a non-member
    case.ours = case.ours.drop(index=[5, 50, 51])
    case.training = case.training.drop(5)
    case.available = case.available.drop(gone)
    result, chi2 = case.compare()
    assert (result.n_absent, result.n_training_absent) == (4, 1)
    assert (result.n_candidates, result.n_candidates_reference, result.jaccard) == (97, 97, 1.0)
    assert (result.n_training_reference, result.n_training_differing) == (9, 0)
    assert result.n_found_differing == 0
    assert len(chi2) == 97


@pytest.mark.parametrize("feature", FEATURES)
def test_one_per_cent_of_the_stored_deviation_is_the_limit_for_a_feature(feature):
    column = FEATURES.index(feature)
    for shift, words in ((0.0099, ()), (0.0101, (feature,))):
        case = Case(200)
        case.ours[feature] += shift * STD[column]
        result, _ = case.compare()
        assert result.feature_deviation_p99[feature] == pytest.approx(shift, rel=1e-6)
        failing(result, *words)


def test_fewer_than_one_source_in_a_hundred_may_be_off():
    case = Case(250)
    case.ours.iloc[:2, 1] += 5.0
    failing(case.compare()[0])
    case.ours.iloc[2:5, 1] += 5.0
    failing(case.compare()[0], "f_pm")


@pytest.mark.parametrize(("sign", "word"), [(1, ()), (-1, ("f_c", "f_g"))])
def test_isochrone_features_are_compared_with_the_references_sign_turned(sign, word):
    case = Case(100)
    case.reference[["f_c", "f_g"]] *= sign
    failing(case.compare()[0], *word)


def test_where_training_members_are_absent_features_are_taken_about_the_references_centre():
    case = Case(100)
    ra, dec = np.radians(case.ours["ra"]), np.radians(case.ours["dec"])
    theta = angular_separation(ra, dec, np.radians(10.0), np.radians(20.0))
    case.reference["f_r"] = 500.0 * theta
    case.reference["f_pm"] = np.sqrt((case.ours["pmra"] - 1) ** 2 + (case.ours["pmdec"] + 1) ** 2)
    case.reference["f_plx"] = case.ours["parallax"] - 2.0
    result, _ = case.compare()
    failing(result, "f_r", "f_pm", "f_plx")
    # the same with one training member that the input lacks
    case.training_reference = case.training_reference.append(pd.Index([99_999]))
    result, _ = case.compare()
    assert result.n_training_absent == 1
    assert max(result.feature_deviation_p99.values()) < 1e-9
    failing(result)


@pytest.mark.parametrize(("n", "allowed"), [(100, 1), (4000, 2)])  # 10 and 400 training members
def test_one_training_member_or_half_a_per_cent_may_differ(n, allowed):
    for differing in (allowed, allowed + 1):
        case = Case(n)
        case.ours["probability"] = case.reference["PMemb"] = 1.0
        case.training = case.training[differing:]
        result, _ = case.compare()
        assert result.n_training_differing == differing
        failing(result, *(["training members differ"] if differing > allowed else []))


def test_listed_members_found_in_the_cone_must_be_the_same():
    case = Case(100)
    case.ours.loc[3, "is_training_member"] = False
    failing(case.compare()[0], "1 stars with p = 1")
    case = Case(100)
    case.ours.loc[30, "is_training_member"] = True
    failing(case.compare()[0], "1 stars with p = 1")
    case = Case(100)
    case.listed = case.listed.append(pd.Index([5000]))  # listed, but outside the reference's cone
    failing(case.compare()[0])


def test_no_source_between_0_and_1_gives_no_chi2_and_no_failure():
    case = Case(400)
    case.ours["probability"] = case.reference["PMemb"] = 1.0
    result, chi2 = case.compare()
    assert len(chi2) == result.n_between == 0
    assert math.isnan(result.chi2)
    failing(result)


def test_pool_adds_up_the_clusters():
    cases = [Case(100, seed=1), Case(300, seed=2)]
    cases[0].ours = cases[0].ours.drop(index=[60])
    cases[1].ours = cases[1].ours.drop(index=[60, 61, 62])
    compared = [case.compare() for case in cases]
    chi2 = np.concatenate([c for _, c in compared] + [np.full(396, 2.0)])
    totals = pool([result for result, _ in compared], chi2)
    assert totals["clusters"] == 2
    assert (totals["candidates"], totals["candidates_reference"]) == (396, 400)
    assert totals["jaccard"] == pytest.approx(396 / 400)
    assert totals["chi2"] == pytest.approx(1.0)
    assert totals["sources_between"] == 792
    assert len(totals["failures"]) == 1
    assert "Jaccard over all" in totals["failures"][0]


@pytest.mark.parametrize(
    ("value", "fails"), [(0.79, True), (0.81, False), (1.24, False), (1.26, True)]
)
def test_pooled_chi2_has_limits(value, fails):
    result, _ = Case(100).compare()
    failures = pool([result], np.full(1000, value))["failures"]
    assert bool(failures) is fails


def test_a_run_without_any_source_between_0_and_1_fails_the_pool():
    result, chi2 = Case(100).compare()
    assert pool([result], chi2[:0])["failures"]


def test_result_is_plain_for_json():
    fields = Case(50).compare()[0].as_dict()
    assert fields["cluster"] == "Toy"
    assert set(fields["feature_deviation_p99"]) == set(FEATURES)
