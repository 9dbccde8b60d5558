"""The Deep Sets network, against numpy float64 and the published module."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocspark.deepsets.network import DeepSets, PermutationEquivariant, build
from ocspark.deepsets.weights import load_model
from tests.helpers.kernels import forward_float64, random_state, to_tensor_state
from tests.helpers.published import published_module


def inputs(m: int, k: int, seed: int, n_in: int = 13) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (m, k, n_in))


@pytest.mark.parametrize(
    ("width", "n_in", "k"), [(64, 13, 10), (64, 13, 1), (16, 13, 3), (8, 5, 7)]
)
def test_forward_pass_equals_numpy(width, n_in, k):
    state = random_state(40, width, n_in)
    network = build(to_tensor_state(state), width).double()
    x = inputs(50, k, 41, n_in)
    got = network(torch.from_numpy(x)).numpy()
    assert got.shape == (50, 2)
    np.testing.assert_allclose(got, forward_float64(state, x), rtol=0, atol=1e-11)


def test_published_weights_give_the_published_networks_logits():
    published = published_module("machine_learning/deepsets_zaheer.py")
    state = to_tensor_state(load_model("DS10_v02").state)
    reference = published.D5(64, x_dim=13, pool="mean", out_dim=2)
    reference.load_state_dict(state)  # strict: names and shapes are the published ones
    reference.eval()
    x = torch.from_numpy(inputs(500, 10, 42).astype(np.float32))
    with torch.no_grad():
        expected = reference(x)
    assert expected.std() > 0.5
    torch.testing.assert_close(build(state, 64)(x), expected, rtol=0, atol=1e-5)


def test_logits_do_not_depend_on_the_order_of_the_set():
    network = build(to_tensor_state(random_state(43)), 64).double()
    x = inputs(20, 10, 44)
    turned = x[:, np.random.default_rng(45).permutation(10)]
    assert not np.array_equal(x, turned)
    torch.testing.assert_close(
        network(torch.from_numpy(turned)), network(torch.from_numpy(x)), rtol=0, atol=1e-12
    )


def test_a_layer_permutes_as_its_input_and_subtracts_the_mean_term():
    torch.manual_seed(46)
    layer = PermutationEquivariant(4, 3).double()
    x = torch.from_numpy(inputs(2, 5, 47, 4))
    order = [3, 0, 4, 1, 2]
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])
    gamma, bias = layer.Gamma.weight.detach().numpy(), layer.Gamma.bias.detach().numpy()
    lam = layer.Lambda.weight.detach().numpy()
    star = x[1].numpy()
    expected = star @ gamma.T + bias - star.mean(axis=0) @ lam.T
    np.testing.assert_allclose(layer(x)[1].detach().numpy(), expected, atol=1e-12)
    assert layer.Lambda.bias is None


def test_built_network_is_in_eval_mode_without_gradients():
    network = build(to_tensor_state(random_state(48)), 64)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    x = torch.from_numpy(inputs(8, 10, 49).astype(np.float32))
    assert torch.equal(network(x), network(x))  # dropout would differ


def test_training_mode_drops_half_of_the_pooled_features():
    network = DeepSets().train()
    x = torch.from_numpy(inputs(4, 10, 50).astype(np.float32))
    torch.manual_seed(1)
    assert not torch.equal(network(x), network(x))
    assert [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.pop("ro.4.bias"),
        lambda s: s.update({"phi.10.Gamma.weight": s["phi.8.Gamma.weight"]}),
        lambda s: s.update({"phi.2.Lambda.weight": s["phi.2.Lambda.weight"][:, :-1]}),
        lambda s: s.update({"ro.4.weight": s["ro.4.weight"][:1]}),
    ],
)
def test_weights_that_do_not_fit_are_refused(spoil):
    state = random_state(51)
    spoil(state)
    with pytest.raises(RuntimeError):
        build(to_tensor_state(state), 64)
