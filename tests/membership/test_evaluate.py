"""Where a task evaluates the network."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ocspark.membership import evaluate
from ocspark.membership.evaluate import task_device


def in_a_task(monkeypatch, **resources):
    task = SimpleNamespace(resources=lambda: resources)
    monkeypatch.setattr(evaluate, "TaskContext", SimpleNamespace(get=lambda: task))


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_the_gpu_that_spark_gives_a_task_is_used(monkeypatch, wanted):
    in_a_task(monkeypatch, gpu=SimpleNamespace(name="gpu", addresses=["3"]))
    assert task_device(wanted) == "cuda:3"
    assert task_device("cpu") is None


@pytest.mark.parametrize("visible", [True, False])
def test_auto_takes_no_gpu_that_only_some_workers_may_see(monkeypatch, visible):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)
    in_a_task(monkeypatch)
    assert task_device("auto") is None


def test_a_visible_gpu_is_used_where_one_is_asked_for_and_missed_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert task_device("gpu") == "cuda:0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="gpu"):
        task_device("gpu")
