"""A cluster's page for any number of members, its downloads, and names that try to be markup."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from astropy.io.votable import parse_single_table

from ocspark.analysis.structure import measure_structure
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.report.page import PageFacts, page_files
from ocspark.report.view import ClusterView, ListedStars
from ocspark.selection.run_models import read_models
from ocspark.store.finished_run import open_run
from tests.toyrun import candidates_of

NASTY = '</script><img src=x onerror=alert(1)> $x_1 & "quotes"'


def view_of(finished: RunResult, n_members: int, name: str = "Wrap 1") -> ClusterView:
    """The view of a cluster of which only some members, and 30 other candidates, are left."""
    run = open_run(finished.path)
    row = run.clusters.set_index("cluster", drop=False).loc["Wrap 1"].to_dict()
    own = candidates_of(finished.path)
    own = own[own["cluster"] == "Wrap 1"].sort_values("probability", ascending=False)
    rest = own[own["probability"] < 0.1].head(30)
    table = pd.concat([own.head(n_members), rest]).sort_values("source_id")
    table["cluster"] = row["cluster"] = name
    row |= {"n_p10": n_members}
    stars = {str(c): table[c].to_numpy() for c in table}
    structure = measure_structure(stars, (row["ra"], row["dec"]), row["distance"], 1)
    curve = read_models(run)[row["cluster_key"]].curve
    return ClusterView(row, stars, {}, curve, structure, [])


@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_any_number_of_members_makes_a_page(finished: RunResult, n: int) -> None:
    files = page_files(view_of(finished, n), PageFacts("run-1"))
    html = files["index.html"].decode()
    assert ("members.csv" in files) is (n > 0) is ("members-data" in html)
    assert "No star has p" in html or n > 0
    for picture in re.findall(r'img src="([^"]+)"', html):
        assert files[picture][:4] == b"\x89PNG"
    assert ("structure.png" in files) is (n == 40)


def test_a_picture_keeps_nothing_of_the_cluster_drawn_before(finished: RunResult) -> None:
    first = page_files(view_of(finished, 40), PageFacts("r"))
    page_files(view_of(finished, 1), PageFacts("r"))
    again = page_files(view_of(finished, 40), PageFacts("r"))
    other = page_files(view_of(finished, 25), PageFacts("r"))
    pictures = [name for name in first if name.endswith(".png")]
    assert pictures == ["selection.png", "members.png", "structure.png"]
    for name in pictures:
        assert first[name] == again[name] != other[name]


def test_a_cluster_without_candidates_and_a_skipped_one_have_pages(finished: RunResult) -> None:
    full = view_of(finished, 5)
    empty = {name: column[:0] for name, column in full.stars.items()}
    files = page_files(ClusterView(full.row, empty, {}, full.curve, {}, []), PageFacts("r"))
    assert set(files) == {"index.html"}
    run = open_run(finished.path)
    row = run.clusters.set_index("cluster", drop=False).loc["Ageless_1"].to_dict()
    files = page_files(ClusterView(row, empty, {}, np.empty((0, 2)), {}, []), PageFacts("r"))
    assert "no log_age" in files["index.html"].decode()


def test_downloads_hold_the_members_exactly_with_units(finished: RunResult) -> None:
    view = view_of(finished, 40)
    files = page_files(view, PageFacts("r"))
    keep = view.stars["probability"] >= 0.1
    csv = pd.read_csv(io.BytesIO(files["members.csv"]), float_precision="round_trip")
    votable = io.BytesIO(gzip.decompress(files["members.vot.gz"]))
    vot = parse_single_table(votable).to_table()
    for name in ("source_id", "ra", "parallax", "probability", "f_c"):
        np.testing.assert_array_equal(csv[name], view.stars[name][keep])
        np.testing.assert_array_equal(vot[name], view.stars[name][keep])
    assert str(vot["pmra"].unit) == "mas / yr" and "Parallax" in vot["parallax"].description
    assert list(vot["cluster"]) == ["Wrap 1"] * int(keep.sum())


class Collect(HTMLParser):
    """Tags outside scripts, and the text of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_names_stay_text(finished: RunResult) -> None:
    view = view_of(finished, 40, NASTY)
    stars = {k: np.asarray(v)[:5] for k, v in view.stars.items()}
    listed = ListedStars(NASTY, {**stars, "list_probability": np.ones(5)})
    view = ClusterView(view.row, view.stars, {}, view.curve, view.structure, [listed])
    neighbour = {"name": NASTY, "page": "clusters/x/index.html", "n_p10": 3, "n_p50": 1}
    files = page_files(view, PageFacts(NASTY, [neighbour]))
    page = Collect()
    page.feed(files["index.html"].decode())
    assert page.tags.count("img") == 4 and page.tags.count("script") == 3
    assert page.text.count(NASTY) >= 4
    rows = re.search(r'id="members-data">(.*?)</script>', files["index.html"].decode(), re.S)
    assert rows is not None and len(json.loads(rows.group(1))["rows"]) == 40


def test_the_zero_error_boundary_is_where_equation_3_turns(finished: RunResult) -> None:
    view = view_of(finished, 5)
    scale = np.array([view.row["delta_c"], view.row["delta_g"]])
    for line in view.boundary:
        for point in line[:: max(1, len(line) // 50)]:
            nearest = math.sqrt((((point - view.curve) / scale) ** 2).sum(axis=1).min())
            assert nearest == pytest.approx(1.0, abs=0.02)
