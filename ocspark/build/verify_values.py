"""Check that a mirror's values are those of its release, whatever its columns are called.

Columns that have the right names may hold another release, another quantity or another sign. The
limits were set before any data of a release not yet published was there to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import spearmanr

from ocspark.build.findings import BIAS_STEP, EPOCH_STEP, NO_BIAS, FileFindings
from ocspark.build.verify_report import Check, ValueReport, make_check
from ocspark.release import Release

#: The median number of G observations may be this factor off the release's mean.
N_OBS_FACTOR = 2.0
#: Most of the sources with a parallax that may have no bias; the median bias [mas] from, to.
MOST_WITHOUT_BIAS, BIAS_RANGE_MAS = 0.5, (-0.1, 0.05)
#: Rank correlation of the bias with DR3's recipe from which on its sign must be the other one,
#: and the sources that it takes to say so.
FLIPPED, LEAST_COMPARED = -0.5, 100


def value_reports(found: Sequence[FileFindings], release: Release) -> list[ValueReport]:
    """Return facts about the values of a mirror, each with what is expected of its release.

    Parameters
    ----------
    found : sequence of FileFindings
    release : Release
    """
    epochs = _sum_counts(f.histograms.get("ref_epoch", {}) for f in found)
    n_obs = _sum_counts(f.histograms.get("phot_g_n_obs", {}) for f in found)
    reports = []
    if epochs:
        low, high = min(epochs) * EPOCH_STEP, max(epochs) * EPOCH_STEP
        good = low == high == release.epoch
        shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        reports.append(_report("ref_epoch [yr]", shown, f"{release.epoch:g}", good))
    if n_obs:
        middle, mean = _median(n_obs), release.performance.mean_n_obs
        good = mean / N_OBS_FACTOR <= middle <= mean * N_OBS_FACTOR
        expected = f"{mean / N_OBS_FACTOR:g} to {mean * N_OBS_FACTOR:g}"
        reports.append(_report("median phot_g_n_obs", f"{middle:g}", expected, good))
    if release.zero_point == "column":
        reports += _bias_reports(found)
    return reports


def _bias_reports(found: Sequence[FileFindings]) -> list[ValueReport]:
    biases = _sum_counts(f.histograms.get("parallax_bias", {}) for f in found)
    if not biases:
        return []
    missing = sum(n for step, n in biases.items() if step == NO_BIAS)
    share = missing / sum(biases.values())
    reports = [
        _report(
            "parallaxes without parallax_bias",
            f"{share:.2%}",
            f"at most {MOST_WITHOUT_BIAS:.0%}",
            share <= MOST_WITHOUT_BIAS,
        )
    ]
    there = {step: n for step, n in biases.items() if step != NO_BIAS}
    if there:
        middle, (low, high) = _median(there) * BIAS_STEP, BIAS_RANGE_MAS
        good = low <= middle <= high
        expected = f"{low:g} to {high:g}"
        reports.append(_report("median parallax_bias [mas]", f"{middle:.3f}", expected, good))
    bias = np.array([value for f in found for value in f.biases])
    recipe = np.array([value for f in found for value in f.recipe])
    if len(bias) >= LEAST_COMPARED and np.ptp(bias) > 0:
        rho = float(spearmanr(bias, recipe).statistic)
        name = f"rank correlation of parallax_bias and DR3's recipe ({len(bias)} sources)"
        reports.append(_report(name, f"{rho:.2f}", f"above {FLIPPED:g}", rho > FLIPPED))
    return reports


def check_values(reports: Sequence[ValueReport]) -> Check:
    """Check that all values are those of the release."""
    wrong = [f"{r.name}: {r.found}; expected {r.expected}" for r in reports if not r.passed]
    return make_check("values", "values are those of the release", wrong)


def check_codes(found: Sequence[FileFindings], release: Release) -> Check:
    """Check that the release's description lists all codes of solutions that there are."""
    codes = _sum_counts(f.histograms.get("solution", {}) for f in found)
    known = {*release.solution_codes.values(), *release.other_codes}
    unknown = {code: n for code, n in sorted(codes.items()) if code not in known}
    return make_check(
        "solution_codes",
        "the release's description lists all codes of solutions",
        [f"code {code} in {n} rows; expected one that it lists" for code, n in unknown.items()],
        counts={"codes": len(codes)},
    )


def _report(name: str, found: str, expected: str, passed: bool) -> ValueReport:
    return ValueReport(name=name, found=found, expected=expected, passed=passed)


def _sum_counts(some: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for counts in some:
        for step, n in counts.items():
            total[step] = total.get(step, 0) + n
    return total


def _median(counts: Mapping[int, int]) -> int:
    """Return the lower median of counted values."""
    steps = np.array(sorted(counts))
    sums = np.cumsum([counts[int(step)] for step in steps])
    return int(steps[np.searchsorted(sums, sums[-1] / 2)])
