"""Units, lock and progress when things go wrong, without Spark."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocspark import storage
from ocspark.catalogue.write import in_tasks, staged_by_tasks
from ocspark.errors import OutputError
from ocspark.names import cluster_key
from ocspark.store import lock as locks
from ocspark.store.files import FileWriter, StagedFile, UnwritableFile
from ocspark.store.folder import RunDirectory
from ocspark.store.lock import hold_lock

STARS = pa.record_batch({"cluster": ["NGC 1", "NGC_2", "NGC 1"], "source_id": [3, 4, 5]})


def write_stars(folder: str) -> dict[str, list[StagedFile]]:
    writer = FileWriter(storage.join(folder, "stars"), STARS.schema, 0)
    writer.add(STARS)
    return {"stars": [writer.close()]}


def test_a_manifest_tells_the_rows_of_each_cluster(tmp_path: Path) -> None:
    manifest = RunDirectory(str(tmp_path)).land("one", write_stars)
    (file,) = manifest["files"]
    expected = {str(cluster_key("NGC_1")): 2, str(cluster_key("NGC 2")): 1}
    assert file["clusters"] == expected and file["rows"] == 3
    assert pq.read_table(tmp_path / file["name"]).num_rows == 3


@pytest.mark.parametrize("harm", ["half a manifest", "file gone", "file cut", "byte flipped"])
def test_a_unit_that_is_not_as_it_landed_is_done_again(tmp_path: Path, harm: str) -> None:
    run = RunDirectory(str(tmp_path))
    file = tmp_path / run.land("one", write_stars)["files"][0]["name"]
    manifest, content = tmp_path / "_units" / "one.json", file.read_bytes()
    assert run.land("one", write_stars)["reused"]
    if harm == "half a manifest":
        manifest.write_text(manifest.read_text()[:50])
    elif harm == "file gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] + (b"" if harm == "file cut" else b"?"))
    if harm in ("file gone", "file cut"):
        assert run.lost([json.loads(manifest.read_text())]) == [f"stars/{file.name}"]
    assert not run.land("one", write_stars)["reused"]
    assert file.read_bytes() == content and run.land("one", write_stars)["reused"]


def test_other_work_under_the_same_name_is_done_again_and_strangers_are_swept(
    tmp_path: Path,
) -> None:
    run = RunDirectory(str(tmp_path))
    run.land("one", write_stars, work="a")
    assert run.land("one", write_stars, work="a")["reused"]
    assert not run.land("one", write_stars, work="b")["reused"]
    mine = run.land("two", write_stars)
    (tmp_path / "stars" / "three-00000.parquet").write_text("of an attempt that died")
    run.sweep([mine], ["stars", "_units"])
    left = {path.name for folder in ("stars", "_units") for path in (tmp_path / folder).iterdir()}
    assert left == {"two-00000.parquet", "two.json"}


class FullDisk:
    """A file system on which each file takes a few bytes only."""

    def create_dir(self, path: str, recursive: bool) -> None:
        pass

    def open_output_stream(self, path: str, compression: None) -> Any:
        def write(data: bytes) -> None:
            raise OSError(28, "No space left on device")

        return SimpleNamespace(write=write, close=lambda: None)


def test_a_task_without_room_hands_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "resolve", lambda path: (FullDisk(), path))
        process = in_tasks(lambda batches: batches, "/full", lambda batch: {"stars": batch})
        rows = [row for batch in process(iter([STARS])) for row in batch.to_pylist()]
    frame = SimpleNamespace(collect=lambda: rows)
    with pytest.raises(OutputError, match=r"/full/stars/.*No space left on device"):
        staged_by_tasks(frame, ["stars"])  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(27, "File too large"),
        RuntimeError("Job aborted\nCaused by: java.io.IOException: No space left on device\n at x"),
    ],
)
def test_a_unit_without_room_is_one_line_and_nothing_of_it_counts(
    tmp_path: Path, error: Exception
) -> None:
    run = RunDirectory(str(tmp_path))
    kept = run.land("one", write_stars)

    def fail(staging: str) -> dict[str, list[StagedFile]]:
        write_stars(staging)
        raise error

    with pytest.raises(OutputError, match=f"{tmp_path}: .*the same command goes on") as caught:
        run.land("two", fail)
    assert "\n" not in str(caught.value)
    assert [m["unit"] for m in run.manifests()] == ["one"] and not run.lost([kept])
    assert not run.land("two", write_stars)["reused"]


def test_an_attempt_that_died_while_it_evaluated_changes_nothing(tmp_path: Path) -> None:
    def dies(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield STARS
        raise MemoryError("as if killed")

    route = {"stars": STARS}
    first = in_tasks(dies, str(tmp_path / "staging"), lambda batch: route)
    with pytest.raises(MemoryError):
        list(first(iter([STARS])))
    second = in_tasks(lambda batches: batches, str(tmp_path / "staging"), lambda batch: route)

    def write(staging: str) -> dict[str, list[StagedFile]]:
        rows = [row for batch in second(iter([STARS])) for row in batch.to_pylist()]
        return staged_by_tasks(SimpleNamespace(collect=lambda: rows), ["stars"])  # type: ignore

    RunDirectory(str(tmp_path / "run")).land("one", write)
    assert len(list((tmp_path / "staging" / "stars").iterdir())) == 1  # of the first attempt
    landed = pq.read_table(tmp_path / "run" / "stars")
    assert landed.equals(pa.Table.from_batches([STARS]))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "stars").write_text("a file where the folder should be")
    with pytest.raises(UnwritableFile, match=re.escape(str(tmp_path / "stars"))):
        FileWriter(str(tmp_path / "stars"), STARS.schema, 0)


def test_times_of_files_and_of_day_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(str(tmp_path))
    run.land("one", write_stars)
    dead = {"host": "elsewhere", "pid": 1, "born": "", "id": "dead"}
    (tmp_path / "_lock").write_text(json.dumps(dead))
    for number, path in enumerate(p for p in tmp_path.rglob("*") if p.is_file()):
        os.utime(path, (4e9 * (number % 2),) * 2)  # 1970, 2096
    monkeypatch.setattr(time, "time", iter(range(10**9, 0, -(10**6))).__next__)  # runs backwards
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.1)
    with hold_lock(run.path("_lock")):
        assert run.land("one", write_stars)["reused"]
        assert run.land("two", write_stars)["seconds"] >= 0
    assert not (tmp_path / "_lock").exists()
