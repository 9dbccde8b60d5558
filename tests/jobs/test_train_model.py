"""The training job from the command line: a model that loads, resumes, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from ocspark.deepsets.weights import load_model
from ocspark.errors import BusyError, InputError
from ocspark.store.claim import Claim
from ocspark.training.train_model import train_model
from ocspark.training.training_settings import load_training_settings
from tests.helpers.toyrun import ROOT
from tests.helpers.training_set import write_training_set

SMALL = ["width=16", "batch_size=100", "learning_rate=0.01", "max_epochs=3", "device=cpu"]


def options(folder: Path, *more: str) -> list[str]:
    return [f"set_path={folder / 'set'}", "name=small", *(f"training.{s}" for s in SMALL), *more]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write_training_set(folder / "set")
    train_model(load_training_settings(None, options(folder)), str(folder / "model"))
    return folder


def test_the_model_loads_with_the_constants_of_its_set(trained):
    model = load_model(str(trained / "model"))
    card = json.loads((trained / "set" / "card.json").read_text())
    assert (model.name, model.width, model.release) == ("small", 16, "dr3")
    assert (model.isochrone_sign, model.radius) == (1, "angle")
    np.testing.assert_array_equal(model.source_std, card["standardisation"]["source_std"])
    assert model.seen == {"A", "B", "C", "D"}


def test_the_card_states_the_metrics_of_the_epoch_that_was_kept(trained):
    card = json.loads((trained / "model" / "card.json").read_text())
    history = json.loads((trained / "model" / "history.json").read_text())
    assert len(history) == card["epochs"] == 3
    f1 = [entry["validation"]["f1"] for entry in history]
    assert card["metrics"]["validation"]["f1"] == max(f1) == f1[card["best_epoch"] - 1]


def test_training_is_drawn(trained):
    picture = imread(trained / "model" / "training.png")
    assert picture.shape[0] > 500
    assert picture[..., :3].std() > 0.05


def test_the_same_command_again_changes_nothing(trained):
    before = (trained / "model" / "weights.npz").read_bytes()
    train_model(load_training_settings(None, options(trained)), str(trained / "model"))
    assert (trained / "model" / "weights.npz").read_bytes() == before


def test_training_can_start_from_a_model(trained, tmp_path):
    more = [f"training.start_from={trained / 'model'}", "training.max_epochs=1"]
    settings = load_training_settings(None, options(trained, *more))
    card = train_model(settings, str(tmp_path / "tuned"))
    fresh = load_training_settings(None, options(trained, "training.max_epochs=1"))
    other = train_model(fresh, str(tmp_path / "fresh"))
    assert card["metrics"]["train"]["loss"] < other["metrics"]["train"]["loss"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["training.batch_size=0"], "training.batch_size"),
        (["training.optimiser=sgd"], "training.optimiser: unknown setting"),
        (["instances.validation_fraction=1.5"], "instances.validation_fraction"),
        (["mirror.path=m", "members.path=x", "members.min_members=10"], "support set"),
        (["name=../x"], "name"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(overrides, words):
    with pytest.raises(InputError, match=words):
        load_training_settings(None, overrides)


def test_conf_training_holds_the_defaults_of_the_code():
    from ocspark.training.training_settings import TrainingSettings

    assert load_training_settings() == TrainingSettings()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "x", "--set", "set_path=/nowhere"], "set_path: /nowhere"),
        (["--output", "x"], "mirror.path"),
        (["--set", "set_path=/nowhere"], "--output"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments, words):
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "train_model.py"), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [x for x in (done.stdout + done.stderr).splitlines() if x.startswith("ocspark: ")]
    assert done.returncode == 2
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_spark_tasks_end_in_the_weights_of_two_local_processes(trained, spark, tmp_path):
    weights = []
    for distributor in ("spark", "local"):
        more = ["training.workers=2", f"training.distributor={distributor}"]
        settings = load_training_settings(None, options(trained, *more))
        train_model(settings, str(tmp_path / distributor), spark)
        weights.append(load_model(str(tmp_path / distributor)).state)
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name])


def test_two_trainers_do_not_share_a_folder(trained):
    model = str(trained / "model")
    with (
        Claim(model, {"holds": "a model"}, "a model").hold(),
        pytest.raises(BusyError, match="another run is at work"),
    ):
        train_model(load_training_settings(None, options(trained)), model)
