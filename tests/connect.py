"""Which tests run a second time, on Spark Connect (``pytest --connect``)."""

from __future__ import annotations

import pytest


def runs_on_connect(item: pytest.Item) -> bool:
    """Whether a test has a Spark session that may as well be a Connect one."""
    return "spark" in getattr(item, "fixturenames", ())
