"""Read trained models from their cards and files of weights."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import yaml
from numpy.typing import NDArray

from ocspark import storage
from ocspark.deepsets.model import TrainedModel
from ocspark.errors import InputError
from ocspark.settings import conf_path

SOURCE_FEATURES = ("f_r", "f_pm", "f_plx", "f_c", "f_g")
CLUSTER_FEATURES = ("a0", "age", "parallax")
#: Features per set element: of the star, of the cluster and of a support member.
N_INPUTS = 2 * len(SOURCE_FEATURES) + len(CLUSTER_FEATURES)
#: Card of a model's folder, and the version of what it says.
FOLDER_CARD, CARD_FORMAT = "card.json", 1


def load_model(name: str) -> TrainedModel:
    """Return a model by its name in ``conf/models``, or by the path or URI of its folder or card.

    Raises
    ------
    InputError
        If it is unknown, its hash differs from the card's, or features, shapes or conventions are
        not those of the network.
    """
    card_path = _card_path(name)
    try:
        # JSON is YAML, so one reader serves the cards of folders and those of packages
        card = yaml.safe_load(storage.read_text(card_path))
        if card.get("format", CARD_FORMAT) != CARD_FORMAT:
            raise InputError(
                f"model: {card_path}: format {card['format']!r}; expected {CARD_FORMAT}"
            )
        weights_path = _data_file(card, "weights", card_path)
        # a card may name another file that has the constants
        details_path = _data_file(card, "card", card_path) if "card" in card else card_path
        expected, conventions = str(card["weights_sha256"]), card["conventions"]
        sign, radius = int(conventions["isochrone_sign"]), str(conventions["radius"])
        str(card["name"])  # needed further on
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"model: {card_path}: not a model card: {error!r}") from None
    if sign not in (-1, 1) or radius not in ("angle", "sine"):
        raise InputError(
            f"model: {card_path}: conventions: expected isochrone_sign 1 or -1 and "
            "radius angle or sine"
        )
    payload = storage.read_bytes(weights_path)
    digest = hashlib.sha256(payload).hexdigest()
    if digest != expected:
        raise InputError(
            f"model: {weights_path}: SHA-256 is {digest}; expected {expected} "
            f"({card_path.rpartition('/')[2]})"
        )
    return _assemble(payload, digest, details_path, weights_path, card, sign, radius)


def parameter_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the network's parameters at a hidden width."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(0, 10, 2):
        inputs = N_INPUTS if layer == 0 else width
        shapes[f"phi.{layer}.Gamma.weight"] = (width, inputs)
        shapes[f"phi.{layer}.Gamma.bias"] = (width,)
        shapes[f"phi.{layer}.Lambda.weight"] = (width, inputs)
    for layer, outputs in ((1, width), (4, 2)):
        shapes[f"ro.{layer}.weight"] = (outputs, width)
        shapes[f"ro.{layer}.bias"] = (outputs,)
    return shapes


def _read_state(payload: bytes, path: str) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of a weights file: numpy's, or torch's where torch is installed."""
    try:
        if path.endswith(".npz"):
            with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
                return {name: arrays[name].astype(np.float32) for name in arrays.files}
        import torch

        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        return {name: values.numpy().astype(np.float32) for name, values in state.items()}
    except ImportError:
        raise InputError(
            f"model: {path}: torch reads such weights and is not installed; expected .npz, or "
            "pip install 'ocspark[train]'"
        ) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or repr(error)
        raise InputError(f"model: {path}: not weights: {reason}") from None


def _card_path(name: str) -> str:
    """Return the card of a name in ``conf/models`` or of a path or URI."""
    paths = [name] if name.endswith((".yaml", ".yml", ".json")) else []
    in_folder = storage.join(name, FOLDER_CARD)
    if "/" in name or name in (".", ".."):
        paths.append(in_folder)
    elif name and not paths:
        ours = conf_path("models", f"{name}.yaml"), conf_path("models", name, FOLDER_CARD)
        paths = [*map(str, ours), in_folder]
    for path in paths:
        if storage.is_file(path):
            return path
    models = conf_path("models")
    known = {p.stem for p in models.glob("*.yaml")}
    known |= {p.parent.name for p in models.glob(f"*/{FOLDER_CARD}")}
    raise InputError(
        f"model: {name!r} is not known; expected {', '.join(sorted(known))}, or the path of a "
        "model's folder or card"
    )


def _data_file(card: dict[str, str], key: str, card_path: str) -> str:
    path = storage.join(card_path.rpartition("/")[0] or ".", card[key])
    if not storage.is_file(path):
        raise InputError(f"model: {path}: no such file (named by {card_path})")
    return path


def _assemble(
    payload: bytes,
    digest: str,
    details_path: str,
    weights_path: str,
    card: dict[str, str],
    sign: int,
    radius: str,
) -> TrainedModel:
    try:
        details = json.loads(storage.read_text(details_path))
        width = int(details["hidden_size"])
        if tuple(details["source_features"]) != SOURCE_FEATURES or (
            tuple(details["cluster_features"]) != CLUSTER_FEATURES
        ):
            raise InputError(
                f"model: {details_path}: features are {details['source_features']}, "
                f"{details['cluster_features']}; expected {SOURCE_FEATURES}, {CLUSTER_FEATURES}"
            )
        constants = [
            np.array(details[f"{kind}_feature_{which}"], dtype=np.float64)
            for kind in ("source", "cluster")
            for which in ("means", "stds")
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"model: {details_path}: not a model's constants: {error!r}") from None
    if [c.shape for c in constants] != [(5,), (5,), (3,), (3,)]:
        raise InputError(
            f"model: {details_path}: expected 5 source and 3 cluster means and deviations"
        )
    state = _read_state(payload, weights_path)
    expected = parameter_shapes(width)
    shapes = {name: values.shape for name, values in state.items()}
    wrong = [name for name in {**expected, **shapes} if shapes.get(name) != expected.get(name)]
    if wrong:
        raise InputError(
            f"model: {weights_path}: not weights of a Deep Sets network of width {width} with "
            f"{N_INPUTS} inputs: {wrong[0]} has shape {shapes.get(wrong[0])}; expected "
            f"{expected.get(wrong[0])}"
        )
    seen = [*details.get("training_clusters", []), *details.get("validation_clusters", [])]
    return TrainedModel(
        name=str(card["name"]),
        sha256=digest,
        state=state,
        width=width,
        source_mean=constants[0],
        source_std=constants[1],
        cluster_mean=constants[2],
        cluster_std=constants[3],
        isochrone_sign=sign,
        radius=radius,
        release=str(card.get("release", "")),
        seen=frozenset(seen),
    )
