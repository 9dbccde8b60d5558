"""Cluster names, the stable key each one stands for, and the form in which catalogues agree."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable

#: Near names that an error suggests.
_MOST_SUGGESTED = 3

#: Letters, numbers without the zeros before them, and a plus (of coordinates).
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|\+")
#: What other catalogues and SIMBAD call the same series, after `_WORD` and in small letters.
_SERIES = {
    "cl": "",
    "name": "",
    "cks 2019": "",
    "kpr 2005": "ascc",
    "fsr 2007": "fsr",
    "fof": "lp",
    "vdbh": "bh",
    "vdbergh hagen": "bh",
    "vdb hagen": "bh",
    "vdbergh": "vdb",
    "be": "berkeley",
    "ber": "berkeley",
    "bo": "bochum",
    "col": "collinder",
    "cr": "collinder",
    "cz": "czernik",
    "do": "dolidze",
    "haf": "haffner",
    "mel": "melotte",
    "messier": "m",
    "ru": "ruprecht",
    "rup": "ruprecht",
    "st": "stock",
    "tom": "tombaugh",
    "tr": "trumpler",
    "trump": "trumpler",
}
_PREFIX = re.compile("^(" + "|".join(sorted(_SERIES, key=len, reverse=True)) + r")(?= )")


def normalise_name(name: str) -> str:
    """Return the name with underscores for blanks: ``" NGC  2682"`` becomes ``"NGC_2682"``."""
    return "_".join(str(name).replace("_", " ").split())


def cluster_key(name: str) -> int:
    """Return the signed 64-bit key of a cluster: 8 bytes of BLAKE2b of its normalised name.

    It is the same in every run, table and release, whatever the row order.
    """
    digest = hashlib.blake2b(normalise_name(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def matching_name(name: str) -> str:
    """Return the form in which names of different catalogues are compared.

    Case, blanks, underscores, hyphens, leading zeros and the joint of letters and digits do not
    count, and series have one name each: ``FSR_0123`` and ``FSR 123``, ``UBC1001`` and
    ``UBC 1001``, ``Cl Melotte 22`` and ``Melotte 22``, ``vdBergh-Hagen 99`` and ``BH_99`` agree.
    """
    words = [word.lstrip("0") or "0" for word in _WORD.findall(str(name).lower())]
    plain = " ".join(words)
    for _ in range(2):  # "Cl VDBH 99" has two prefixes
        plain = _PREFIX.sub(lambda found: _SERIES[found.group()], plain).strip()
    return plain


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of an error line: ``; did you mean NGC_2423?``, or nothing.

    Case, blanks, underscores, hyphens and zeros before a number do not count.
    """
    known: dict[str, str] = {}
    for candidate in names:
        known.setdefault(_without_marks(candidate), candidate)
    close = difflib.get_close_matches(_without_marks(name), known, _MOST_SUGGESTED, 0.6)
    return f"; did you mean {' or '.join(known[c] for c in close)}?" if close else ""


def _without_marks(name: str) -> str:
    words: list[str] = re.findall(r"[^\W\d_]+|\d+", name.lower())
    return "".join(word.lstrip("0") or "0" for word in words)
