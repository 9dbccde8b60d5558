"""A server of our own, and a client that notes how long it would have waited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ocspark.fetch.client import Client, RetryPolicy
from tests.helpers.server import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Client:
    return Client(RetryPolicy(attempts=4, timeout_s=5), waits.append)
