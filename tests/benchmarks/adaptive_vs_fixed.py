"""Evaluations that adaptive sampling saves, and whether it decides as a long run does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ocspark.deepsets.weights import load_model
from ocspark.membership.adaptive import THRESHOLDS, band
from ocspark.membership.engine import Engine, Membership, Sampling
from tests.benchmarks.candidates import cases
from tests.benchmarks.measure import Comparison, compare

_FIXED = Sampling(n_samples=100, support_size=10, seed=42, leave_one_out=True)
#: The long run draws its own samples, so that agreement is not built in.
_LONG = replace(_FIXED, n_samples=1000, seed=43)


def run() -> Comparison:
    """Compare stars a second; evaluations and agreement stand beside."""
    model, all_cases = load_model("DS10_v02"), cases()
    judged: dict[str, list[Membership]] = {}

    def judge(name: str, sampling: Sampling) -> float:
        engine = Engine(model, sampling)
        judged[name] = [engine.membership(case.stars, case.cluster) for case in all_cases]
        return sum(len(case.support) for case in all_cases)

    compared = compare(
        lambda: judge("adaptive", replace(_FIXED, adaptive=True)),
        lambda: judge("fixed", _FIXED),
        "stars/s",
        "100 samples for every star, same engine, 1 core",
    )
    judge("long", _LONG)
    p = {
        name: np.concatenate([result.probability for result in results])
        for name, results in judged.items()
    }
    drawn = np.concatenate([result.n_samples for result in judged["adaptive"]])
    agreement = {}
    for name in ("adaptive", "fixed"):
        for t in THRESHOLDS:
            far = np.abs(p["long"] - t) > band(t)
            same = (p[name] >= t) == (p["long"] >= t)
            agreement[f"{name}_{t}"] = float(same[far].mean())
    extra = {
        "fewer_evaluations": float(_FIXED.n_samples / drawn.mean()),
        "stars": len(drawn),
        "agreement_with_1000_samples": agreement,
    }
    return replace(compared, extra=extra)
