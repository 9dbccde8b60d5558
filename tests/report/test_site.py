"""The report in a real headless browser: from disk, with nothing fetched from outside."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.analysis.literature import compare
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError
from ocspark.report.assets import classic_script
from ocspark.report.site import make_report
from ocspark.store.finished_run import open_run
from tests.toy import CLUSTERS, Toy
from tests.toyrun import candidates_of

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
    compared = compare(
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


@needs_browser
def test_the_table_sorts_filters_and_searches(
    browser: Any, site: Path, finished: RunResult
) -> None:
    from selenium.webdriver.support.select import Select

    open_page(browser, site / "index.html")
    clusters = pd.read_parquet(f"{finished.path}/clusters").set_index("cluster")
    assert set(clusters_shown(browser)) == set(CLUSTERS)
    best = clusters["n_p50"].sort_values(ascending=False).index
    assert clusters_shown(browser)[:3] == best[:3].tolist()
    header = browser.find_element("xpath", "//table[@id='clusters']//th[contains(., 'distance')]")
    header.click()
    near = clusters["distance"].sort_values().index[0]
    wait_for(lambda: clusters_shown(browser)[0] == near)
    search = browser.find_element("css selector", ".dt-search input")
    search.send_keys("wrap")
    wait_for(lambda: set(clusters_shown(browser)) == {"Wrap 1", "Wrap_2"})
    search.clear()
    search.send_keys(" ")
    status = Select(browser.find_element("id", "filter-status"))
    status.select_by_visible_text("skipped")
    wait_for(lambda: len(clusters_shown(browser)) == (clusters["status"] == "skipped").sum())
    assert any("needs 15" in row[-1] for row in rows_of(browser, "clusters"))
    status.select_by_visible_text("all")
    limit = browser.find_element("id", "filter-members")
    limit.send_keys(str(int(clusters.loc["Pole_1", "n_p50"])))
    expected = set(clusters.index[clusters["n_p50"] >= clusters.loc["Pole_1", "n_p50"]])
    wait_for(lambda: set(clusters_shown(browser)) == expected)


@needs_browser
def test_a_cluster_opens_with_pictures_members_neighbours_and_downloads(
    browser: Any, site: Path, finished: RunResult
) -> None:
    open_page(browser, site / "index.html")
    browser.find_element("link text", "Wrap 1").click()
    wait_for(lambda: browser.title.startswith("Wrap 1"))
    own = candidates_of(finished.path)
    own = own[(own["cluster"] == "Wrap 1") & (own["probability"] >= 0.1)]
    wait_for(lambda: len(rows_of(browser, "members")) == min(25, len(own)))
    ids = {row[0] for row in rows_of(browser, "members")}
    assert ids <= set(own["source_id"].astype(str))  # all digits, though JavaScript has doubles
    script = "return [...document.images].map(i => (i.loading = 'eager', i.decode().then(() => "
    script += "i.naturalWidth)))"
    widths = browser.execute_async_script(
        "const done = arguments[0]; Promise.all((() => {" + script + "})()).then(done)"
    )
    assert len(widths) == 4 and all(width > 300 for width in widths)
    assert "Toy <list>" in browser.find_element("tag name", "body").text
    csv = pd.read_csv(site / "clusters" / "Wrap_1" / "members.csv")
    assert set(csv["source_id"]) == set(own["source_id"]) and len(csv) == len(own)
    for name in ("members.csv", "members.vot.gz"):
        browser.find_element("css selector", f"a[href='{name}']").click()
        file = browser.downloads / name
        wait_for(file.exists)
        assert file.read_bytes() == (site / "clusters" / "Wrap_1" / name).read_bytes()
    browser.find_element("link text", "Wrap_2").click()
    wait_for(lambda: browser.title.startswith("Wrap_2"))
    browser.find_element("link text", "all clusters").click()
    wait_for(lambda: browser.title.startswith("Open cluster members"))


@needs_browser
@pytest.mark.parametrize("page", ["index.html", "clusters/Wrap_1/index.html"])
def test_a_narrow_screen_scrolls_tables_not_the_page(browser: Any, site: Path, page: str) -> None:
    open_page(browser, site / page)
    browser.set_window_size(500, 900)  # the narrowest that Chromium makes a window
    width = "return document.documentElement.{}Width"
    assert browser.execute_script(width.format("scroll")) <= browser.execute_script(
        width.format("client")
    )


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


def test_every_cluster_has_a_page_and_no_link_is_broken(site: Path) -> None:
    listed = json.loads((site / "clusters.js").read_text().split("=", 1)[1].rstrip(";\n"))
    assert {row["cluster"] for row in listed["rows"]} == set(CLUSTERS)
    assert all((site / row["page"]).is_file() for row in listed["rows"])
    assert json.loads((site / "report.json").read_text())["finished"] is True
    assert len(pd.read_csv(site / "clusters.csv")) == len(CLUSTERS)


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
