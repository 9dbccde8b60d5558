"""The network by torch, as on a GPU: the same logits as the compiled one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocspark.deepsets.device import DeviceNetwork
from ocspark.deepsets.kernel import Kernel
from tests.helpers.kernels import forward_float64, network_inputs, random_state

DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("k", [1, 10])
def test_a_device_agrees_with_the_compiled_network_and_with_float64(device, k):
    state = random_state(81)
    star, cluster, support, chosen, plain = network_inputs(500, k, 82)
    there, here = DeviceNetwork(state, device), Kernel(state, 64)
    got = there.logits(star, chosen, there.prepare(cluster, support, k))
    np.testing.assert_allclose(got, forward_float64(state, plain), rtol=0, atol=1e-4)
    own = here.logits(star, chosen, here.prepare(cluster, support, k))
    np.testing.assert_allclose(got, own, rtol=0, atol=1e-4)
