"""Files that tasks write: what they say of themselves, no room, names that clash, bad copies."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocspark import storage
from ocspark.errors import OutputError
from ocspark.names import cluster_key
from ocspark.store.files import (
    DamagedFile,
    FileWriter,
    TableFile,
    TableWriters,
    rows_of_clusters,
    telling_full_disk,
)
from ocspark.store.folder import Work, do_work
from ocspark.store.tasks import attempt, raise_faults
from tests.helpers.stored_stars import STARS, write_stars


def write(root: Path, name: str = "one") -> TableFile:
    writers = TableWriters(str(root), name)
    write_stars(None, writers)
    return writers.close()[0]


def test_a_file_tells_its_rows_of_each_cluster_and_its_checksum(tmp_path: Path) -> None:
    file = write(tmp_path)
    assert file.clusters == {cluster_key("NGC_1"): 2, cluster_key("NGC 2"): 1}
    assert (file.rows, file.table) == (3, "stars")
    assert storage.size_and_sha256(str(tmp_path / file.name)) == (file.bytes, file.sha256)
    assert pq.read_table(tmp_path / file.name).equals(pa.Table.from_batches([STARS]))
    assert TableFile.from_json(file.as_json()) == file


def test_a_table_without_clusters_counts_none(tmp_path: Path) -> None:
    writers = TableWriters(str(tmp_path), "one")
    writers.write("sums", "one", pa.table({"n": [1, 2]}), {"n_p50": 2})
    (file,) = writers.close()
    assert file.clusters is None and file.counts == {"n_p50": 2}
    assert TableFile.from_json(file.as_json()) == file


def test_two_writers_of_one_name_write_two_files(tmp_path: Path) -> None:
    assert write(tmp_path).name != write(tmp_path).name
    assert len(list((tmp_path / "stars").iterdir())) == 2


@pytest.mark.parametrize("wanted", [["NGC 1"], ["NGC_1", "NGC 2"], ["NGC 3"]])
@pytest.mark.parametrize("by", ["name", "key"])
def test_rows_of_clusters_are_found_by_name_or_key(wanted: list[str], by: str) -> None:
    keys = frozenset(map(cluster_key, wanted))
    own = [cluster_key(name) for name in STARS.column("cluster").to_pylist()]
    batch = STARS
    if by == "key":
        batch = pa.record_batch({"cluster_key": own, "source_id": STARS.column("source_id")})
    expected = [s for s, key in zip([3, 4, 5], own, strict=True) if key in keys]
    assert rows_of_clusters(batch, keys).column("source_id").to_pylist() == expected


@pytest.mark.parametrize("harm", ["", "cut", "byte flipped"])
def test_a_copy_is_the_same_or_refused(tmp_path: Path, harm: str) -> None:
    file = write(tmp_path / "old")
    path = tmp_path / "old" / file.name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + {"": content[-1:], "cut": b""}.get(harm, b"?"))
    writers = TableWriters(str(tmp_path / "new"), "copy")
    if harm:
        with pytest.raises(DamagedFile, match=re.escape(file.name)):
            writers.copy(file, str(tmp_path / "old"))
        assert not list((tmp_path / "new" / "stars").iterdir())
        return
    writers.copy(file, str(tmp_path / "old"))
    (copied,) = writers.close()
    assert copied.sha256 == file.sha256 and copied.name != file.name
    assert (tmp_path / "new" / copied.name).read_bytes() == content


def test_what_a_failed_task_wrote_is_removed(tmp_path: Path) -> None:
    writers = TableWriters(str(tmp_path), "one")
    write_stars(None, writers)
    writers.write("sums", "one", pa.table({"n": [1]}))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2
    writers.discard()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class FullDisk:
    """A file system on which each file takes a few bytes only."""

    def create_dir(self, path: str, recursive: bool) -> None:
        pass

    def open_output_stream(self, path: str, compression: None) -> Any:
        def write(data: bytes) -> None:
            raise OSError(28, "No space left on device")

        return SimpleNamespace(write=write, close=lambda: None)

    def get_file_info(self, path: str) -> Any:
        return SimpleNamespace(type=None)


def test_a_task_without_room_hands_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "resolve", lambda path: (FullDisk(), path))
        result, fault = attempt(
            lambda work: do_work("/full", "count", write_stars, work),
            Work("one", "a", 3, None),
            attempts=4,  # it is not tried again: there will be no room then either
        )
    assert result is None
    with pytest.raises(OutputError, match=r"/full/stars/.*No space left on device.*goes on"):
        raise_faults([None, fault])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(27, "File too large"),
        OSError(122, "Disk quota exceeded"),
        RuntimeError("Job aborted\nCaused by: java.io.IOException: No space left on device\n at x"),
    ],
)
def test_no_room_is_one_line_wherever_it_is_noticed(error: Exception) -> None:
    with pytest.raises(OutputError, match=r"/place: .*the same command goes on") as caught:  # noqa: SIM117
        with telling_full_disk("/place"):
            raise error
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "stars").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "stars"))):
        FileWriter(str(tmp_path), "stars", "one", STARS.schema)
