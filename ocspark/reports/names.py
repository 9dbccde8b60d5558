"""Cluster names as file names, and the order in which people look for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ocspark.names import cluster_key, normalise_name

_UNSAFE = re.compile(r"[^A-Za-z0-9_+-]+")
_NUMBER = re.compile(r"(\d+)")
_LONGEST = 80


def page_folders(names: Iterable[str]) -> dict[str, str]:
    """Return a folder name for each cluster: readable, safe on any file system and in a URL.

    A name with other signs than letters, digits, ``_``, ``+`` and ``-``, an overlong one, or one
    that differs from another only in case, gets its key added.
    """
    names = list(names)
    lower = Counter(normalise_name(name).lower() for name in names)
    folders = {}
    for name in names:
        plain = normalise_name(name)
        safe = _UNSAFE.sub("-", plain)[:_LONGEST].strip("-")
        if safe != plain or not safe or lower[plain.lower()] > 1:
            safe = f"{safe}-{cluster_key(name) % 2**64:016x}".lstrip("-")
        folders[name] = safe
    return folders


def natural_order(names: Iterable[str]) -> list[str]:
    """Return names in the order of their words, then of their numbers: UBC 2 before UBC 10."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = _NUMBER.split(normalise_name(name).lower().replace("_", " "))
        return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]

    return sorted(names, key=lambda name: (key(name), name))
