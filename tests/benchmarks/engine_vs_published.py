"""Network evaluations a second, from candidates to probabilities, against the published loop.

The baseline is `calculate_candidate_probs` of gaia_oc_amd as it comes, but for its files, which
are kept out of the time: it is given its tables and model from memory and writes nothing.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from dataclasses import replace
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np
import pandas as pd
import torch

from ocspark.deepsets.weights import load_model
from ocspark.inputs.isochrones import default_isochrones
from ocspark.membership.engine import Engine, Sampling
from ocspark.physics.isochrone import apparent_isochrone
from ocspark.release import package_file
from ocspark.selection.candidates import features
from ocspark.selection.model import ClusterModel
from tests.benchmarks.measure import Comparison, compare
from tests.kernels import make_cluster, random_stars, take

_PACKAGE, _MODEL = "gaia_oc_amd", "candidate_evaluation/pretrained_models/DS10_v02"
_SAMPLING = Sampling(n_samples=40, support_size=10, seed=42, leave_one_out=True)
_STARS, _SUPPORT = 1000, 60


def run() -> Comparison:
    """Compare on toy candidates of a cluster with a real isochrone."""
    warnings.filterwarnings("ignore", module=_PACKAGE)
    stars = random_stars(_STARS, 90)
    for name in ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr"):
        stars[name] *= 0.5  # positive definite, without which the published loop stops
    ages = default_isochrones()
    isochrone = ages[
        ages["log_age"] == ages["log_age"].iloc[(ages["log_age"] - 8.6).abs().argmin()]
    ]
    curve = apparent_isochrone(isochrone, 300.0, 0.2)
    bare, support = make_cluster(curve=curve), take(stars, slice(0, _SUPPORT))
    cluster = replace(
        bare, support_id=support["source_id"], support_features=features(support, bare)
    )
    engine = Engine(load_model("DS10_v02"), _SAMPLING)
    published = _published(stars, cluster)
    result: dict[str, np.ndarray] = {}

    def ours() -> float:
        result["ours"] = engine.membership(stars, cluster).probability
        return _STARS * _SAMPLING.n_samples

    def theirs() -> float:
        published.calculate_candidate_probs(
            "", "", _SAMPLING.n_samples, _SAMPLING.support_size, seed=_SAMPLING.seed
        )
        result["theirs"] = published.candidates["PMemb"].to_numpy()
        return _STARS * _SAMPLING.n_samples

    # the engine always uses one; more in the loop spin against each other on a busy machine
    torch.set_num_threads(1)
    compared = compare(
        ours,
        theirs,
        "evaluations/s",
        "gaia_oc_amd sampling loop without its file access, both with 1 torch thread",
    )
    _check(*(result[name][_SUPPORT:] for name in ("ours", "theirs")))
    return compared


def _check(p: np.ndarray, q: np.ndarray) -> None:
    """See that both did the same work: they differ as two binomial draws do (members left out)."""
    expected = (p * (1 - p) + q * (1 - q)).sum() / _SAMPLING.n_samples
    excess = float(((p - q) ** 2).sum() / expected)
    if not 0.7 < excess < 1.4:
        raise RuntimeError(f"not the same work: variance {excess:.2f} times that of the sampling")


class _Candidates(pd.DataFrame):
    def to_csv(self, *_: object) -> None:  # type: ignore[override]
        """Write nothing."""


def _published(stars: dict[str, np.ndarray], cluster: ClusterModel) -> ModuleType:
    """Return the published module, with this cluster in place of its files."""
    root = package_file(_PACKAGE, "io.py").parent
    spec = find_spec(_PACKAGE)
    assert spec is not None
    sys.modules[_PACKAGE] = module_from_spec(spec)  # not run: its __init__ asks for astroquery
    module = importlib.import_module(f"{_PACKAGE}.candidate_evaluation.membership_probability")
    parameters = {
        name: getattr(cluster, name)
        for name in "ra dec pmra pmdec parallax a0 delta_pm delta_plx_plus delta_c delta_g".split()
    }
    parameters |= {"age": cluster.log_age, "dist": cluster.distance}
    parameters |= {"delta_plx_min": cluster.delta_plx_minus}
    parameters["isochrone"] = pd.DataFrame(cluster.curve, columns=["g_rp", "phot_g_mean_mag"])
    table = pd.DataFrame(stars)
    module.add_features(table, module.Cluster(parameters))
    model, details = (
        load(root / _MODEL) for load in (module.load_model, module.load_hyper_parameters)
    )
    module.candidates = _Candidates(table)
    sets = (table.iloc[:_SUPPORT], module.candidates, None, None)
    module.load_cluster = lambda _: parameters
    module.load_sets = lambda _: sets
    module.load_model = lambda _: model
    module.load_hyper_parameters = lambda _: details
    module.tqdm = lambda samples, **_: samples
    return module
