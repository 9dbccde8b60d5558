"""Normalise, compare and suggest cluster names, and compute the key of a cluster from its name."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable

#: Largest number of names that an error suggests.
_MOST_SUGGESTED = 3

#: A word of a name: letters, a number, or the plus sign of coordinates.
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|\+")
#: Other names of a series, in catalogues and SIMBAD, and its common name; in lower case.
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
    """Return a name with underscores in place of blanks: ``" NGC  2682"`` gives ``"NGC_2682"``."""
    return "_".join(str(name).replace("_", " ").split())


def cluster_key(name: str) -> int:
    """Return the key of a cluster: 8 bytes of BLAKE2b of its normalised name, as a signed integer.

    The key of a name is the same in every run, table and release.
    """
    digest = hashlib.blake2b(normalise_name(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def matching_name(name: str) -> str:
    """Return the form of a name that is compared between catalogues.

    Case, blanks, underscores, hyphens and leading zeros are ignored, and each series has one name:
    ``FSR_0123`` equals ``FSR 123``, ``UBC1001`` equals ``UBC 1001``, ``Cl Melotte 22`` equals
    ``Melotte 22``, and ``vdBergh-Hagen 99`` equals ``BH_99``.
    """
    words = [word.lstrip("0") or "0" for word in _WORD.findall(str(name).lower())]
    plain = " ".join(words)
    for _ in range(2):  # "Cl VDBH 99" has two prefixes
        plain = _PREFIX.sub(lambda found: _SERIES[found.group()], plain).strip()
    return plain


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of an error message, such as ``; did you mean NGC_2423?``.

    Parameters
    ----------
    name : str
        The unknown name.
    names : iterable of str
        The known names. Case, blanks, underscores, hyphens and leading zeros are ignored.

    Returns
    -------
    str
        Empty if no known name is similar.
    """
    known: dict[str, str] = {}
    for candidate in names:
        known.setdefault(_without_marks(candidate), candidate)
    close = difflib.get_close_matches(_without_marks(name), known, _MOST_SUGGESTED, 0.6)
    return f"; did you mean {' or '.join(known[c] for c in close)}?" if close else ""


def _without_marks(name: str) -> str:
    """Return the letters and numbers of a name in lower case, without leading zeros."""
    words: list[str] = re.findall(r"[^\W\d_]+|\d+", name.lower())
    return "".join(word.lstrip("0") or "0" for word in words)
