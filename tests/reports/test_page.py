"""A cluster's page for any number of members, its downloads, and names that try to be markup."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.io.votable import parse

from ocspark.analysis.structure import measure_structure
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.exports.source import run_facts
from ocspark.reports.figures import MOST_FIELD, draw_members
from ocspark.reports.page import PageFacts, page_files
from ocspark.reports.view import ClusterView, ListedStars
from ocspark.selection.run_models import read_models
from ocspark.store.finished_run import open_run
from ocspark.tables.member_rule import member_rule
from tests.helpers.toyrun import candidates_of

NASTY = '</script><img src=x onerror=alert(1)> $x_1 & "quotes"'
PICTURES = ["members.svg", "selection.svg", "structure.svg"]


@pytest.fixture(scope="module")
def facts(finished: RunResult) -> PageFacts:
    return PageFacts(run_facts(open_run(finished.path)))


def view_of(finished: RunResult, n_members: int, name: str = "Wrap 1") -> ClusterView:
    """The view of a cluster of which only some members, and 30 other candidates, are left."""
    run = open_run(finished.path)
    row = run.clusters.set_index("cluster", drop=False).loc["Wrap 1"].to_dict()
    own = candidates_of(finished.path)
    own = own[own["cluster"] == "Wrap 1"].sort_values("probability", ascending=False)
    rest = own[own["probability"] < 0.1].head(30)
    table = pd.concat([own.head(n_members), rest]).sort_values("source_id")
    table["cluster"] = row["cluster"] = name
    row |= {"n_p10": n_members, "members_by": "votes", "expected_members": math.nan}
    row |= {"posterior_reason": None, "posterior_flags": None}
    stars = {str(c): table[c].to_numpy() for c in table}
    stars |= {f"posterior{end}": np.full(len(table), np.nan) for end in ("", "_low", "_high")}
    place = (row["ra"], row["dec"]), row["distance"]
    structure = measure_structure(stars, *place, 1, member_rule(row["members_by"]))
    curve = read_models(run)[row["cluster_key"]].curve
    return ClusterView(row, stars, {}, curve, structure, [])


def with_posterior(view: ClusterView) -> ClusterView:
    """The same cluster with posteriors, the reverse of its votes, that tell its members."""
    posterior = 1.0 - view.stars["probability"]
    stars = {**view.stars, "posterior": posterior, "posterior_low": 0.9 * posterior}
    stars["posterior_high"] = posterior
    row = {**view.row, "members_by": "posterior", "n_members": int((posterior >= 0.5).sum())}
    row |= {"expected_members": posterior.sum(), "expected_members_error": 2.5}
    row |= {"posterior_flags": "few members"}
    return ClusterView(row, stars, view.others, view.curve, view.structure, view.listed)


class Collect(HTMLParser):
    """Tags with their attributes, and the text of a page outside scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1][0] != "script":
            self.text += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


def table_of(page: bytes) -> dict[str, Any]:
    data = re.search(rb'id="members-data">(.*?)</script>', page, re.S)
    assert data is not None
    return dict(json.loads(data.group(1)))


def column(table: dict[str, Any], name: str) -> list[Any]:
    return [row[table["names"].index(name)] for row in table["rows"]]


@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_any_number_of_members_makes_a_page(finished: RunResult, facts: PageFacts, n: int) -> None:
    files = page_files(view_of(finished, n), facts)
    page = files["index.html"]
    assert ("members.csv" in files) is (n > 0) is (b"members-data" in page)
    assert (b"No star has posterior or votes" in page) is (n == 0)
    for image in Collect(page).all("img"):
        file, part = str(image["src"]).split("#")
        views = [e.get("id") for e in ET.fromstring(files[file]) if e.tag.endswith("view")]
        assert part in views and image["alt"]
    assert ("structure.svg" in files) is (n == 40)


def test_a_picture_keeps_nothing_of_the_cluster_drawn_before(
    finished: RunResult, facts: PageFacts
) -> None:
    first = page_files(view_of(finished, 40), facts)
    page_files(view_of(finished, 1), facts)
    again = page_files(view_of(finished, 40), facts)
    other = page_files(view_of(finished, 25), facts)
    assert [name for name in first if name.endswith(".svg")] == PICTURES
    for name in PICTURES:
        assert first[name] == again[name] != other[name]


def test_of_a_crowded_field_a_part_is_drawn_and_of_members_all(finished: RunResult) -> None:
    view = view_of(finished, 40)
    found = view.members(0.1)
    others = np.resize(np.flatnonzero(~found), 5 * MOST_FIELD)
    crowd = np.concatenate([np.flatnonzero(found), others])
    stars = {name: column[crowd] for name, column in view.stars.items()}
    sheet = draw_members(ClusterView(view.row, stars, {}, view.curve, view.structure, []))
    sky = sheet.figure.axes[0]
    (field,), (members,) = sky.lines, sky.collections
    assert MOST_FIELD / 2 < len(field.get_xdata()) <= MOST_FIELD
    assert len(members.get_offsets()) == found.sum() == 40
    assert members.get_zorder() > field.get_zorder()
    assert "votes" in sheet.figure.axes[-1].get_xlabel()


def test_a_cluster_without_candidates_and_a_skipped_one_have_pages(
    finished: RunResult, facts: PageFacts
) -> None:
    full = view_of(finished, 5)
    empty = {name: column[:0] for name, column in full.stars.items()}
    files = page_files(ClusterView(full.row, empty, {}, full.curve, {}, []), facts)
    assert set(files) == {"index.html"}
    rows = open_run(finished.path).clusters.set_index("cluster", drop=False)
    for name, words in (
        ("Ageless_1", {"no log_age"}),
        ("Poor_1", {"needs 15", "03 00 00.0 +00 00 00", "by position"}),  # RA 45°, Dec 0°
    ):
        view = ClusterView(rows.loc[name].to_dict(), empty, {}, np.empty((0, 2)), {}, [])
        text = Collect(page_files(view, facts)["index.html"]).text
        assert all(word in text for word in words)


def test_downloads_are_exports_that_astropy_reads_back_exactly(
    finished: RunResult, facts: PageFacts
) -> None:
    view = view_of(finished, 40)
    files = page_files(view, facts)
    keep = view.stars["probability"] >= 0.1
    csv = pd.read_csv(io.BytesIO(files["members.csv"]), float_precision="round_trip")
    votable = parse(io.BytesIO(gzip.decompress(files["members.vot.gz"])))
    vot = votable.get_first_table().to_table()
    with fits.open(io.BytesIO(files["members.fits"])) as file:
        header, binary = file[1].header, file[1].data
        for name in ("source_id", "ra", "parallax", "probability", "f_c"):
            for table in (csv, vot, binary):
                np.testing.assert_array_equal(np.asarray(table[name]), view.stars[name][keep])
        assert header["RUN_ID"] == facts.run["run_id"] and header["TUCD2"] == "meta.id;meta.main"
        assert list(binary["cluster"]) == ["Wrap 1"] * int(keep.sum())
    assert str(vot["pmra"].unit) == "mas / yr" and "Parallax" in vot["parallax"].description
    assert vot["ra"].meta["ucd"] == "pos.eq.ra;meta.main"
    (system,) = votable.iter_coosys()
    assert (system.system, system.epoch) == ("ICRS", "J2016")
    infos = {info.name: info.value for info in votable.resources[0].infos}
    assert infos["run_id"] == facts.run["run_id"]


def test_fits_is_left_out_for_a_name_that_it_cannot_hold(
    finished: RunResult, facts: PageFacts
) -> None:
    files = page_files(view_of(finished, 5, "Ωμέγα 1"), facts)
    assert {"members.csv", "members.vot.gz"} <= set(files) and "members.fits" not in files
    assert b"members.fits" not in files["index.html"]


def test_members_stand_by_votes_and_then_by_logit(finished: RunResult, facts: PageFacts) -> None:
    view = view_of(finished, 40)
    table = table_of(page_files(view, facts)["index.html"])
    ranks = list(zip(column(table, "probability"), column(table, "mean_logit"), strict=True))
    assert ranks == sorted(ranks, reverse=True) and len({p for p, _ in ranks}) < len(ranks)
    ids = view.stars["source_id"].tolist()
    assert {int(i) for i in column(table, "source_id")} <= set(ids)
    shown = {c["name"] for c in table["columns"]}
    assert "posterior" not in shown and {"bp_rp", "mean_logit"} <= shown


def test_where_the_posterior_tells_members_it_stands_first_with_votes_beside(
    finished: RunResult, facts: PageFacts
) -> None:
    view = with_posterior(view_of(finished, 40))
    files = page_files(view, facts)
    page = Collect(files["index.html"])
    n = int((view.stars["posterior"] >= 0.5).sum())
    assert f"{n} members by posterior ≥ 0.5" in page.text
    assert f"{view.row['expected_members']:.1f} ± 2.5 expected" in page.text
    assert f"by votes ≥ 0.5 they would be {int(view.row['n_p50'])}" in page.text
    assert "Remarks on the posterior: few members" in page.text
    table = table_of(files["index.html"])
    posterior = column(table, "posterior")
    assert posterior == sorted(posterior, reverse=True)
    either = (view.stars["posterior"] >= 0.1) | (view.stars["probability"] >= 0.1)
    assert len(posterior) == either.sum() == len(pd.read_csv(io.BytesIO(files["members.csv"])))


def test_names_stay_text(finished: RunResult, facts: PageFacts) -> None:
    view = view_of(finished, 40, NASTY)
    stars = {k: np.asarray(v)[:5] for k, v in view.stars.items()}
    listed = ListedStars(NASTY, {**stars, "list_probability": np.ones(5)})
    view = ClusterView(view.row, view.stars, {}, view.curve, view.structure, [listed])
    other = {"name": NASTY, "page": "clusters/x/index.html"}
    about = PageFacts(
        facts.run, NASTY, [{**other, "n_from_10": 3, "n_from_50": 1}], before=other, after=other
    )
    files = page_files(view, about)
    page = Collect(files["index.html"])
    assert all(str(image["src"]).split("#")[0] in files for image in page.all("img"))
    assert len(list(page.all("script"))) == 3
    assert page.text.count(NASTY) >= 6
    assert len(table_of(files["index.html"])["rows"]) == 40
    for svg in (content for name, content in files.items() if name.endswith(".svg")):
        assert not any(e.tag.endswith("script") for e in ET.fromstring(svg).iter())


def test_tables_say_what_they_are_to_a_reader_that_cannot_see(
    finished: RunResult, facts: PageFacts
) -> None:
    page = Collect(page_files(view_of(finished, 40), facts)["index.html"])
    tags = [tag for tag, _ in page.tags]
    assert tags.count("main") == 1 and tags.count("caption") == tags.count("table") > 3
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))


def test_the_zero_error_boundary_is_where_equation_3_turns(finished: RunResult) -> None:
    view = view_of(finished, 5)
    scale = np.array([view.row["delta_c"], view.row["delta_g"]])
    for line in view.boundary:
        for point in line[:: max(1, len(line) // 50)]:
            nearest = math.sqrt((((point - view.curve) / scale) ** 2).sum(axis=1).min())
            assert nearest == pytest.approx(1.0, abs=0.02)
