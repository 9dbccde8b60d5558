"""Units and descriptions as other formats want them."""

from __future__ import annotations

from typing import Literal

from astropy.units import Unit

_PLAIN = str.maketrans({"−": "-", "–": "-", "§": "section ", "Δ": "Delta ", "µ": "u", "…": "..."})


def ascii_text(text: str) -> str:
    """Return a description in ASCII.

    Raises
    ------
    UnicodeEncodeError
        For a sign without a plain form.
    """
    return text.translate(_PLAIN).encode("ascii").decode("ascii")


def unit_text(unit: str, standard: Literal["fits", "vounit", "cds"]) -> str:
    """Return a unit as a standard writes it.

    None of them knows ``dex``: FITS and VOTable get the word, since readers know it; CDS writes
    logarithms in brackets.
    """
    if not unit:
        return ""
    if unit == "dex":
        return "[-]" if standard == "cds" else unit
    try:
        return str(Unit(unit).to_string(standard))
    except ValueError:  # a mirror's own unit, or one that the standard lacks (electron)
        return unit
