"""A trained model: weights, standardisation and the conventions it was trained with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainedModel:
    """Weights with everything needed to feed them.

    Attributes
    ----------
    name, sha256 : str
        Name and SHA-256 of the weights file.
    state : dict of arrays
        The network's parameters, float32, by their names in the published state dict.
    width : int
        Hidden width.
    source_mean, source_std : arrays, shape (5,)
        Standardisation of f_R, f_μ, f_ϖ, f_C, f_G in the model's own convention.
    cluster_mean, cluster_std : arrays, shape (3,)
        Standardisation of A0, log age, ϖ_c.
    isochrone_sign : int
        +1 if trained on star − isochrone (the paper), −1 on isochrone − star.
    radius : str
        "angle" for f_R = d θ (the paper), "sine" for d sin θ.
    release : str
        Release it was trained on.
    seen : frozenset of str
        Clusters it was trained or validated on.
    """

    name: str
    sha256: str
    state: dict[str, NDArray[np.float32]]
    width: int
    source_mean: NDArray[np.float64]
    source_std: NDArray[np.float64]
    cluster_mean: NDArray[np.float64]
    cluster_std: NDArray[np.float64]
    isochrone_sign: int
    radius: str
    release: str
    seen: frozenset[str] = field(default_factory=frozenset)

    def standardise(self, features: NDArray[np.float64], distance_pc: float) -> NDArray[np.float32]:
        """Return network inputs of features in the paper's convention.

        Parameters
        ----------
        features : array, shape (..., 5)
            f_R [pc], f_μ [mas/yr], f_ϖ [mas], f_C, f_G [mag].
        distance_pc : float
            The cluster's distance [pc].
        """
        own = np.array(features, dtype=np.float64)
        if self.radius == "sine":
            own[..., 0] = distance_pc * np.sin(own[..., 0] / distance_pc)
        own[..., 3:5] *= self.isochrone_sign
        return ((own - self.source_mean) / self.source_std).astype(np.float32)

    def standardise_cluster(
        self, a0: float, log_age: float, parallax: float
    ) -> NDArray[np.float32]:
        """Return network inputs, shape (3,), of A0 [mag], log age [dex] and ϖ_c [mas]."""
        values = np.array([a0, log_age, parallax])
        return ((values - self.cluster_mean) / self.cluster_std).astype(np.float32)
