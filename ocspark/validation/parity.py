"""Compare clusters with the results of the published implementation (method §12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ocspark.sky.sphere import separation_rad

FEATURES = ("f_r", "f_pm", "f_plx", "f_c", "f_g")
#: Signs of the reference's features relative to ours: its f_C and f_G are isochrone − star.
_REFERENCE_SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0])
#: Number of samples behind each probability of the reference.
N_SAMPLES = 100
#: Clusters with fewer sources of 0 < p < 1 are judged in the pool only.
MIN_SOURCES_FOR_CHI2 = 300
#: Allowed mean chi² of the differences of probabilities.
CHI2_RANGE = (0.8, 1.25)


@dataclass(frozen=True)
class ClusterParity:
    """The comparison of one cluster with the reference.

    Attributes
    ----------
    cluster : str
        Name of the cluster.
    n_absent, n_training_absent : int
        Sources, and training members, of the reference that the Gaia input lacks; they are left out
        of every comparison.
    n_found_differing : int
        Listed stars with p = 1 that only one of the two found in the cone.
    n_training_reference, n_training_differing : int
        Training members of the reference, and those that only one of the two has.
    n_candidates, n_candidates_reference : int
        Candidates inside the reference's cone.
    jaccard : float
        Shared candidates over all candidates.
    feature_deviation_p99 : dict of float
        99th percentile of the deviation of each feature, in its standard deviations.
    n_between : int
        Sources with 0 < p < 1 in the mean of both.
    chi2 : float
        Mean of (p1 − p2)² over its expectation among these.
    mean_difference, mean_difference_error : float
        Mean of p1 − p2 over shared candidates, and its standard error.
    n_outside_reference_cone : int
        Our candidates outside the reference's smaller cone.
    failures : list of str
        Limits of method §12 that are exceeded.
    """

    cluster: str
    n_absent: int
    n_training_absent: int
    n_found_differing: int
    n_training_reference: int
    n_training_differing: int
    n_candidates: int
    n_candidates_reference: int
    jaccard: float
    feature_deviation_p99: dict[str, float]
    n_between: int
    chi2: float
    mean_difference: float
    mean_difference_error: float
    n_outside_reference_cone: int
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def compare_cluster(
    name: str,
    ours: dict[str, pd.DataFrame],
    reference: dict[str, pd.DataFrame],
    feature_std: np.ndarray,
    listed: pd.Index,
    available: pd.Index,
    centre: Mapping[str, float],
) -> tuple[ClusterParity, np.ndarray]:
    """Compare one cluster with the reference.

    Parameters
    ----------
    name : str
        Name of the cluster.
    ours, reference : dict of DataFrame
        ``candidates`` and ``training_members`` of the cluster, indexed by source_id; of the
        reference also ``non_members``. The comparison is inside the reference's cone, which is
        smaller than the method's.
    feature_std : array, shape (5,)
        Standard deviations stored with the model.
    listed : Index
        source_id of the listed members with p = 1.
    available : Index
        source_id of every row of the Gaia input.
    centre : mapping
        The reference's ra, dec [deg], pmra, pmdec [mas/yr], parallax [mas] and dist [pc]. If the
        input lacks training members of the reference, our centre must differ, so that f_R, f_μ and
        f_ϖ are then compared about the reference's centre.

    Returns
    -------
    ClusterParity
    array
        chi² of each source with 0 < p < 1, for `pool`.
    """
    ids = [table.index for table in reference.values()]
    n_absent = len(ids[0].union(ids[1]).union(ids[2]).difference(available))
    n_training_absent = len(reference["training_members"].index.difference(available))
    reference = {name: t[t.index.isin(available)] for name, t in reference.items()}
    cone = reference["candidates"].index.union(reference["non_members"].index)
    own = ours["candidates"]
    inside = own[own.index.isin(cone)]
    both = inside.index.intersection(reference["candidates"].index)
    union = len(inside.index.union(reference["candidates"].index))
    found = inside.index[inside["is_training_member"]]
    n_found_differing = len(found.symmetric_difference(cone.intersection(listed)))
    training, training_reference = (
        ours["training_members"].index,
        reference["training_members"].index,
    )
    n_differing = len(training.symmetric_difference(training_reference))

    a, b = inside.loc[both], reference["candidates"].loc[both]
    if n_training_absent:
        a = _about(a, centre)
    deviation = np.abs(
        a[list(FEATURES)].to_numpy() - b[list(FEATURES)].to_numpy() * _REFERENCE_SIGNS
    ) / np.asarray(feature_std)
    p99 = np.quantile(deviation, 0.99, axis=0) if len(both) else np.zeros(5)
    p1, p2 = a["probability"].to_numpy(), b["PMemb"].to_numpy()
    mean = (p1 + p2) / 2
    between = (mean > 0) & (mean < 1)
    chi2 = (p1 - p2)[between] ** 2 / (2 * mean * (1 - mean) / N_SAMPLES)[between]
    difference = p1 - p2
    error = float(np.std(difference) / np.sqrt(max(len(both), 1)))

    result = ClusterParity(
        cluster=name,
        n_absent=n_absent,
        n_training_absent=n_training_absent,
        n_found_differing=n_found_differing,
        n_training_reference=len(training_reference),
        n_training_differing=n_differing,
        n_candidates=len(inside),
        n_candidates_reference=len(reference["candidates"]),
        jaccard=len(both) / union if union else 1.0,
        feature_deviation_p99={f: float(v) for f, v in zip(FEATURES, p99, strict=True)},
        n_between=int(between.sum()),
        chi2=float(chi2.mean()) if len(chi2) else float("nan"),
        mean_difference=float(difference.mean()) if len(both) else 0.0,
        mean_difference_error=error,
        n_outside_reference_cone=len(own) - len(inside),
    )
    result.failures.extend(_failures(result))
    return result, chi2


def _about(stars: pd.DataFrame, centre: Mapping[str, float]) -> pd.DataFrame:
    """Return the stars with f_R, f_μ and f_ϖ relative to another centre."""
    theta = separation_rad(stars["ra"], stars["dec"], centre["ra"], centre["dec"])
    motion = np.hypot(stars["pmra"] - centre["pmra"], stars["pmdec"] - centre["pmdec"])
    return stars.assign(
        f_r=centre["dist"] * theta, f_pm=motion, f_plx=stars["parallax"] - centre["parallax"]
    )


def _failures(r: ClusterParity) -> list[str]:
    """Return the limits of method §12 that a cluster exceeds, in words."""
    failures = []
    if r.n_found_differing:
        failures.append(f"{r.n_found_differing} stars with p = 1 found in the cone differ")
    if r.n_training_differing > max(1.0, 0.005 * r.n_training_reference):
        failures.append(f"{r.n_training_differing} training members differ")
    if r.jaccard < 0.98:
        failures.append(f"Jaccard {r.jaccard:.4f} < 0.98")
    for name, value in r.feature_deviation_p99.items():
        if value > 0.01:
            failures.append(f"{name} off by {value:.3f} deviations at the 99th percentile")
    if r.n_between >= MIN_SOURCES_FOR_CHI2 and not CHI2_RANGE[0] <= r.chi2 <= CHI2_RANGE[1]:
        failures.append(f"chi2 {r.chi2:.3f} outside {CHI2_RANGE}")
    if abs(r.mean_difference) > 0.005 + 3 * r.mean_difference_error:
        failures.append(f"mean difference {r.mean_difference:+.4f}")
    return failures


def pool(results: list[ClusterParity], chi2: np.ndarray) -> dict[str, Any]:
    """Return totals over clusters, and the limits of method §12 that they exceed (``failures``).

    Parameters
    ----------
    results : list of ClusterParity
        The clusters.
    chi2 : array
        chi² of each source with 0 < p < 1, of all clusters.
    """
    shared = sum(
        r.jaccard * (r.n_candidates + r.n_candidates_reference) / (1 + r.jaccard) for r in results
    )
    total = sum(r.n_candidates + r.n_candidates_reference for r in results)
    jaccard = shared / (total - shared) if total else 1.0
    pooled = float(chi2.mean()) if len(chi2) else float("nan")
    failures = []
    if jaccard < 0.995:
        failures.append(f"Jaccard over all {jaccard:.4f} < 0.995")
    if not CHI2_RANGE[0] <= pooled <= CHI2_RANGE[1]:
        failures.append(f"pooled chi2 {pooled:.3f} outside {CHI2_RANGE}")
    return {
        "clusters": len(results),
        "clusters_failing": sum(bool(r.failures) for r in results),
        "candidates": sum(r.n_candidates for r in results),
        "candidates_reference": sum(r.n_candidates_reference for r in results),
        "jaccard": jaccard,
        "chi2": pooled,
        "sources_between": len(chi2),
        "failures": failures,
    }
