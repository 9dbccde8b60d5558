"""The report in a real headless browser: from disk, with nothing fetched from outside."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from pyspark.sql import SparkSession

from ocspark.analysis.literature import compare_with_list
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError
from ocspark.reports.assets import classic_script
from ocspark.reports.names import natural_order
from ocspark.reports.site import make_report
from ocspark.store.finished_run import open_run
from tests.helpers.toy import CLUSTERS, Toy
from tests.helpers.toyrun import candidates_of

CHROME = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROME and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


@pytest.fixture(scope="module")
def site(
    spark: SparkSession, toy: Toy, finished: RunResult, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = open_run(finished.path)
    compared = compare_with_list(
        spark,
        run,
        str(toy.folder / "members.csv"),
        str(folder / "compared"),
        name="Toy <list>",
    )
    make_report(spark, run, str(folder / "site"), [compared])
    return folder / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROME)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    downloads = tmp_path_factory.mktemp("downloads")
    prefs = {
        "download.default_directory": str(downloads),
        "profile.default_content_setting_values.automatic_downloads": 1,  # several, unasked
    }
    options.add_experimental_option("prefs", prefs)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    driver.downloads = downloads
    yield driver
    driver.quit()


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited 20 s in vain")


def rows_of(browser: Any, table: str) -> list[list[str]]:
    cells = "tr => [...tr.cells].map(c => c.textContent)"
    return browser.execute_script(
        f"return [...document.querySelectorAll('#{table} tbody tr')].map({cells})"
    )


def clusters_shown(browser: Any) -> list[str]:
    return [row[0] for row in rows_of(browser, "clusters")]


def open_page(browser: Any, page: Path) -> None:
    browser.set_window_size(1280, 900)
    browser.get(page.as_uri())
    wait_for(lambda: browser.execute_script("return document.readyState") == "complete")


def members_by_cluster(run: RunResult) -> pd.Series:
    """Members of each cluster of a run, as its rule has them."""
    clusters = pd.read_parquet(f"{run.path}/clusters").set_index("cluster")
    by_posterior = clusters["members_by"] == "posterior"
    return clusters["n_members"].where(by_posterior, clusters["n_p50"])


def say(browser: Any, control: str, text: str) -> None:
    """Type into a control what it is to hold."""
    field = browser.find_element("id", control)
    field.clear()
    field.send_keys(text)


@needs_browser
def test_the_table_sorts_filters_and_finds(browser: Any, site: Path, finished: RunResult) -> None:
    from selenium.webdriver.support.select import Select

    open_page(browser, site / "index.html")
    clusters = pd.read_parquet(f"{finished.path}/clusters").set_index("cluster")
    assert set(clusters_shown(browser)) == set(CLUSTERS)
    members = members_by_cluster(finished)
    best = members.sort_values(ascending=False).index
    assert clusters_shown(browser)[:3] == best[:3].tolist()
    header = browser.find_element("xpath", "//table[@id='clusters']//th[contains(., 'distance')]")
    header.click()
    far = clusters["distance"].sort_values().index[-1]
    wait_for(lambda: clusters_shown(browser)[0] == far)
    for text, found in (
        ("wrap", {"Wrap 1", "Wrap_2"}),
        ("wrap1", {"Wrap 1"}),
        ("WRAP  01", {"Wrap 1"}),
        ("needs 15", {"Poor_1"}),
    ):
        say(browser, "find", text)
        wait_for(lambda found=found: set(clusters_shown(browser)) == found)
    assert "needs 15" in rows_of(browser, "clusters")[0][1]  # beside the name, not off the screen
    say(browser, "find", " ")
    status = Select(browser.find_element("id", "filter-status"))
    status.select_by_visible_text("skipped")
    wait_for(lambda: len(clusters_shown(browser)) == (clusters["status"] == "skipped").sum())
    status.select_by_visible_text("all")
    say(browser, "filter-members", str(int(members["Pole_1"])))
    expected = set(members.index[members >= members["Pole_1"]])
    wait_for(lambda: set(clusters_shown(browser)) == expected)


@needs_browser
def test_a_position_finds_the_nearest_cluster(browser: Any, site: Path) -> None:
    open_page(browser, site / "index.html")
    place = SkyCoord(120.3, 88.5, unit="deg")
    gal = place.galactic
    for text in (
        "120.3 +88.5",
        place.to_string("hmsdms"),
        place.to_string("hmsdms", sep=":"),
        f"l {gal.l.deg} b {gal.b.deg}",
    ):
        say(browser, "find", text)
        away = place.separation(SkyCoord(120.0, 89.7, unit="deg")).deg
        first = wait_for(lambda: [r for r in rows_of(browser, "clusters")[:1] if len(r) > 20])[0]
        assert first[0] == "Pole_1" and float(first[2]) == pytest.approx(away, abs=0.2)
    signs = browser.execute_script("return positionOf('10:00:00 -00:30:00')")
    assert (signs["lon"], signs["lat"]) == (150, -0.5)
    nothing = "return ['UBC 7', '7', '', 'M 67', '400 10'].map(positionOf)"
    assert browser.execute_script(nothing) == [None] * 5


@needs_browser
def test_names_sort_as_people_count(browser: Any, site: Path) -> None:
    open_page(browser, site / "index.html")
    names = ["UBC 10", "NGC_2682", "ubc_2", "NGC 188"]
    script = "return arguments[0].sort((a, b) => naturalKey(a) < naturalKey(b) ? -1 : 1)"
    assert browser.execute_script(script, names) == natural_order(names)


@needs_browser
def test_the_address_keeps_what_was_looked_for(browser: Any, site: Path) -> None:
    open_page(browser, site / "index.html")
    say(browser, "find", "wrap")
    browser.find_element("xpath", "//table[@id='clusters']//th[contains(., 'cluster')]").click()
    wait_for(lambda: "sort=cluster+asc" in browser.current_url)
    wait_for(lambda: clusters_shown(browser) == ["Wrap 1", "Wrap_2"])
    browser.find_element("link text", "Wrap_2").click()
    wait_for(lambda: browser.title.startswith("Wrap_2"))
    browser.back()
    wait_for(lambda: clusters_shown(browser) == ["Wrap 1", "Wrap_2"])
    browser.get((site / "index.html").as_uri() + "#q=pole&colour=log_age")
    wait_for(lambda: clusters_shown(browser) == ["Pole_1"])
    assert browser.find_element("id", "colour").get_attribute("value") == "log_age"


@needs_browser
def test_the_map_tells_a_cluster_and_opens_it(browser: Any, site: Path) -> None:
    from selenium.webdriver import ActionChains

    open_page(browser, site / "index.html")
    picture = browser.find_element("css selector", "#map svg")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    cx, cy = browser.execute_script(
        "const svg = arguments[0], i = CLUSTERS.names.indexOf('cluster');"
        "return svg.dots.find((dot) => dot[2][i] === 'Pole_1').slice(0, 2)",
        picture,
    )
    size = picture.size
    pointer = ActionChains(browser)
    pointer.move_to_element_with_offset(picture, cx - size["width"] / 2, cy - size["height"] / 2)
    pointer.perform()
    card = wait_for(lambda: browser.find_element("id", "card").text)
    wait_for(lambda: "Pole_1" in browser.find_element("id", "card").text)
    card = browser.find_element("id", "card").text
    assert "members" in card and "1,200 pc" in card and "log age 8.40" in card
    pointer.click().perform()
    wait_for(lambda: browser.title.startswith("Pole_1"))


@needs_browser
def test_a_cluster_opens_with_pictures_members_neighbours_and_downloads(
    browser: Any, site: Path, finished: RunResult
) -> None:
    open_page(browser, site / "index.html")
    browser.find_element("link text", "Wrap 1").click()
    wait_for(lambda: browser.title.startswith("Wrap 1"))
    own = candidates_of(finished.path)
    likely = (own["probability"] >= 0.1) | (own["posterior"] >= 0.1)
    own = own[(own["cluster"] == "Wrap 1") & likely]
    wait_for(lambda: len(rows_of(browser, "members")) == min(25, len(own)))
    links = browser.find_elements("css selector", "#members tbody td.source a")
    ids = [link.text for link in links]
    assert set(ids) <= set(
        own["source_id"].astype(str)
    )  # all digits, though JavaScript has doubles
    assert links[0].get_attribute("href").endswith(f"source_id%3D{ids[0]}")
    heads = browser.find_elements("css selector", "#members thead th")
    assert {head.get_attribute("scope") for head in heads} == {"col"}
    copied = "window.copied = []; copyText = (text) => window.copied.push(text)"
    browser.execute_script(copied)
    browser.find_element("css selector", "#members tbody button").click()
    browser.find_element("id", "copy-ids").click()
    one, every = browser.execute_script("return window.copied")
    assert one == ids[0] and set(every.split()) == set(own["source_id"].astype(str))
    script = "return [...document.images].map(i => (i.loading = 'eager', i.decode().then(() => "
    script += "[i.naturalWidth, i.width])))"
    widths = browser.execute_async_script(
        "const done = arguments[0]; Promise.all((() => {" + script + "})()).then(done)"
    )
    assert len(widths) >= 15 and all(natural > 0 and shown > 250 for natural, shown in widths)
    assert "Toy <list>" in browser.find_element("tag name", "body").text
    for name in ("members.csv", "members.fits", "members.vot.gz"):
        browser.find_element("css selector", f"a[href='{name}']").click()
        file = browser.downloads / name
        wait_for(file.exists)
        assert file.read_bytes() == (site / "clusters" / "Wrap_1" / name).read_bytes()
    browser.find_element("css selector", "a[rel='next']").click()
    wait_for(lambda: browser.title.startswith("Wrap_2"))
    browser.find_element("css selector", "a[rel='prev']").click()
    wait_for(lambda: browser.title.startswith("Wrap 1"))
    browser.find_element("link text", "all clusters").click()
    wait_for(lambda: browser.title.startswith("Open cluster members"))


@needs_browser
@pytest.mark.parametrize("page", ["index.html", "clusters/Wrap_1/index.html"])
def test_dark_and_narrow_screens(browser: Any, site: Path, page: str) -> None:
    wish = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wish})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        browser.get((site / page).as_uri())
        width = "return document.documentElement.{}Width"
        wait_for(lambda: rows_of(browser, "clusters") or rows_of(browser, "members"))
        assert browser.execute_script(width.format("scroll")) <= 390
        colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        paper, ink = (
            sum(map(int, re.findall(r"\d+", c)[:3])) for c in browser.execute_script(colours)
        )
        assert paper < 150 < 600 < ink
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@needs_browser
def test_no_page_complains_or_fetches_from_outside(browser: Any, site: Path) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    pages = [site / "index.html", *site.glob("clusters/*/index.html")]
    assert len(pages) == 1 + len(CLUSTERS)
    for page in pages:
        open_page(browser, page)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert len(urls) > 3 * len(pages)
    assert {url.split(":")[0] for url in urls} <= {"file", "data"}


def test_every_cluster_has_a_page_and_a_line_in_every_table(
    site: Path, finished: RunResult
) -> None:
    listed = json.loads((site / "clusters.js").read_text().split("=", 1)[1].rstrip(";\n"))
    at = {name: i for i, name in enumerate(listed["names"])}
    assert [row[at["cluster"]] for row in listed["rows"]] == natural_order(CLUSTERS)
    assert all((site / row[at["page"]]).is_file() for row in listed["rows"])
    known = {row[at["cluster"]] for row in listed["rows"] if row[at["l"]] is not None}
    assert known == set(CLUSTERS)  # also those that have no cone, such as Ageless_1
    assert json.loads((site / "report.json").read_text())["finished"] is True
    assert len(pd.read_csv(site / "clusters.csv")) == len(CLUSTERS)
    clusters = pd.read_parquet(f"{finished.path}/clusters")
    done = clusters.loc[clusters["status"] == "done", "cluster"]
    structure = (site / "structure.csv").read_text().splitlines()
    assert len(structure) == 1 + len(CLUSTERS)
    assert len({line.count(",") for line in structure}) == 1
    profiles = pd.read_csv(site / "profiles.csv")
    assert set(profiles["cluster"]) <= set(done) and (profiles["outer"] > profiles["inner"]).all()
    segregation = pd.read_csv(site / "segregation.csv")
    assert segregation["sizes"].min() == 10 and segregation["ratios"].gt(0).all()


def test_the_same_comparison_and_the_same_report_are_left_alone(
    spark: SparkSession,
    toy: Toy,
    finished: RunResult,
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("ocspark.analysis.literature._write_comparison", fail)
    monkeypatch.setattr("ocspark.reports.site._write_site", fail)
    run, members = open_run(finished.path), str(toy.folder / "members.csv")
    folder = str(site.parent / "compared")
    compared = compare_with_list(spark, run, members, folder, name="Toy <list>")
    assert make_report(spark, run, str(site), [compared]) == str(site / "index.html")
    with pytest.raises(AssertionError, match="made again"):
        compare_with_list(spark, run, members, folder, name="another name")
    with pytest.raises(AssertionError, match="made again"):
        make_report(spark, run, str(site))


def test_a_report_is_made_again_in_place_but_never_over_something_else(
    spark: SparkSession, finished: RunResult, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty"):
        make_report(spark, open_run(finished.path), str(tmp_path))


def test_a_table_library_of_another_shape_is_noticed() -> None:
    assert "window.DataTable = x;" in classic_script("var x=1;export{y as ITable,x as default};")
    with pytest.raises(InputError, match="itables"):
        classic_script("var x=1;")


def test_a_report_without_a_comparison_has_the_same_pages(
    spark: SparkSession, finished: RunResult, site: Path, tmp_path: Path
) -> None:
    make_report(spark, open_run(finished.path), str(tmp_path / "bare"))
    pages = {path.relative_to(site) for path in site.rglob("*.html")}
    assert {path.relative_to(tmp_path / "bare") for path in tmp_path.rglob("*.html")} == pages
    assert all("Toy &lt;list&gt;" not in page.read_text() for page in tmp_path.rglob("*.html"))
