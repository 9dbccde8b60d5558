"""Network evaluations a second, from candidates to probabilities, against the published loop.

The baseline is `calculate_candidate_probs` of gaia_oc_amd as it comes, but for its files, which
are kept out of the time: it is given its tables and model from memory and writes nothing. Both
use the same candidates of all clusters, and all cores.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np
import pandas as pd
import torch

from ocspark.deepsets.kernel import Kernel
from ocspark.deepsets.weights import load_model
from ocspark.keyed import normals, star_keys, subsets
from ocspark.membership.engine import Engine, Sampling
from ocspark.membership.sampling import sample_measurements, sampled_features
from ocspark.release import package_file
from ocspark.selection.model import ClusterModel
from tests.benchmarks.candidates import Case, cases
from tests.benchmarks.measure import RUNS, WARM_UPS, Comparison

_PACKAGE, _MODEL = "gaia_oc_amd", "candidate_evaluation/pretrained_models/DS10_v02"
_SAMPLING = Sampling(n_samples=40, support_size=10, seed=42, leave_one_out=True)
#: Multiplications and additions of the matrix products in one evaluation.
_FLOP = 2 * (4 * 10 * 64 * 64 + 4 * 64 * 64 + 64 * 64 + 64 * 2 + 5 * 64)


def run() -> Comparison:
    """Compare over all clusters; the worst of them, phases and the peak are printed beside."""
    warnings.filterwarnings("ignore", module=_PACKAGE)
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    model = load_model("DS10_v02")
    engine = Engine(model, _SAMPLING, threads=threads)
    published = _published_module()
    all_cases = cases()
    ours, theirs = (np.empty((WARM_UPS + RUNS, len(all_cases))) for _ in range(2))
    squares = expected = 0.0
    for turn in range(WARM_UPS + RUNS):
        for i, case in enumerate(all_cases):
            calculate = _given(published, case)
            ours[turn, i], p = _time(lambda c=case: engine.membership(c.stars, c.cluster))
            theirs[turn, i], _ = _time(calculate)
            p, q = p.probability[~case.support], published.candidates["PMemb"][~case.support]
            squares += float(((p - q) ** 2).sum())
            expected += float((p * (1 - p) + q * (1 - q)).sum()) / _SAMPLING.n_samples
    # they differ as two binomial draws do (but for members, which leave themselves out of ours)
    if not 0.8 < squares / expected < 1.25:
        raise RuntimeError(f"not the same work: {squares / expected:.2f} of the sampling variance")
    done = np.array([len(c.support) for c in all_cases]) * _SAMPLING.n_samples
    ours, theirs = ours[WARM_UPS:], theirs[WARM_UPS:]
    ratios = np.median(theirs, axis=0) / np.median(ours, axis=0)
    largest = all_cases[int(done.argmax())]
    extra = {
        "threads": threads,
        "clusters": len(all_cases),
        "worst_cluster": all_cases[int(ratios.argmin())].cluster.cluster,
        "worst_ratio": float(ratios.min()),
        "baseline_slowest_fastest": [float(f((done / theirs).mean(axis=0))) for f in (min, max)],
        **_parts(largest, threads),
    }
    return Comparison(
        float(done.sum() / np.median(ours.sum(axis=1))),
        "evaluations/s",
        f"gaia_oc_amd sampling loop without its file access, both on {threads} cores",
        float(done.sum() / np.median(theirs.sum(axis=1))),
        extra,
    )


def _time(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _median(work: Callable[[], object]) -> float:
    return statistics.median([_time(work)[0] for _ in range(WARM_UPS + RUNS)][WARM_UPS:])


def _parts(case: Case, threads: int) -> dict[str, object]:
    """Return phases on one thread, the share of the peak, and a plain torch forward pass."""
    model, cluster = load_model("DS10_v02"), case.cluster
    rows = slice(0, 80)
    stars, samples = case.stars.take(rows), np.arange(40)
    keys = star_keys(42, cluster.cluster_key, stars["source_id"])
    n, n_support = len(keys) * len(samples), len(cluster.support_id)
    drawn = sample_measurements(stars, normals(keys, samples, 5))
    star = model.standardise(sampled_features(stars, drawn, cluster), cluster.distance)
    star = np.ascontiguousarray(star.reshape(-1, 5))
    chosen = np.ascontiguousarray(subsets(keys, samples, n_support, 10).reshape(-1, 10))
    kernel = Kernel(model.state, model.width)
    prepared = kernel.prepare(
        model.standardise_cluster(cluster.a0, cluster.log_age, cluster.parallax),
        model.standardise(cluster.support_features, cluster.distance),
        10,
    )
    phases = {
        "draws": _median(lambda: sample_measurements(stars, normals(keys, samples, 5))),
        "features": _median(lambda: sampled_features(stars, drawn, cluster)),
        "supports": _median(lambda: subsets(keys, samples, n_support, 10)),
        "network": _median(lambda: kernel.logits(star, chosen, prepared)),
    }
    torch.set_num_threads(1)
    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    peak = 2 * 1024**3 / _median(lambda: a @ b)
    torch.set_num_threads(threads)
    plain = Engine(model, _SAMPLING, "cpu")
    everything = len(case.support) * _SAMPLING.n_samples
    speed = everything / _median(lambda: plain.membership(case.stars, cluster))
    fast = Engine(model, _SAMPLING, threads=threads)
    own = everything / _median(lambda: fast.membership(case.stars, cluster))
    return {
        "plain_torch": speed,
        "ratio_to_plain_torch": own / speed,
        "phases_us": {name: seconds / n * 1e6 for name, seconds in phases.items()},
        "network_gflops": n * _FLOP / phases["network"] / 1e9,
        "sgemm_gflops": peak / 1e9,
    }


class _Candidates(pd.DataFrame):
    def to_csv(self, *_: object) -> None:  # type: ignore[override]
        """Write nothing."""


def _published_module() -> ModuleType:
    """Return the published module, reading and showing nothing."""
    root = package_file(_PACKAGE, "io.py").parent
    spec = find_spec(_PACKAGE)
    assert spec is not None
    sys.modules[_PACKAGE] = module_from_spec(spec)  # not run: its __init__ asks for astroquery
    module = importlib.import_module(f"{_PACKAGE}.candidate_evaluation.membership_probability")
    model, details = (
        load(root / _MODEL) for load in (module.load_model, module.load_hyper_parameters)
    )
    module.load_model = lambda _: model
    module.load_hyper_parameters = lambda _: details
    module.tqdm = lambda samples, **_: samples
    return module


def _given(module: ModuleType, case: Case) -> Callable[[], None]:
    """Return the published loop with this cluster in place of its files."""
    parameters = _parameters(case.cluster)
    table = pd.DataFrame(dict(case.stars.columns))
    module.add_features(table, module.Cluster(parameters))
    module.candidates = _Candidates(table)
    sets = (table[case.support], module.candidates, None, None)
    module.load_cluster = lambda _: parameters
    module.load_sets = lambda _: sets
    sampling = (_SAMPLING.n_samples, _SAMPLING.support_size)
    return lambda: module.calculate_candidate_probs("", "", *sampling, seed=_SAMPLING.seed)


def _parameters(cluster: ClusterModel) -> dict[str, object]:
    names = "ra dec pmra pmdec parallax a0 delta_pm delta_plx_plus delta_c delta_g".split()
    parameters = {name: getattr(cluster, name) for name in names}
    parameters |= {"age": cluster.log_age, "dist": cluster.distance}
    parameters |= {"delta_plx_min": cluster.delta_plx_minus}
    parameters["isochrone"] = pd.DataFrame(cluster.curve, columns=["g_rp", "phot_g_mean_mag"])
    return parameters
