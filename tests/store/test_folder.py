"""A step's tasks: done once, done again where files or work are others, never mixed."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.errors import OutputError
from ocspark.names import cluster_key
from ocspark.store.files import FileWriter, TableWriters
from ocspark.store.folder import TASKS, RunFolder, do_work, empty_table, files_of
from ocspark.tables.star import KEY
from tests.helpers.session_here import SessionHere, tasks_here
from tests.helpers.stored_stars import STARS, do, rows_of, works, write_stars

WHOLE = pa.Table.from_batches([STARS])


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_spark_does_each_work_once_and_tells_the_rows_of_each_cluster(
    tmp_path: Path, spark: SparkSession
) -> None:
    folder = RunFolder(str(tmp_path))
    todo = works("one", "two", "three")
    first = folder.run_step(spark, "count", "counting", write_stars, todo)
    assert [manifest["key"] for manifest in first] == ["one", "two", "three"]
    for manifest in first:
        assert not manifest["reused"] and manifest["stars"] == 3 and manifest["seconds"] >= 0
        (file,) = files_of([manifest])
        assert file.clusters == {cluster_key("NGC_1"): 2, cluster_key("NGC 2"): 1}
        assert pq.read_table(tmp_path / file.name).equals(WHOLE)
    again = folder.run_step(spark, "count", "counting", write_stars, todo)
    assert all(manifest["reused"] for manifest in again)
    assert files_of(again) == files_of(first) and folder.done_keys("count") == {w.key for w in todo}


HARMS = [
    "half a manifest",
    "empty manifest",
    "no manifest",
    "file gone",
    "file cut",
    "byte flipped",
]


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_not_as_it_was_written_is_done_again(tmp_path: Path, harm: str) -> None:
    folder = RunFolder(str(tmp_path))
    todo = works("one", "two")
    (one, two) = files_of(do(folder, todo))
    file, manifest = tmp_path / one.name, tmp_path / TASKS / "count" / "one.json"
    content = file.read_bytes()
    if harm == "half a manifest":
        manifest.write_text(manifest.read_text()[:50])
    elif harm == "empty manifest":
        manifest.write_text("")
    elif harm == "no manifest":
        manifest.unlink()
    elif harm == "file gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] + (b"" if harm == "file cut" else b"?"))
    missing = [one.name] if harm in ("file gone", "file cut") else []
    assert folder.missing_files([one, two]) == missing
    done = do(folder, todo)
    assert [m["reused"] for m in done] == [False, True]
    assert (tmp_path / files_of(done)[0].name).read_bytes() == content
    folder.delete_unlisted_files(files_of(done), ["stars"])
    assert len(files_in(tmp_path / "stars")) == 2
    assert all(manifest["reused"] for manifest in do(folder, todo))


def test_other_work_under_the_same_key_is_done_again_and_strangers_are_swept(
    tmp_path: Path,
) -> None:
    folder = RunFolder(str(tmp_path))
    do(folder, works("one", "two", "three"))
    assert [m["reused"] for m in do(folder, works("one", "two", "three"))] == [True] * 3
    done = do(folder, [*works("one", digest="b"), *works("two")])
    assert [m["reused"] for m in done] == [False, True]
    assert files_in(tmp_path / TASKS / "count") == ["one.json", "two.json"]
    (tmp_path / "stars" / "four-00000.parquet").write_text("of an attempt that died")
    folder.delete_unlisted_files(files_of(done), ["stars", "not there"])
    left = [f"stars/{name}" for name in files_in(tmp_path / "stars")]
    assert left == sorted(file.name for file in files_of(done))


def test_an_attempt_that_failed_changes_nothing(tmp_path: Path) -> None:
    def dies(item: Any, writers: TableWriters) -> dict[str, int]:
        writers.add("stars", STARS)
        writers.write("stars", "whole", WHOLE)
        raise MemoryError("as if killed")

    folder = RunFolder(str(tmp_path))
    with pytest.raises(Exception, match="MemoryError: as if killed"):
        do(folder, works("one"), dies)
    assert not files_in(tmp_path / "stars") and not files_in(tmp_path / TASKS / "count")
    assert rows_of(folder, do(folder, works("one"))).equals(WHOLE)


def test_an_attempt_that_was_killed_leaves_what_does_not_count(tmp_path: Path) -> None:
    left = FileWriter(str(tmp_path), "stars", "one", STARS.schema)  # never closed
    left.add(STARS)
    folder = RunFolder(str(tmp_path))
    done = do(folder, works("one"))
    assert len(files_in(tmp_path / "stars")) == 2
    folder.delete_unlisted_files(files_of(done), ["stars"])
    assert pq.read_table(tmp_path / "stars").equals(WHOLE)
    left.discard()


@pytest.mark.parametrize("last", [0, 1])
def test_two_attempts_of_one_task_cannot_mix(tmp_path: Path, last: int) -> None:
    """Both write at the same time, as a speculative one does beside the first; one ends later."""
    folder = RunFolder(str(tmp_path))
    folder.kept_manifests("count", "counting", [])  # makes the folder, as the driver does
    half_way, turn = threading.Barrier(2), [threading.Event(), threading.Event()]

    def write_by(number: int) -> None:
        def write(item: Any, writers: TableWriters) -> dict[str, int]:
            writers.add("stars", STARS[:2])
            half_way.wait(20)
            writers.add("stars", STARS[2:])
            assert turn[number].wait(20)
            return {"attempt": number}

        do_work(str(tmp_path), "count", write, works("one")[0])
        turn[1 - number].set()

    turn[1 - last].set()
    threads = [threading.Thread(target=write_by, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files_in(tmp_path / "stars")) == 2
    done = do(folder, works("one"))
    assert done[0]["reused"] and done[0]["attempt"] == last
    folder.delete_unlisted_files(files_of(done), ["stars"])
    assert pq.read_table(tmp_path / "stars").equals(WHOLE)


def test_no_room_for_the_manifest_is_one_line_and_no_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def full(path: str, text: str) -> None:
        tries.append(path)
        raise OSError(28, "No space left on device")

    folder = RunFolder(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_file", full)
        with tasks_here(), pytest.raises(OutputError, match="No space left on device; make room"):
            folder.run_step(SessionHere(4), "count", "counting", write_stars, works("one"))  # type: ignore
    assert sum(path.endswith("one.json") for path in tries) == 1
    assert not do(folder, works("one"))[0]["reused"]


def test_a_small_table_is_replaced_and_an_empty_one_is_there(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    for n in (1, 2):  # two calls, as of a command that was stopped and given again
        file = folder.write_table("clusters", pa.table({"n": [n]}))
        folder.delete_unlisted_files([file], ["clusters"])
    assert folder.read_arrow("clusters").to_pydict() == {"n": [2]}
    whole = folder.finish_tables([file], {"clusters": KEY, "stars": KEY})
    assert {f.table: f.rows for f in whole} == {"clusters": 1, "stars": 0}
    assert folder.read_arrow("stars").schema == empty_table(KEY).schema
    assert len(files_in(tmp_path / "stars")) == 1


def test_times_of_files_and_of_day_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(str(tmp_path))
    do(folder, works("one", "two"))
    for number, path in enumerate(p for p in tmp_path.rglob("*") if p.is_file()):
        os.utime(path, (4e9 * (number % 2),) * 2)  # 1970, 2096
    monkeypatch.setattr(time, "time", iter(range(10**9, 0, -(10**6))).__next__)  # runs backwards
    done = do(folder, works("one", "two", "three"))
    assert [manifest["reused"] for manifest in done] == [True, True, False]
    assert done[2]["seconds"] >= 0


def test_manifests_are_json_and_the_dearest_work_begins_first(tmp_path: Path) -> None:
    begun: list[str] = []

    def note(item: str, writers: TableWriters) -> dict[str, int]:
        begun.append(item)
        return {}

    folder = RunFolder(str(tmp_path))
    cheap, dear = works("cheap", "dear")
    done = do(folder, [cheap, type(dear)(**{**vars(dear), "cost": 5.0})], note)
    assert begun == ["dear", "cheap"] and [m["key"] for m in done] == ["cheap", "dear"]
    text = (tmp_path / TASKS / "count" / "dear.json").read_text()
    assert json.loads(text) == {k: v for k, v in done[1].items() if k != "reused"}
