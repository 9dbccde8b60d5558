"""A folder is claimed by one job at a time, for one thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocspark.errors import BusyError, InputError
from ocspark.store.claim import LOCK, NOTE, Claim


def claim(path: Path, **note: object) -> Claim:
    return Claim(str(path), note or {"seed": 1, "range": (0, 1)}, "a result")


def test_a_new_folder_gets_a_note_and_a_lock_while_work_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with claim(folder).hold():
        assert {path.name for path in folder.iterdir()} == {NOTE, LOCK}
        assert json.loads((folder / NOTE).read_text()) == {"seed": 1, "range": [0, 1]}
    assert {path.name for path in folder.iterdir()} == {NOTE}


def test_the_same_work_goes_on_and_other_work_is_refused(tmp_path: Path) -> None:
    with claim(tmp_path).hold():
        (tmp_path / "part.parquet").write_text("")
    with claim(tmp_path).hold():
        assert (tmp_path / "part.parquet").exists()
    with pytest.raises(InputError, match=r"other inputs or settings.*another folder"):
        claim(tmp_path, seed=2).check()


def test_half_a_note_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text('{"seed":')
    with claim(tmp_path, seed=2).hold():
        assert json.loads((tmp_path / NOTE).read_text()) == {"seed": 2}


def test_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    with pytest.raises(InputError, match="is not empty and does not hold a result"):
        claim(tmp_path).check()
    with pytest.raises(InputError, match="is a file; expected a folder"):
        claim(thesis).check()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_bad_input_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bad"), claim(tmp_path / "new").hold():
        raise InputError("bad")
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="bad"), claim(tmp_path / "new").hold():
        (tmp_path / "new" / "part.parquet").write_text("")
        raise InputError("bad")
    assert (tmp_path / "new" / NOTE).exists()


def test_two_jobs_do_not_share_a_folder(tmp_path: Path) -> None:
    with claim(tmp_path).hold(), pytest.raises(BusyError), claim(tmp_path).hold():
        pass
