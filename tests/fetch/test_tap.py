"""Queries of a table service end in the right rows or in one line that says what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from ocspark.errors import InputError
from ocspark.fetch.client import Client
from ocspark.fetch.cones import _wanted, cone_query
from ocspark.fetch.folder import MANIFEST, Folder
from ocspark.fetch.tap import TableService
from ocspark.release import load_release
from tests.helpers.archive import FakeArchive
from tests.helpers.server import Server
from tests.helpers.toy import Toy

CONE = {
    "ra": 359.9,
    "dec": 20.0,
    "radius_deg": 0.5,
    "parallax": 0.667,
    "parallax_limit": 0.3,
    "pmra": 2.0,
    "pmdec": -3.0,
    "pm_limit": 1.5,
}
DR3 = load_release("dr3")


@pytest.fixture
def archive(server: Server, toy: Toy) -> FakeArchive:
    return FakeArchive(server, toy.sources)


def query() -> str:
    assert DR3.archive is not None
    return cone_query(DR3, DR3.archive, CONE)


def fetch(archive: FakeArchive, client: Client, folder: Path, wait_s: float = 7200.0) -> Path:
    """Fetch the cone; return its file."""
    wanted = _wanted(TableService(client, archive.url, wait_s), query(), "NGC_1")
    Folder(str(folder)).fetch([wanted], "cones")
    return folder / wanted.name


def left_in(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_a_cone_has_the_sources_and_columns_that_the_job_needs(
    archive: FakeArchive, client: Client, waits: list[float], toy: Toy, tmp_path: Path
) -> None:
    archive.phases = ["PENDING", "QUEUED", "EXECUTING", "EXECUTING", "COMPLETED"]
    archive.server.forms["/tap/async/1/phase"] = lambda form: (200, dict(form)["PHASE"].encode())
    rows = pq.read_table(fetch(archive, client, tmp_path))
    centre = SkyCoord(CONE["ra"], CONE["dec"], unit="deg")
    places = SkyCoord(toy.sources["ra"], toy.sources["dec"], unit="deg")
    inside = np.asarray(places.separation(centre) <= 0.5 * u.deg)
    for name in ("parallax", "pmra", "pmdec"):
        limit = CONE["parallax_limit"] if name == "parallax" else CONE["pm_limit"]
        inside &= (toy.sources[name] - CONE[name]).abs().to_numpy() <= limit
    expected = toy.sources[inside]
    assert 50 < len(expected) < inside.size
    assert rows["source_id"].to_pylist() == expected["source_id"].tolist()
    assert rows.column_names == [DR3.columns[name][0] for name in DR3.needed]
    colour = rows["pseudocolour"].to_numpy()
    np.testing.assert_array_equal(colour, expected["pseudocolour"].to_numpy())
    assert rows.schema.field("parallax").metadata[b"unit"] == b"mas"
    assert len(waits) == 5 and all(np.diff(waits[1:]) > 0)  # longer between later questions
    assert ("DELETE", "/tap/async/1", None) in archive.server.asked
    assert left_in(tmp_path) == [".json", ".parquet"]
    asked = len(archive.server.asked)
    fetch(archive, client, tmp_path)
    assert len(archive.server.asked) == asked and len(archive.queries) == 1
    record = json.loads((tmp_path / MANIFEST).read_text())
    assert archive.queries[0] in next(iter(record.values()))["origin"]


def test_a_packed_result_is_unpacked(
    archive: FakeArchive, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = archive.result
    monkeypatch.setattr(archive, "result", lambda query: gzip.compress(plain(query)))
    assert pq.read_metadata(fetch(archive, client, tmp_path)).num_rows > 50


@pytest.mark.parametrize("part", ["", "/1/phase", "/1/results/result"])
def test_a_busy_archive_is_asked_again_when_it_says(
    part: str, archive: FakeArchive, client: Client, waits: list[float], tmp_path: Path
) -> None:
    archive.server.faults[f"/tap/async{part}"] = ["503 17", "503 23"]
    fetch(archive, client, tmp_path)
    assert [wait for wait in waits if wait > 10] == [17, 23]
    assert len(archive.queries) == 1


@pytest.mark.parametrize(
    ("phase", "error", "words"),
    [
        ("ERROR", "Error in query: time limit", "NGC_1: the query ended as ERROR: Error in query"),
        ("ABORTED", "", r"NGC_1: the query ended as ABORTED \(http"),
    ],
)
def test_a_query_that_fails_says_why(
    phase: str, error: str, words: str, archive: FakeArchive, client: Client, tmp_path: Path
) -> None:
    archive.phases, archive.error = ["EXECUTING", phase], error
    with pytest.raises(InputError, match=words):
        fetch(archive, client, tmp_path)
    assert not list(tmp_path.iterdir())
    archive.phases = ["COMPLETED"]
    assert fetch(archive, client, tmp_path).exists()  # by a new job
    assert len(archive.queries) == 2


def test_a_query_that_is_refused_says_why(
    archive: FakeArchive, client: Client, tmp_path: Path
) -> None:
    page = b"<VOTABLE><INFO value='ERROR'>Cannot parse query: 1 = CONTAINS</INFO></VOTABLE>"
    archive.server.forms["/tap/async"] = lambda _: (400, page)
    with pytest.raises(InputError, match="400 Bad Request: Cannot parse query: 1 = CONTAINS"):
        fetch(archive, client, tmp_path)
    archive.server.forms["/tap/async"] = lambda _: (200, b"welcome")
    with pytest.raises(InputError, match="expected the address of a job, got 200"):
        fetch(archive, client, tmp_path)


def test_a_query_that_takes_too_long_is_gone_on_with(
    archive: FakeArchive, client: Client, waits: list[float], tmp_path: Path
) -> None:
    archive.phases = ["EXECUTING"]
    with pytest.raises(InputError, match=r"still EXECUTING after [23] minutes .*same command"):
        fetch(archive, client, tmp_path, wait_s=120)
    assert 110 < sum(waits) < 200
    archive.server.files["/tap/async/1/phase"] = b"COMPLETED"
    assert fetch(archive, client, tmp_path).exists()
    assert len(archive.queries) == 1
    assert left_in(tmp_path) == [".json", ".parquet"]


def test_a_job_that_the_archive_has_forgotten_is_sent_again(
    archive: FakeArchive, client: Client, tmp_path: Path
) -> None:
    archive.phases = ["QUEUED"]
    with pytest.raises(InputError, match="still QUEUED"):
        fetch(archive, client, tmp_path, wait_s=5)
    archive.phases = ["COMPLETED"]
    for file in [name for name in archive.server.files if "/async/1/" in name]:
        del archive.server.files[file]
    assert fetch(archive, client, tmp_path).exists()
    assert len(archive.queries) == 2


@pytest.mark.parametrize("fault", ["cut 3000", "long 100"])
def test_a_result_that_is_cut_on_its_way_comes_whole(
    fault: str, archive: FakeArchive, client: Client, tmp_path: Path
) -> None:
    archive.server.faults["/tap/async/1/results/result"] = [fault]
    rows = pq.read_table(fetch(archive, client, tmp_path))
    assert rows["source_id"].to_pylist() == archive.select(query())["source_id"].tolist()


@pytest.mark.parametrize(
    ("spoil", "most_rows", "words"),
    [
        (2000, 3_000_000, "NGC_1: .*sent no whole VOTable"),
        (0, 20, "NGC_1: .*the server says OVERFLOW; expected a smaller search.max_radius_deg"),
    ],
)
def test_a_result_that_is_not_whole_is_refused(
    spoil: int,
    most_rows: int,
    words: str,
    archive: FakeArchive,
    client: Client,
    tmp_path: Path,
) -> None:
    archive.spoil, archive.most_rows = spoil, most_rows
    with pytest.raises(InputError, match=words):
        fetch(archive, client, tmp_path)
    assert not list(tmp_path.iterdir())
    archive.spoil, archive.most_rows = 0, 3_000_000
    assert pq.read_metadata(fetch(archive, client, tmp_path)).num_rows > 50
    assert len(archive.queries) == 2
