"""Cluster names, and the stable key each one stands for."""

from __future__ import annotations

import hashlib


def normalise_name(name: str) -> str:
    """Return the name with underscores for blanks: ``" NGC  2682"`` becomes ``"NGC_2682"``."""
    return "_".join(str(name).replace("_", " ").split())


def cluster_key(name: str) -> int:
    """Return the signed 64-bit key of a cluster: 8 bytes of BLAKE2b of its normalised name.

    It is the same in every run, table and release, whatever the row order.
    """
    digest = hashlib.blake2b(normalise_name(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
