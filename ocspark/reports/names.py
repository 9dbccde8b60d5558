"""File names for clusters whose names come from catalogues."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ocspark.names import cluster_key, normalise_name

_UNSAFE = re.compile(r"[^A-Za-z0-9_+-]+")
_LONGEST = 80


def page_folders(names: Iterable[str]) -> dict[str, str]:
    """Return a folder name for each cluster: readable, safe on any file system and in a URL.

    A name with other signs than letters, digits, ``_``, ``+`` and ``-``, an overlong one, or one
    that differs from another only in case, is told apart by its key.
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
