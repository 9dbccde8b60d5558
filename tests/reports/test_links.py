"""Addresses in archives: whatever a cluster is called, they ask for it and nothing else."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from ocspark.release import load_release
from ocspark.reports.links import links_by_name, links_by_position, source_address


def asked(url: str) -> dict[str, str]:
    """The parameters of an address, as a server reads them."""
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize(
    "name", ["NGC_2682", "a&b=c#d?e", "FSR 1+2", "Böhm-Vitense 3", '"><b>', "Ω 3/4"]
)
def test_archives_are_asked_for_the_whole_name(name: str) -> None:
    urls = dict(links_by_name(name))
    plain = name.replace("_", " ")
    assert asked(urls["SIMBAD"])["Ident"] == asked(urls["VizieR"])["-c"] == plain
    assert asked(urls["Aladin Lite"])["target"] == asked(urls["ESASky"])["target"] == plain
    for url in urls.values():
        assert url.startswith("https://") and not set(url) & set(" \"<>'#+") and url.isascii()
    assert urlsplit(urls["UCC"]).path.count("/") == 3


@pytest.mark.parametrize(
    ("name", "page"),  # names and pages of the catalogue at ucc.ar
    [("NGC 2517", "ngc2517"), ("AH03 J2011+26.7", "ah03j2011p267"), ("Alessi_191", "alessi191")],
)
def test_pages_of_ucc_have_its_names(name: str, page: str) -> None:
    assert dict(links_by_name(name))["UCC"] == f"https://ucc.ar/_clusters/{page}/"


def test_positions_keep_their_sign_and_views_show_the_radius() -> None:
    for dec in (-0.5, 11.8):
        for link in links_by_position(132.846, dec, 0.5):
            values = asked(link.url)
            place = values.get("Coord") or values.get("-c") or values["target"]
            assert [float(x) for x in place.split()] == [132.846, dec]
            assert float(values.get("fov", 1.25)) >= 1.0
            assert float(values.get("-c.rm", values.get("Radius", "30"))) == 30.0


def test_sources_are_asked_for_in_their_own_release() -> None:
    address = source_address(load_release("dr3"))
    assert address is not None
    query = asked(address.format(source_id=2**62 + 1))["QUERY"]
    assert query == f"SELECT * FROM gaiadr3.gaia_source WHERE source_id={2**62 + 1}"
    draft = load_release("dr3").model_copy(update={"draft": True})
    own = load_release("dr3").model_copy(update={"name": "mine"})
    assert source_address(draft) is source_address(own) is None
