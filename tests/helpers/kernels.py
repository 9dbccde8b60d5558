"""Small inputs for the kernel tests: random stars, a cluster, a network, and plain references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ocspark.deepsets.model import TrainedModel
from ocspark.selection.model import ClusterModel
from ocspark.tables.stars import CalibratedStars

STAR_ERRORS = ("parallax", "pmra", "pmdec", "phot_g_mean_mag", "g_rp")


def isochrone_curve(n: int = 60) -> NDArray[np.float64]:
    """A curve (C, G) with a main sequence, a turn-off and a giant branch."""
    t = np.linspace(0.0, 1.0, n)
    colour = 0.2 + 1.1 * t**1.5
    main_sequence = np.column_stack((colour, 11.0 + 8.0 * t))[::-1]
    giants = np.column_stack((0.3 + 0.6 * t, 10.8 - 1.5 * np.sin(2 * t)))
    return np.concatenate((main_sequence, giants))


def random_stars(n: int, seed: int, ra: float = 133.0, dec: float = 12.0) -> CalibratedStars:
    """Stars about a cluster at parallax 3.3 mas, proper motion (−8, −4) mas/yr."""
    rng = np.random.default_rng(seed)
    curve = isochrone_curve()
    place = curve[rng.integers(0, len(curve), n)]
    stars = {
        "source_id": np.sort(rng.choice(2**62, n, replace=False)),
        "ra": (ra + rng.normal(0, 1.0, n)) % 360.0,
        "dec": dec + rng.normal(0, 0.9, n),
        "parallax": 3.3 + rng.normal(0, 0.25, n),
        "pmra": -8.0 + rng.normal(0, 0.6, n),
        "pmdec": -4.0 + rng.normal(0, 0.6, n),
        "g_rp": place[:, 0] + rng.normal(0, 0.06, n),
        "phot_g_mean_mag": place[:, 1] + rng.normal(0, 0.4, n),
        "parallax_error": rng.uniform(0.02, 0.2, n),
        "pmra_error": rng.uniform(0.02, 0.2, n),
        "pmdec_error": rng.uniform(0.02, 0.2, n),
        "g_rp_error": rng.uniform(0.001, 0.02, n),
        "phot_g_mean_mag_error": rng.uniform(0.0005, 0.005, n),
        "parallax_pmra_corr": rng.uniform(-0.6, 0.6, n),
        "parallax_pmdec_corr": rng.uniform(-0.6, 0.6, n),
        "pmra_pmdec_corr": rng.uniform(-0.6, 0.6, n),
    }
    return CalibratedStars(stars)


def make_cluster(support: CalibratedStars | None = None, **changes: object) -> ClusterModel:
    """Return a cluster at 300 pc whose support features come from `support` by plain formulas."""
    cluster = ClusterModel(
        cluster_key=-123456789012345,
        cluster="Toy_1",
        ra=133.0,
        dec=12.0,
        pmra=-8.0,
        pmdec=-4.0,
        parallax=3.3,
        distance=300.0,
        log_age=8.6,
        a0=0.2,
        delta_pm=2.0,
        delta_plx_plus=0.3,
        delta_plx_minus=0.4,
        delta_c=0.15,
        delta_g=1.2,
        curve=isochrone_curve(),
        training_id=np.empty(0, np.int64),
        training_probability=1.0,
        support_id=np.empty(0, np.int64),
        support_features=np.empty((0, 5)),
        isochrone_log_age=8.6,
        isochrone_age_offset=0.0,
    )
    if support is not None:
        rows = [
            plain_features(
                cluster, *(float(support[name][i]) for name in ("ra", "dec", *STAR_ERRORS))
            )
            for i in range(len(support))
        ]
        cluster = replace(
            cluster,
            training_id=support["source_id"],
            support_id=support["source_id"],
            support_features=np.array(rows),
        )
    return replace(cluster, **changes)


def plain_features(
    cluster: ClusterModel,
    ra: float,
    dec: float,
    parallax: float,
    pmra: float,
    pmdec: float,
    g: float,
    colour: float,
) -> list[float]:
    """The five features of one star, straight from Eqs. 11 and 13–15 (spherical law of cosines)."""
    a, b = np.radians(dec), np.radians(cluster.dec)
    # Eq. 12 with its sign put right, in the form that stays exact for small angles
    cosine = np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(np.radians(ra - cluster.ra))
    sine = np.hypot(
        np.cos(a) * np.sin(np.radians(ra - cluster.ra)),
        np.cos(b) * np.sin(a) - np.sin(b) * np.cos(a) * np.cos(np.radians(ra - cluster.ra)),
    )
    scaled = ((colour - cluster.curve[:, 0]) / cluster.delta_c) ** 2
    scaled = scaled + ((g - cluster.curve[:, 1]) / cluster.delta_g) ** 2
    nearest = cluster.curve[np.argmin(scaled)]
    return [
        cluster.distance * float(np.arctan2(sine, cosine)),
        float(np.sqrt((pmra - cluster.pmra) ** 2 + (pmdec - cluster.pmdec) ** 2)),
        parallax - cluster.parallax,
        colour - float(nearest[0]),
        g - float(nearest[1]),
    ]


def random_state(seed: int, width: int = 64, n_in: int = 13) -> dict[str, NDArray[np.float32]]:
    """Random weights under the names of the published state dict."""
    rng = np.random.default_rng(seed)

    def weights(n_out: int, inputs: int) -> NDArray[np.float32]:
        return rng.normal(0, 1.2 / np.sqrt(inputs), (n_out, inputs)).astype(np.float32)

    state = {}
    for layer in range(5):
        inputs = n_in if layer == 0 else width
        state[f"phi.{2 * layer}.Gamma.weight"] = weights(width, inputs)
        state[f"phi.{2 * layer}.Gamma.bias"] = rng.normal(0, 0.3, width).astype(np.float32)
        state[f"phi.{2 * layer}.Lambda.weight"] = weights(width, inputs)
    for index, n_out in ((1, width), (4, 2)):
        state[f"ro.{index}.weight"] = weights(n_out, width)
        state[f"ro.{index}.bias"] = rng.normal(0, 0.3, n_out).astype(np.float32)
    return state


def random_network(seed: int, isochrone_sign: int = 1, radius: str = "angle") -> TrainedModel:
    """A model with random weights and simple standardisation constants."""
    return TrainedModel(
        name="random",
        sha256="0" * 64,
        state=random_state(seed),
        width=64,
        source_mean=np.array([5.0, 0.5, 0.0, 0.01, -0.1]),
        source_std=np.array([4.0, 0.5, 0.2, 0.1, 0.6]),
        cluster_mean=np.array([0.5, 8.3, 2.0]),
        cluster_std=np.array([0.4, 0.5, 1.0]),
        isochrone_sign=isochrone_sign,
        radius=radius,
        release="dr3",
    )


def forward_float64(state: dict[str, NDArray], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The network of method §8 in numpy float64: x of shape (m, k, 13) gives logits (m, 2)."""
    w = {name: np.asarray(value, dtype=np.float64) for name, value in state.items()}

    def elu(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(v > 0, v, np.expm1(np.minimum(v, 0.0)))

    x = np.asarray(x, dtype=np.float64)
    for layer in range(5):
        name = f"phi.{2 * layer}."
        common = x.mean(axis=1, keepdims=True) @ w[name + "Lambda.weight"].T
        x = elu(x @ w[name + "Gamma.weight"].T + w[name + "Gamma.bias"] - common)
    pooled = x.mean(axis=1)
    hidden = elu(pooled @ w["ro.1.weight"].T + w["ro.1.bias"])
    return hidden @ w["ro.4.weight"].T + w["ro.4.bias"]


def to_tensor_state(arrays: dict) -> dict[str, torch.Tensor]:
    """A state dict of tensors from one of numpy arrays."""
    return {name: torch.as_tensor(value) for name, value in arrays.items()}


def network_inputs(m: int, k: int, seed: int):
    """Stars, cluster, support members, chosen sets, and the same as the network's plain input."""
    rng = np.random.default_rng(seed)
    star = rng.normal(0, 1, (m, 5)).astype(np.float32)
    cluster = rng.normal(0, 1, 3).astype(np.float32)
    support = rng.normal(0, 1, (k + 30, 5)).astype(np.float32)
    chosen = np.array([rng.permutation(k + 30)[:k] for _ in range(m)], np.int32)
    own = np.concatenate((star, np.tile(cluster, (m, 1))), axis=1)
    plain = np.concatenate((np.repeat(own[:, None], k, axis=1), support[chosen]), axis=2)
    return star, cluster, support, chosen, plain
