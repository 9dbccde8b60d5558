"""A small mock catalogue, built once."""

from __future__ import annotations

import pytest

from ocspark.mock.catalogue import MockCatalogue, build_catalogue
from ocspark.mock.parameters import MockParameters

SMALL = MockParameters(sources=20_000, clusters=24, seed=7)


@pytest.fixture(scope="session")
def catalogue() -> MockCatalogue:
    return build_catalogue(SMALL)
