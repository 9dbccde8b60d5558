"""The compiled network: a float64 forward pass, and bits that no processor or company decides."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ocspark.deepsets import kernel as kernel_module
from ocspark.deepsets.kernel import Kernel
from ocspark.deepsets.program import compiled
from ocspark.deepsets.vectors import Shape
from ocspark.deepsets.weights import load_model
from tests.helpers.kernels import forward_float64, network_inputs, random_state


@pytest.fixture(scope="module")
def published():
    return load_model("DS10_v02").state


def evaluate(state, width, star, cluster, support, chosen):
    kernel = Kernel(state, width)
    return kernel.logits(star, chosen, kernel.prepare(cluster, support, chosen.shape[1]))


@pytest.mark.parametrize("k", [1, 2, 9, 10, 13, 40])
def test_logits_equal_a_float64_forward_pass(published, k):
    for m in (1, 3, 23, 24, 25, 300):
        *given, plain = network_inputs(m, k, 71)
        got = evaluate(published, 64, *given)
        assert got.shape == (m, 2)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, forward_float64(published, plain), rtol=0, atol=5e-5)


@pytest.mark.parametrize("width", [5, 32, 64, 96])
def test_any_width_is_evaluated(width):
    state = random_state(72, width)
    *given, plain = network_inputs(200, 10, 73)
    expected = forward_float64(state, plain)
    assert np.ptp(expected[:, 1] - expected[:, 0]) > 0.1
    np.testing.assert_allclose(evaluate(state, width, *given), expected, rtol=0, atol=5e-5)


def test_inputs_far_outside_give_finite_logits(published):
    star, cluster, support, chosen, plain = network_inputs(50, 10, 75)
    for scale in (1e2, 1e4):
        far = plain.copy()
        far[..., :5] *= scale
        got = evaluate(published, 64, star * np.float32(scale), cluster, support, chosen)
        np.testing.assert_allclose(got, forward_float64(published, far), rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize("k", [10, 7])
def test_a_rows_logits_are_the_same_bits_in_any_company(published, k):
    star, cluster, support, chosen, _ = network_inputs(700, k, 74)
    kernel = Kernel(published, 64)
    prepared = kernel.prepare(cluster, support, k)
    whole = kernel.logits(star, chosen, prepared)
    for first, last in [(0, 1), (5, 6), (0, 2), (699, 700), (3, 66), (0, 64), (100, 421), (1, 700)]:
        part = kernel.logits(star[first:last], chosen[first:last], prepared)
        np.testing.assert_array_equal(part, whole[first:last])


@pytest.mark.parametrize(
    "shape", [Shape(4, 5, 2), Shape(8, 5, 2), Shape(8, 10, 2), Shape(16, 10, 2)]
)
def test_vectors_of_any_length_give_the_same_bits(published, shape, monkeypatch):
    # so a processor with AVX2, with AVX-512 or with NEON gives the same probabilities
    *given, _ = network_inputs(100, 13, 76)
    here = evaluate(published, 64, *given)
    used = []

    def other(width: int, size: int):
        used.append(shape)
        return compiled(width, size, shape)

    monkeypatch.setattr(kernel_module, "compiled", other)
    np.testing.assert_array_equal(evaluate(published, 64, *given), here)
    assert used == [shape]


def test_no_evaluations_give_no_logits(published):
    _, cluster, support, _, _ = network_inputs(3, 10, 77)
    nothing = np.empty((0, 5), np.float32), cluster, support, np.empty((0, 10), np.int32)
    assert evaluate(published, 64, *nothing).shape == (0, 2)


@pytest.mark.parametrize("member", [-1, 40])
def test_a_support_member_that_there_is_not_is_refused(published, member):
    star, cluster, support, chosen, _ = network_inputs(3, 10, 78)
    chosen[1, 2] = member
    with pytest.raises(ValueError, match="member"):
        evaluate(published, 64, star, cluster, support, chosen)


def test_threads_that_all_come_first_share_one_program(published):
    # a second program, dropped while it ran, once took its machine code with it
    star, cluster, support, chosen, _ = network_inputs(5000, 6, 79)  # no other test has sets of 6
    kernel = Kernel(published, 64)
    prepared = kernel.prepare(cluster, support, 6)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: kernel.logits(star, chosen, prepared), range(8)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])
