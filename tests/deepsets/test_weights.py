"""Model cards: what is loaded, standardisation by hand, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.release import package_file
from tests.helpers.kernels import random_network, random_state, to_tensor_state
from tests.helpers.toyrun import ROOT

FOLDER = "candidate_evaluation/pretrained_models/DS10_v02"


class CardFolder:
    """A model card with its two files; change the pieces, then `write`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: Any = to_tensor_state(random_state(60, width=16))
        self.weights: bytes | None = None
        self.details: dict[str, Any] = {
            "hidden_size": 16,
            "source_features": ["f_r", "f_pm", "f_plx", "f_c", "f_g"],
            "cluster_features": ["a0", "age", "parallax"],
            "source_feature_means": [1.0, 2.0, 3.0, 4.0, 5.0],
            "source_feature_stds": [1.0, 2.0, 4.0, 8.0, 16.0],
            "cluster_feature_means": [0.5, 8.0, 1.0],
            "cluster_feature_stds": [0.25, 0.5, 2.0],
            "training_clusters": ["NGC_1", "NGC_2"],
            "validation_clusters": ["NGC_3"],
        }
        self.card: dict[str, Any] = {
            "name": "small",
            "weights": "weights.pt",
            "card": "details.json",
            "release": "dr3",
            "conventions": {"isochrone_sign": 1, "radius": "angle"},
        }

    def write(self) -> str:
        if self.weights is None:
            torch.save(self.state, self.folder / "weights.pt")
        else:
            (self.folder / "weights.pt").write_bytes(self.weights)
        payload = (self.folder / "weights.pt").read_bytes()
        (self.folder / "details.json").write_text(json.dumps(self.details))
        card = {"weights_sha256": hashlib.sha256(payload).hexdigest(), **self.card}
        path = self.folder / "small.yaml"
        path.write_text(yaml.safe_dump(card))
        return str(path)


@pytest.fixture
def card(tmp_path):
    return CardFolder(tmp_path)


def refused(path: str, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith("model: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_card_at_a_path_is_loaded(card):
    model = load_model(card.write())
    assert model.name == "small"
    assert model.width == 16
    assert (model.isochrone_sign, model.radius, model.release) == (1, "angle", "dr3")
    assert model.seen == {"NGC_1", "NGC_2", "NGC_3"}
    assert model.sha256 == hashlib.sha256((card.folder / "weights.pt").read_bytes()).hexdigest()
    np.testing.assert_array_equal(model.source_std, [1, 2, 4, 8, 16])
    np.testing.assert_array_equal(model.cluster_mean, [0.5, 8.0, 1.0])
    for name, values in random_state(60, width=16).items():
        np.testing.assert_array_equal(model.state[name], values)


def test_published_model_is_its_package_files():
    model = load_model("DS10_v02")
    weights = package_file("gaia_oc_amd", f"{FOLDER}/model_parameters")
    details = json.loads(package_file("gaia_oc_amd", f"{FOLDER}/hyper_parameters").read_text())
    card = json.loads((ROOT / "conf/models/DS10_v02/card.json").read_text())
    assert card["source"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    assert set(model.state) == set(state)
    for name, values in model.state.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, state[name].numpy())
    np.testing.assert_array_equal(model.source_std, details["source_feature_stds"])
    np.testing.assert_array_equal(model.cluster_mean, details["cluster_feature_means"])
    assert len(model.seen) == 864  # method §11


def test_weights_are_read_without_torch(card: CardFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = card.write()
    monkeypatch.setitem(sys.modules, "torch", None)
    assert load_model("DS10_v02").state["phi.0.Gamma.weight"].shape == (64, 13)
    refused(path, "weights.pt", "torch reads such weights", "ocspark[train]")


def test_published_model_has_the_conventions_it_was_trained_with():
    model = load_model("DS10_v02")
    assert (model.isochrone_sign, model.radius) == (-1, "sine")


FEATURES = np.array([[30.0, 0.5, -0.2, 0.05, -0.4], [1.0, 2.0, 3.0, 4.0, 5.0]])


def test_standardise_by_hand():
    model = random_network(61)
    expected = (FEATURES - model.source_mean) / model.source_std
    got = model.standardise(FEATURES, 300.0)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_array_equal(FEATURES[0], [30.0, 0.5, -0.2, 0.05, -0.4])  # left as it was


def test_standardise_turns_the_isochrone_features_of_a_model_with_the_other_sign():
    plain, turned = random_network(62), random_network(62, isochrone_sign=-1)
    flipped = FEATURES * np.array([1, 1, 1, -1, -1])
    np.testing.assert_array_equal(
        turned.standardise(FEATURES, 300.0), plain.standardise(flipped, 300.0)
    )


def test_standardise_takes_d_sin_theta_for_a_model_trained_on_it():
    # θ = 30 / 60 rad: d sin θ = 60 sin 0.5
    model = replace(
        random_network(63, radius="sine"), source_mean=np.zeros(5), source_std=np.ones(5)
    )
    got = model.standardise(FEATURES[:1], 60.0)
    assert got[0, 0] == pytest.approx(60 * math.sin(0.5), rel=1e-6)
    np.testing.assert_allclose(got[0, 1:], FEATURES[0, 1:], rtol=1e-6)


def test_standardise_keeps_the_shape_and_serves_no_star():
    model = random_network(64)
    cube = np.broadcast_to(FEATURES, (3, 2, 5))
    np.testing.assert_array_equal(
        model.standardise(cube, 300.0)[2], model.standardise(FEATURES, 300.0)
    )
    assert model.standardise(np.empty((0, 5)), 300.0).shape == (0, 5)


def test_standardise_cluster_by_hand():
    got = random_network(65).standardise_cluster(0.9, 8.8, 4.0)
    np.testing.assert_allclose(got, [1.0, 1.0, 2.0], rtol=1e-6)


def test_weights_of_another_hash_are_refused(card):
    card.card["weights_sha256"] = "0" * 64
    refused(card.write(), "weights.pt", "SHA-256", "0" * 64)


def test_one_changed_byte_is_noticed(card):
    path = card.write()
    payload = bytearray((card.folder / "weights.pt").read_bytes())
    payload[len(payload) // 2] ^= 1
    (card.folder / "weights.pt").write_bytes(payload)
    refused(path, "weights.pt", "SHA-256")


def test_another_width_is_refused(card):
    card.details["hidden_size"] = 64
    refused(card.write(), "weights.pt", "width 64")


def test_another_number_of_inputs_is_refused(card):
    card.state = to_tensor_state(random_state(66, width=16, n_in=12))
    refused(card.write(), "weights.pt", "13 inputs")


@pytest.mark.parametrize("name", ["ro.1.weight", "phi.0.Gamma.weight", "phi.8.Lambda.weight"])
def test_a_missing_parameter_is_refused(card, name):
    del card.state[name]
    refused(card.write(), "weights.pt", name)


def test_a_network_of_another_depth_is_refused(card):
    card.state["phi.10.Gamma.weight"] = card.state["phi.8.Gamma.weight"]
    refused(card.write(), "weights.pt", "phi.10")


@pytest.mark.parametrize("payload", [b"", b"not weights", b"PK\x03\x04 cut"])
def test_a_foreign_or_cut_weights_file_is_refused(card, payload):
    card.weights = payload
    refused(card.write(), "weights.pt")


def test_pickled_code_in_the_weights_is_refused(card):
    card.state = {"phi.0.Gamma.weight": Path("x")}
    refused(card.write(), "weights.pt")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source_features", ["f_r", "f_pm", "f_plx", "f_g", "f_c"]),
        ("source_features", ["f_r", "f_pm", "f_plx", "f_c"]),
        ("cluster_features", ["age", "a0", "parallax"]),
    ],
)
def test_another_list_of_features_is_refused(card, key, value):
    card.details[key] = value
    refused(card.write(), "details.json", "f_r")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source_feature_means", [1.0, 2.0, 3.0, 4.0]),
        ("cluster_feature_stds", [1.0, 2.0]),
        ("source_feature_stds", ["a", "b", "c", "d", "e"]),
        ("hidden_size", "wide"),
        ("hidden_size", None),
    ],
)
def test_constants_of_another_shape_or_kind_are_refused(card, key, value):
    card.details[key] = value
    refused(card.write(), "details.json")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null"])
def test_a_details_file_that_is_not_a_mapping_is_refused(card, text):
    path = card.write()
    (card.folder / "details.json").write_text(text)
    refused(path, "details.json")


@pytest.mark.parametrize(
    "conventions",
    [{"isochrone_sign": 2, "radius": "angle"}, {"isochrone_sign": 1, "radius": "cosine"}],
)
def test_unknown_conventions_are_refused(card, conventions):
    card.card["conventions"] = conventions
    refused(card.write(), "small.yaml", "conventions")


@pytest.mark.parametrize("key", ["name", "weights", "card", "conventions"])
def test_a_card_that_lacks_an_entry_is_refused(card, key):
    del card.card[key]
    refused(card.write(), "small.yaml", key)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [", "just words"])
def test_a_card_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "card.yaml"
    path.write_text(text)
    refused(str(path), "card.yaml")


@pytest.mark.parametrize("file", ["weights.pt", "details.json"])
def test_a_file_that_the_card_names_and_is_not_there_is_named(card, file):
    path = card.write()
    (card.folder / file).unlink()
    refused(path, file)


@pytest.mark.parametrize("name", ["DS10_v99", "DS10_v01", "nowhere/card.yaml", ""])
def test_an_unknown_model_is_refused_with_the_known_ones(name):
    refused(name, "DS10_v02")
