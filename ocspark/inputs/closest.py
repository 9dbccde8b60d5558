"""Which name was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_MOST = 3


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of an error line: ``; did you mean NGC_2423?``, or nothing.

    Case, blanks, underscores, hyphens and zeros before a number do not count.
    """
    known: dict[str, str] = {}
    for candidate in names:
        known.setdefault(_plain(candidate), candidate)
    close = difflib.get_close_matches(_plain(name), known, _MOST, 0.6)
    return f"; did you mean {' or '.join(known[c] for c in close)}?" if close else ""


def _plain(name: str) -> str:
    words: list[str] = re.findall(r"[^\W\d_]+|\d+", name.lower())
    return "".join(word.lstrip("0") or "0" for word in words)
