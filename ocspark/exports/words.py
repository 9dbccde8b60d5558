"""Convert units and descriptions to the conventions of file formats."""

from __future__ import annotations

from typing import Literal

from astropy.units import Unit

_PLAIN = str.maketrans({"−": "-", "–": "-", "§": "section ", "Δ": "Delta ", "µ": "u", "…": "..."})


def ascii_text(text: str) -> str:
    """Return a description in ASCII.

    Raises
    ------
    UnicodeEncodeError
        For a character without an ASCII form.
    """
    return text.translate(_PLAIN).encode("ascii").decode("ascii")


def unit_text(unit: str, standard: Literal["fits", "vounit", "cds"]) -> str:
    """Return a unit in the notation of a standard.

    Parameters
    ----------
    unit : str
        A unit of astropy, or "". No standard has ``dex``: it stays as it is in FITS and VOTable,
        whose readers know it, and is written in brackets for CDS.
    standard : str
        ``fits``, ``vounit`` or ``cds``.
    """
    if not unit:
        return ""
    if unit == "dex":
        return "[-]" if standard == "cds" else unit
    try:
        return str(Unit(unit).to_string(standard))
    except ValueError:  # a unit of a mirror's own, or one that the standard lacks (electron)
        return unit
