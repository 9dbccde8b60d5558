"""Stars judged a second where sampling stops, against all samples for each, at DR3's density.

``OCSPARK_BENCH_CLUSTERS`` is the number of clusters in the slice (2 by default), which is made
once, under ``runs/benchmarks``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ocspark.deepsets.weights import load_model
from ocspark.membership.engine import Engine, Membership, Sampling
from tests.benchmarks.dense import SEED, candidates_of, make_slice
from tests.benchmarks.measure import Comparison, compare, spark_session

_FIXED = Sampling(n_samples=100, support_size=10, seed=42, leave_one_out=True, adaptive=False)
#: Stars that are judged, evenly from all candidates.
_STARS = 20_000
_LEVELS = (0.1, 0.5, 0.9)


def run() -> Comparison:
    """Compare stars a second; evaluations and what has changed stand beside."""
    n_clusters = int(os.environ.get("OCSPARK_BENCH_CLUSTERS", 2))
    folder = Path("runs/benchmarks") / f"slice-{n_clusters}"
    with spark_session() as spark:
        make_slice(spark, folder, n_clusters)
        cases = candidates_of(spark, folder, folder / "characterised")
    n_candidates = sum(len(stars) for _, stars in cases)
    step = max(1, n_candidates // _STARS)
    cases = [(cluster, stars.take(slice(None, None, step))) for cluster, stars in cases]
    model = load_model("DS10_v02")
    judged: dict[str, list[Membership]] = {}

    def judge(name: str, sampling: Sampling) -> float:
        engine = Engine(model, sampling)
        judged[name] = [engine.membership(stars, cluster) for cluster, stars in cases]
        return sum(len(stars) for _, stars in cases)

    compared = compare(
        lambda: judge("adaptive", replace(_FIXED, adaptive=True)),
        lambda: judge("fixed", _FIXED),
        "stars/s",
        "100 samples for every star, same engine, 1 core",
    )
    p, fixed = (
        np.concatenate([result.probability for result in judged[name]])
        for name in ("adaptive", "fixed")
    )
    evaluations = np.concatenate([result.n_samples for result in judged["adaptive"]])
    extra = {
        "slice": f"{n_clusters} clusters of seed {SEED}, {n_candidates} candidates",
        "stars": len(p),
        "fewer_evaluations": float(_FIXED.n_samples / evaluations.mean()),
        "other_probability": int((p != fixed).sum()),
        "greatest_change": float(np.abs(p - fixed).max()),
        "mean_change": float((p - fixed).mean()),
        "other_call": {str(t): int(((p >= t) != (fixed >= t)).sum()) for t in _LEVELS},
    }
    return replace(compared, extra=extra)
