"""What is done with files, the same on every kind of storage."""

from __future__ import annotations

import pytest

from ocspark import storage


def test_what_is_listed_is_there_under_that_name(root: str) -> None:
    for name in ("a.txt", "deep/er/b.txt", "deep/c.txt"):
        storage.make_directory(f"{root}/{name}".rpartition("/")[0])
        storage.write_file(f"{root}/{name}", name)
    found = storage.list_files(root, recursive=True)
    assert [storage.read_text(path) for path in found] == ["a.txt", "deep/c.txt", "deep/er/b.txt"]
    assert [info.path for info in storage.list_infos(root)] == found
    assert [info.n_bytes for info in storage.list_infos(root)] == [5, 10, 13]
    assert storage.list_files(root) == found[:1]
    assert storage.list_names(root) == ["a.txt", "deep"]
    assert all(storage.exists(path) and storage.is_file(path) for path in found)
    assert storage.is_directory(f"{root}/deep") and not storage.exists(f"{root}/nothing")


def test_a_file_is_replaced_and_removed_whole(root: str) -> None:
    storage.make_directory(root)
    path = f"{root}/file"
    for text in ("first", "the second is longer", ""):
        storage.write_file(path, text)
        assert storage.read_text(path) == text and storage.file_size(path) == len(text)
    storage.remove_file(path)
    storage.remove_file(path)
    assert not storage.exists(path) and storage.file_size(path) == 0


def test_nothing_is_left_of_a_file_whose_writer_fails(root: str) -> None:
    storage.make_directory(root)
    with pytest.raises(RuntimeError), storage.open_whole(f"{root}/file") as stream:
        stream.write(b"half")
        raise RuntimeError
    assert storage.list_files(root) == []


def test_a_folder_goes_with_everything_in_it(root: str) -> None:
    storage.make_directory(f"{root}/a/b")
    storage.write_file(f"{root}/a/b/file", "x")
    storage.remove_directory(f"{root}/a")
    storage.remove_directory(f"{root}/a")
    assert storage.list_files(root, recursive=True) == []


def test_a_path_below_a_folder_is_the_same_wherever_the_folder_lies(root: str) -> None:
    storage.make_directory(f"{root}/a")
    storage.write_file(f"{root}/a/b.parquet", "x")
    (found,) = storage.list_files(root, recursive=True)
    assert storage.relative(found, f"{root}/") == "a/b.parquet"
    assert storage.relative(found, found) == "b.parquet"
