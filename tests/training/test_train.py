"""Training: parity with the published step, metrics, exact resume, several processes."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec, module_from_spec

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from ocspark.deepsets.network import DeepSets
from ocspark.errors import InputError
from ocspark.training.train import Trainer, read_progress
from ocspark.training.train_blocks import Blocks
from ocspark.training.train_gradients import Gradients
from ocspark.training.train_metrics import METRICS, metrics
from ocspark.training.train_network import dropout_masks, logits
from ocspark.training.train_workers import TrainingJob, train_here, train_local
from ocspark.training.training_set import load_training_set
from ocspark.training.training_settings import LoopSettings
from tests.helpers.training_set import write_training_set

LOOP = LoopSettings(width=16, batch_size=200, learning_rate=3e-3, max_epochs=4, device="cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On a busy machine, threads of so small a network wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("training_set") / "set"
    write_training_set(path)
    return str(path)


@pytest.fixture(scope="module")
def data(folder):
    return load_training_set(folder)


def train(data, loop, checkpoint=None):
    trainer = Trainer(data.training, data.validation, loop, "test")
    trainer.run(checkpoint)
    return trainer


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


# -- the network ------------------------------------------------------------------------------


def tiled(star, support):
    return torch.cat((star[:, None, :].expand(-1, support.shape[1], -1), support), dim=2)


def test_the_trained_function_is_the_network_in_values_and_gradients(data):
    torch.manual_seed(5)
    network = DeepSets(width=32).eval()
    star, support, label = data.training.batch(torch.arange(300))
    own = logits(network, star, support, None)
    torch.nn.functional.cross_entropy(own, label, reduction="sum").backward()
    gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    plain = network(tiled(star, support))
    torch.nn.functional.cross_entropy(plain, label, reduction="sum").backward()
    torch.testing.assert_close(own, plain, rtol=1e-4, atol=1e-5)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("width", [32, 24])  # written out; by autograd, not a whole vector
def test_gradients_are_those_of_the_network_in_float64(data, width):
    torch.manual_seed(5)
    network = DeepSets(width=width)
    loop = LOOP.model_copy(update={"width": width, "dropout": 0.0, "class_weights": (1.0, 5.0)})
    rows = torch.arange(len(data.training))  # a whole block, and one in part
    blocks = Blocks(network, loop)
    tally = blocks.tally(data.training, rows, torch.Generator().manual_seed(1))
    exact = DeepSets(width=width).double().eval()
    exact.load_state_dict(network.state_dict())
    star, support, label = data.training.batch(rows)
    out = exact(tiled(star, support).double())
    loss = torch.nn.functional.cross_entropy(
        out, label, torch.tensor([1.0, 5.0], dtype=torch.float64), reduction="sum"
    )
    loss.backward()
    assert len(rows) > 512 and tally[0].item() == pytest.approx(loss.item(), rel=1e-5)
    for name, parameter in exact.named_parameters():
        own = network.get_parameter(name).grad.double()
        scale = parameter.grad.abs().max().item()
        torch.testing.assert_close(own, parameter.grad, rtol=0, atol=1e-5 * scale)


def test_written_out_gradients_under_dropout_are_those_of_autograd(data):
    torch.manual_seed(5)
    network = DeepSets(width=32)
    star, support, _ = data.training.batch(torch.arange(100))
    masks = dropout_masks(100, 32, 0.5, torch.Generator().manual_seed(3))
    error = torch.randn(100, 2)
    out = logits(network, star, support, masks)
    expected = torch.autograd.grad(out, list(network.parameters()), error)
    own = Gradients(network, 128, 10)
    torch.testing.assert_close(own.logits(star, support, masks), out.detach())
    got = {name: torch.empty_like(parameter) for name, parameter in network.named_parameters()}
    own.write(error, got)
    for name, value in zip(got, expected, strict=True):
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-5)


def test_dropout_masks_keep_the_mean_and_drop_the_rate():
    masks = dropout_masks(2000, 16, 0.25, torch.Generator().manual_seed(1))
    assert masks.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert masks.mean().item() == pytest.approx(1.0, abs=0.02)
    assert (masks == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


# -- against the published trainer ------------------------------------------------------------


def published_training():
    spec = find_spec("gaia_oc_amd")
    sys.modules["gaia_oc_amd"] = module_from_spec(spec)  # not run: it asks for astroquery
    module = importlib.import_module("gaia_oc_amd.machine_learning.training")

    class Bar:
        def update(self):
            pass

        def set_postfix(self, _):
            pass

    module.tqdm = lambda *_, **__: Bar()
    return module, importlib.import_module("gaia_oc_amd.machine_learning.deepsets_zaheer").D5


def test_an_epoch_moves_the_weights_as_the_published_step_does(data):
    loop = LOOP.model_copy(update={"dropout": 0.0, "learning_rate": 1e-3, "width": 32})
    trainer = Trainer(data.training, data.validation, loop, "test")
    module, published = published_training()
    network = published(32, x_dim=13, pool="mean", out_dim=2)
    network.load_state_dict(trainer.network.state_dict())
    for layer in network.ro:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    order = torch.randperm(len(data.training), generator=trainer._generator(0, 0))
    batches = []
    for rows in order.split(loop.batch_size):
        star, support, label = data.training.batch(rows)
        target = torch.nn.functional.one_hot(label, 2).float()
        batches.append((tiled(star, support), target))
    criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0]), reduction="sum")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-5)
    loss, theirs = module.step(batches, network, optimiser, criterion, 0, "train")
    ours = trainer._train(0)
    moved = 0.0
    start = Trainer(data.training, data.validation, loop, "test").network.state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trainer.network.state_dict()[name], value, rtol=0, atol=2e-5)
        moved = max(moved, (value - start[name]).abs().max().item())
    assert moved > 1e-3  # the agreement is not that of standing still
    assert ours["loss"] * len(data.training) == pytest.approx(loss * len(batches), rel=1e-3)
    for name in METRICS:
        assert ours[name] == pytest.approx(theirs[name], abs=2e-3)


# -- metrics ----------------------------------------------------------------------------------


def test_metrics_agree_with_scikit_learn_on_the_same_predictions(data):
    trainer = train(data, LOOP.model_copy(update={"max_epochs": 1}))
    star, support, label = data.validation.batch(torch.arange(len(data.validation)))
    with torch.no_grad():
        called = trainer.network.eval()(tiled(star, support)).argmax(dim=1).numpy()
    true = label.numpy()
    got = trainer.progress.history[0]["validation"]
    expected = {
        "precision": precision_score(true, called),
        "recall": recall_score(true, called),
        "selectivity": recall_score(true, called, pos_label=0),
        "accuracy": accuracy_score(true, called),
        "balanced_accuracy": balanced_accuracy_score(true, called),
        "f1": f1_score(true, called),
    }
    assert 0 < expected["f1"] < 1
    for name in METRICS:
        assert got[name] == pytest.approx(expected[name], rel=1e-9), name


def test_metrics_of_nothing_are_0():
    assert metrics(0, 0, 0, 0) == dict.fromkeys(METRICS, 0.0)
    assert metrics(0, 0, 10, 5)["f1"] == 0.0


# -- the run ----------------------------------------------------------------------------------


def test_training_learns_and_keeps_the_epoch_with_the_best_f1(data):
    changes = {"max_epochs": 20, "batch_size": 50, "dropout": 0.2, "width": 32}
    loop = LOOP.model_copy(update={**changes, "learning_rate": 3e-3})
    progress = train(data, loop).progress
    f1 = [entry["validation"]["f1"] for entry in progress.history]
    assert progress.best_epoch == 1 + int(np.argmax(f1))
    assert max(f1) > 0.9
    assert progress.history[-1]["train"]["loss"] < 0.5 * progress.history[0]["train"]["loss"]
    kept = Trainer(data.training, data.validation, loop, "test", start=progress.best)
    assert kept.evaluate("validation")["f1"] == pytest.approx(max(f1), abs=1e-12)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(data):
    one, two = (train(data, LOOP).network.state_dict() for _ in range(2))
    assert_same_weights(one, two)
    other = train(data, LOOP.model_copy(update={"seed": 43})).network.state_dict()
    assert not torch.equal(one["ro.4.weight"], other["ro.4.weight"])


def test_the_number_of_threads_changes_no_bit(data):
    loop = LOOP.model_copy(update={"batch_size": 1000, "max_epochs": 2})
    alone = train(data, loop)
    torch.set_num_threads(3)
    try:
        shared = train(data, loop)
    finally:
        torch.set_num_threads(1)
    assert_same_weights(alone.network.state_dict(), shared.network.state_dict())


def test_a_run_that_was_interrupted_ends_in_the_same_bits(data, tmp_path):
    whole = train(data, LOOP)
    checkpoint = str(tmp_path / "checkpoint.pt")
    train(data, LOOP.model_copy(update={"max_epochs": 2}), checkpoint)
    assert len(read_progress(checkpoint).history) == 2
    resumed = train(data, LOOP, checkpoint)
    assert_same_weights(whole.network.state_dict(), resumed.network.state_dict())
    assert_same_weights(whole.progress.best, resumed.progress.best)
    for one, two in zip(whole.progress.history, resumed.progress.history, strict=True):
        assert (one["train"], one["validation"]) == (two["train"], two["validation"])


def test_a_finished_run_does_nothing_more(data, tmp_path):
    checkpoint = str(tmp_path / "checkpoint.pt")
    one = train(data, LOOP, checkpoint).progress
    payload = (tmp_path / "checkpoint.pt").read_bytes()
    two = train(data, LOOP, checkpoint).progress
    assert one.history == two.history
    assert (tmp_path / "checkpoint.pt").read_bytes() == payload


def test_training_stops_when_f1_has_not_risen_for_the_patience(data):
    loop = LOOP.model_copy(update={"max_epochs": 200, "patience": 3, "learning_rate": 1e-2})
    progress = train(data, loop).progress
    assert len(progress.history) == progress.best_epoch + 3 < 200


def test_a_checkpoint_of_other_settings_is_refused(folder, tmp_path):
    checkpoint = str(tmp_path / "checkpoint.pt")
    train_here(TrainingJob(folder, LOOP, checkpoint))
    other = LOOP.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(InputError, match="other settings"):
        train_here(TrainingJob(folder, other, checkpoint))


def test_a_file_that_is_no_checkpoint_is_refused(folder, tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="not a checkpoint"):
        train_here(TrainingJob(folder, LOOP, str(path)))


def test_two_processes_take_the_steps_of_one(folder, data, tmp_path):
    # without dropout, whose masks are drawn per process, only the order of additions differs
    loop = LOOP.model_copy(update={"dropout": 0.0, "max_epochs": 2, "learning_rate": 1e-3})
    alone = train(data, loop).progress
    checkpoint = str(tmp_path / "checkpoint.pt")
    train_local(TrainingJob(folder, loop.model_copy(update={"workers": 2}), checkpoint))
    shared = read_progress(checkpoint)
    assert len(shared.history) == 2
    for part in ("train", "validation"):
        assert shared.history[0][part]["loss"] == pytest.approx(
            alone.history[0][part]["loss"], rel=1e-3
        )
    for name, value in alone.best.items():
        torch.testing.assert_close(shared.best[name], value, rtol=0, atol=1e-4)
