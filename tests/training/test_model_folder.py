"""Model folders: what is written is loaded, by path or name; what does not fit is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.training.model_folder import write_model
from ocspark.training.training_set import Standardisation
from tests.helpers.kernels import random_state, to_tensor_state

CONSTANTS = Standardisation(
    np.arange(5.0), np.arange(1.0, 6.0), np.array([0.5, 8.0, 1.0]), np.array([0.2, 0.4, 1.0])
)


@pytest.fixture
def folder(tmp_path):
    state = to_tensor_state(random_state(70, width=16))
    write_model(
        str(tmp_path / "mine"),
        "mine",
        state,
        CONSTANTS,
        "dr3",
        {"training_clusters": ["A"], "validation_clusters": ["B"]},
    )
    return tmp_path / "mine"


def change(folder: Path, **entries: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **entries}))


def refused(path: Path | str, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(str(path))
    message = str(caught.value)
    assert message.startswith("model: ")
    for word in words:
        assert word in message


@pytest.mark.parametrize("path", ["", "card.json"])
def test_a_model_is_loaded_by_its_folder_or_card(folder, path):
    model = load_model(str(folder / path))
    assert (model.name, model.width, model.release, model.seen) == ("mine", 16, "dr3", {"A", "B"})
    assert (model.isochrone_sign, model.radius) == (1, "angle")
    np.testing.assert_array_equal(model.source_mean, CONSTANTS.source_mean)
    np.testing.assert_array_equal(model.cluster_std, CONSTANTS.cluster_std)
    for name, value in random_state(70, width=16).items():
        np.testing.assert_array_equal(model.state[name], value)


def test_a_relative_folder_is_loaded(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load_model("mine").name == "mine"
    assert load_model("./mine/").name == "mine"


def test_other_weights_than_the_card_names_are_refused(folder):
    payload = bytearray((folder / "weights.npz").read_bytes())
    payload[-1] ^= 1
    (folder / "weights.npz").write_bytes(payload)
    refused(folder, "weights.npz", "SHA-256", hashlib.sha256(payload).hexdigest())


def test_weights_of_another_shape_are_refused(folder):
    np.savez(folder / "weights.npz", **random_state(71, width=8))
    digest = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
    change(folder, weights_sha256=digest)
    refused(folder, "weights.npz", "width 16")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"conventions": {"isochrone_sign": 0, "radius": "angle"}}, ("conventions",)),
        ({"conventions": {"isochrone_sign": 1, "radius": "secant"}}, ("conventions",)),
        ({"conventions": {"radius": "angle"}}, ("isochrone_sign",)),
        ({"source_features": ["f_pm", "f_r", "f_plx", "f_c", "f_g"]}, ("features", "f_pm")),
        ({"source_feature_stds": [1.0, 1.0]}, ("5 source",)),
        ({"format": 2}, ("format 2", "expected 1")),
        ({"weights": "nothing.pt"}, ("nothing.pt", "no such file")),
    ],
)
def test_another_convention_feature_or_format_is_refused(folder, entries, words):
    change(folder, **entries)
    refused(folder, *words)


def test_a_folder_without_a_card_is_refused_with_the_known_names(tmp_path):
    refused(tmp_path, "DS10_v02")
