"""Settings, releases, models and column maps are read from wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from ocspark import storage
from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.inputs.catalogues import column_map
from ocspark.inputs.isochrones import read_isochrones
from ocspark.release import load_release
from ocspark.settings import conf_path, load_settings
from ocspark.training.model_folder import write_model
from ocspark.training.training_set import Standardisation


def put(name: str, root: str) -> str:
    """Copy a file of ``conf/`` into a folder; return its path there."""
    path = f"{root}/{name.rpartition('/')[2]}"
    storage.make_directory(root)
    storage.write_file(path, conf_path(name).read_bytes())
    return path


def test_settings(root: str) -> None:
    storage.make_directory(root)
    path = f"{root}/settings.yaml"
    needed = {name: {"path": name} for name in ("mirror", "clusters", "members")}
    storage.write_file(path, yaml.safe_dump({**needed, "search": {"sigmas": 7.0}}))
    assert load_settings(path).search.sigmas == 7.0
    with pytest.raises(InputError, match=r"other\.yaml: no such file; expected YAML settings"):
        load_settings(f"{root}/other.yaml")


def test_a_release(root: str) -> None:
    assert load_release(put("releases/dr3.yaml", root)) == load_release("dr3")
    with pytest.raises(InputError, match=r"release: .*other\.yaml: no such file"):
        load_release(f"{root}/other.yaml")


def test_a_column_map(root: str) -> None:
    path = put("catalogues/hunt_2023.yaml", root)
    assert column_map(path, "--catalogue") == column_map("hunt_2023", "--catalogue")


def test_isochrones(root: str) -> None:
    path = put("sample/isochrones.dat.gz", root)
    ours = read_isochrones(str(conf_path("sample/isochrones.dat.gz")), None)
    assert read_isochrones(path, None).equals(ours)
    assert read_isochrones(root, None).equals(ours)  # a folder of them


def test_a_model_is_read_from_where_it_was_written(root: str) -> None:
    torch = pytest.importorskip("torch")
    published = load_model("DS10_v02")
    constants = Standardisation(
        published.source_mean, published.source_std, published.cluster_mean, published.cluster_std
    )
    state = {name: torch.from_numpy(values) for name, values in published.state.items()}
    write_model(f"{root}/model", "own", state, constants, "dr3", {"training_clusters": ["Pole_1"]})
    for name in (f"{root}/model", f"{root}/model/", f"{root}/model/card.json"):
        model = load_model(name)
        assert model.name == "own" and model.seen == {"Pole_1"}
        assert model.state.keys() == published.state.keys()
        assert all(np.array_equal(model.state[k], published.state[k]) for k in model.state)
        assert np.array_equal(model.source_mean, published.source_mean)
    storage.remove_file(f"{root}/model/weights.npz")
    with pytest.raises(InputError, match=r"model/weights\.npz: no such file"):
        load_model(f"{root}/model")
