"""What the tests of runs share."""

from __future__ import annotations

import pytest

from ocspark.store import lock


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that beat, and are given up, within a second."""
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 1.0)
