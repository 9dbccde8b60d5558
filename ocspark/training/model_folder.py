"""Write a model's folder: weights, and a JSON card that describes them and their inputs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ocspark import storage
from ocspark.deepsets.weights import CARD_FORMAT, CLUSTER_FEATURES, FOLDER_CARD, SOURCE_FEATURES
from ocspark.training.training_set import Standardisation

WEIGHTS = "weights.npz"


def write_model(
    path: str,
    name: str,
    state: Mapping[str, Tensor],
    constants: Standardisation,
    release: str,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a model for `ocspark.deepsets.weights.load_model`; the card is written last.

    Parameters
    ----------
    path : str
        The model's folder.
    name : str
        Name of the model.
    state : mapping of Tensor
        Parameters of the network.
    constants : Standardisation
        Means and standard deviations of the features.
    release : str
        Gaia release of the training data.
    details : mapping
        Further entries of the card: training data, settings, metrics.

    Returns
    -------
    dict
        The card.
    """
    buffer = io.BytesIO()
    arrays: Any = {key: value.detach().cpu().numpy() for key, value in state.items()}
    np.savez(buffer, **arrays)
    payload = buffer.getvalue()
    card = {
        "format": CARD_FORMAT,
        "name": name,
        "weights": WEIGHTS,
        "weights_sha256": hashlib.sha256(payload).hexdigest(),
        "release": release,
        "hidden_size": int(state["phi.0.Gamma.weight"].shape[0]),
        "source_features": list(SOURCE_FEATURES),
        "cluster_features": list(CLUSTER_FEATURES),
        # those of the paper: star − isochrone, and f_R = d θ
        "conventions": {"isochrone_sign": 1, "radius": "angle"},
        "source_feature_means": constants.source_mean.tolist(),
        "source_feature_stds": constants.source_std.tolist(),
        "cluster_feature_means": constants.cluster_mean.tolist(),
        "cluster_feature_stds": constants.cluster_std.tolist(),
        **details,
    }
    storage.make_directory(path)
    storage.write_file(storage.join(path, WEIGHTS), payload)
    storage.write_file(storage.join(path, FOLDER_CARD), json.dumps(card, indent=1))
    return card
