"""Open-cluster membership at catalogue scale, on Spark."""

from __future__ import annotations

__version__ = "0.1.0"
