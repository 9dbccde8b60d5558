"""What the tests of runs share."""

from __future__ import annotations

import pytest

from ocspark.mirror import portions
from ocspark.store import lock
from tests.helpers.small_portions import FEWEST_PAIRS, FEWEST_ROWS


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that beat, and are given up, within a second."""
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 1.0)


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the toy sky into many portions."""
    cut_small(monkeypatch)


def cut_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(portions, "FEWEST_ROWS", FEWEST_ROWS)
    patch.setattr(portions, "FEWEST_PAIRS", FEWEST_PAIRS)
