"""Addresses of a cluster and of its sources in the archives that astronomers look things up in."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlencode

from ocspark.release import Release

_SIMBAD = "https://simbad.cds.unistra.fr/simbad"
_VIZIER = "https://vizier.cds.unistra.fr/viz-bin/VizieR"
_ALADIN = "https://aladin.cds.unistra.fr/AladinLite/"
_ESASKY = "https://sky.esa.int/esasky/"
_UCC = "https://ucc.ar/_clusters"
_ARCHIVE = "https://gea.esac.esa.int/tap-server/tap/sync"
#: Of the field of view that sky atlases show [deg].
_SMALLEST, _LARGEST = 0.1, 20.0


class Link(NamedTuple):
    """What a link is called, and its address."""

    text: str
    url: str


def links_by_name(name: str) -> list[Link]:
    """Return a cluster's pages in SIMBAD, VizieR, Aladin Lite, ESASky and UCC, by its name."""
    plain = name.replace("_", " ")
    return [
        Link("SIMBAD", _address(f"{_SIMBAD}/sim-id", Ident=plain)),
        Link("VizieR", _address(_VIZIER, **{"-c": plain, "-c.rm": "10"})),
        Link("Aladin Lite", _address(_ALADIN, target=plain, survey="P/DSS2/color")),
        Link("ESASky", _address(_ESASKY, target=plain)),
        Link("UCC", f"{_UCC}/{quote(_name_in_ucc(name), safe='')}/"),
    ]


def links_by_position(ra_deg: float, dec_deg: float, radius_deg: float) -> list[Link]:
    """Return the place of a cluster in SIMBAD, VizieR, Aladin Lite and ESASky.

    Parameters
    ----------
    ra_deg, dec_deg : float
        ICRS.
    radius_deg : float
        Of what is looked for around it.
    """
    place, fov = f"{ra_deg:.5f} {dec_deg:+.5f}", f"{field_of_view(radius_deg):.3f}"
    minutes = f"{60.0 * radius_deg:.1f}"
    simbad = {"Coord": place, "CooFrame": "ICRS", "Radius": minutes, "Radius.unit": "arcmin"}
    return [
        Link("SIMBAD", _address(f"{_SIMBAD}/sim-coo", **simbad)),
        Link("VizieR", _address(_VIZIER, **{"-c": place, "-c.rm": minutes})),
        Link("Aladin Lite", _address(_ALADIN, target=place, fov=fov, survey="P/DSS2/color")),
        Link("ESASky", _address(_ESASKY, target=place, fov=fov, cooframe="J2000")),
    ]


def field_of_view(radius_deg: float) -> float:
    """Return the width of a view [deg] that shows a radius, within what atlases can show."""
    return min(max(2.5 * radius_deg, _SMALLEST), _LARGEST)


def source_address(release: Release) -> str | None:
    """Return the address of a source in the Gaia archive, with ``{source_id}`` to be filled in.

    It asks for all columns of the source as CSV. None for a release that the archive does not have
    (yet).
    """
    if release.draft or re.fullmatch(r"e?dr\d+", release.name) is None:
        return None
    query = f"SELECT * FROM gaia{release.name}.gaia_source WHERE source_id="
    address = _address(_ARCHIVE, REQUEST="doQuery", LANG="ADQL", FORMAT="csv", QUERY=query)
    return address + "{source_id}"


def _name_in_ucc(name: str) -> str:
    """Return a name as the addresses of the Unified Cluster Catalogue have it."""
    return re.sub(r"[\s_.'’-]", "", name.lower()).replace("+", "p")


def _address(base: str, **parameters: str) -> str:
    return f"{base}?{urlencode(parameters, quote_via=quote)}"
