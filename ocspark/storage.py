"""Read, write, list and remove files by path or URI, one way for disks and object stores.

Where a path leads is found by `ocspark.locations`; its `locate` and `resolve` have their names here
too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow.parquet as pq
from pyarrow import NativeFile, fs

from ocspark.errors import StorageError
from ocspark.locations import Location, locate
from ocspark.locations import resolve as resolve

#: Ends the name of a file that is still being written, or whose writer died.
PART_SUFFIX = ".part"
#: Pauses before the second and the third attempt at a read [s].
RETRY_PAUSES = (0.5, 2.0)

_Value = TypeVar("_Value")


def retry(read: Callable[[], _Value]) -> _Value:
    """Call `read`; if it raises an OSError, call it again after a pause, three times in all."""
    for pause in RETRY_PAUSES:
        try:
            return read()
        except OSError:
            time.sleep(pause)
    return read()


@contextmanager
def _open_location(path: str) -> Iterator[Location]:
    """Give where a path leads; errors of a storage in the block become such that name the URI.

    A missing file stays a FileNotFoundError, and a local disk's errors, which have the path, are
    left alone.
    """
    location = locate(path)
    try:
        yield location
    except (FileNotFoundError, StorageError):
        raise
    except OSError as error:
        if not location.root:
            raise
        raise StorageError(f"{path}: {' '.join(str(error).split())}") from error


def _info(path: str) -> fs.FileInfo:
    with _open_location(path) as location:
        return location.filesystem.get_file_info(location.inner)


def exists(path: str) -> bool:
    """Return whether there is a file or directory at `path`."""
    return bool(_info(path).type != fs.FileType.NotFound)


def is_directory(path: str) -> bool:
    """Return whether there is a directory at `path`."""
    return bool(_info(path).type == fs.FileType.Directory)


def read_bytes(path: str) -> bytes:
    """Return a small file's content."""
    return b"".join(chunks(path))


def read_text(path: str) -> str:
    """Return a file's text (UTF-8)."""
    return read_bytes(path).decode("utf-8")


def read_json(path: str) -> Any:
    """Return the content of a JSON file, None if it is not there, or not whole.

    On Azure and HDFS a file is there, empty or cut, while it is written and after its writer died.
    """
    try:
        return json.loads(read_text(path))
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def open_whole(path: str) -> Iterator[NativeFile]:
    """Open a file for writing so that a reader sees the whole of it or nothing.

    S3 and GCS publish an object when its writing ends; on a local disk and on HDFS it is written
    beside, under a name of its own so that two attempts cannot mix, and renamed. Azure shows an
    object while it is written: there a reader must not trust one that cannot be parsed.
    """
    with _open_location(path) as location:
        filesystem, inner = location.filesystem, location.inner
        renames = isinstance(filesystem, fs.LocalFileSystem) or location.root.startswith("hdfs:")
        target = f"{inner}.{uuid4().hex}{PART_SUFFIX}" if renames else inner
        try:
            # no compression by file name: what is written is what is meant
            with filesystem.open_output_stream(target, compression=None) as stream:
                yield stream
        except BaseException:
            # closing it published what an object store had got so far
            if filesystem.get_file_info(target).type == fs.FileType.File:
                filesystem.delete_file(target)
            raise
        if renames:
            filesystem.move(target, inner)


def write_file(path: str, text: str | bytes) -> None:
    """Write a small file so that a reader sees the whole of it or nothing."""
    with open_whole(path) as stream:
        stream.write(text if isinstance(text, bytes) else text.encode("utf-8"))


def make_directory(path: str) -> None:
    """Make a directory and its parents (nothing to do on object stores)."""
    with _open_location(path) as location:
        location.filesystem.create_dir(location.inner, recursive=True)


def _list(path: str, recursive: bool) -> tuple[Location, list[fs.FileInfo]]:
    """Return what is in a directory, which may not be there, and where it lies."""
    with _open_location(path) as location:
        selector = fs.FileSelector(location.inner, recursive=recursive, allow_not_found=True)
        return location, location.filesystem.get_file_info(selector)


def list_files(path: str, recursive: bool = False) -> list[str]:
    """Return the files below a directory, sorted, as paths that `resolve` understands."""
    location, found = _list(path, recursive)
    return sorted(location.uri(info.path) for info in found if info.is_file)


@dataclass(frozen=True)
class FileInfo:
    """A file's path, length in bytes and time of its last change [ns since 1970]."""

    path: str
    n_bytes: int
    modified_ns: int


def list_infos(path: str) -> list[FileInfo]:
    """Return the files below a directory at any depth, by path; the file itself for a file.

    Where there is nothing, there are no files.
    """
    location, infos = locate(path), [_info(path)]
    if not infos[0].is_file:
        location, infos = _list(path, recursive=True)
    files = [FileInfo(location.uri(i.path), i.size, i.mtime_ns or 0) for i in infos if i.is_file]
    return sorted(files, key=lambda file: file.path)


def list_names(path: str) -> list[str]:
    """Return the names of the files and directories in a directory, which may not be there."""
    # Arrow's listing of one level of a GCS folder leaves out the folders in it
    location, found = _list(path, recursive=locate(path).root.startswith("gs:"))
    below = (info.path.removeprefix(location.inner) for info in found)
    return sorted({name.strip("/").partition("/")[0] for name in below})


def is_empty(path: str) -> bool:
    """Return whether there is nothing at `path`, or a directory with nothing in it."""
    return not is_file(path) and not list_names(path)


def is_file(path: str) -> bool:
    """Return whether there is a file at `path`."""
    return bool(_info(path).type == fs.FileType.File)


def can_be_read(path: str) -> bool:
    """Return whether a file can be read to its end, or is missing from a folder that is there.

    If so, a file that could not be parsed is damaged or gone; if not, the storage does not answer.
    """
    try:
        for _ in chunks(path):
            pass
    except FileNotFoundError:
        return is_directory(path.rsplit("/", 1)[0])
    except OSError:
        return False
    return True


def file_size(path: str) -> int:
    """Return a file's length in bytes; 0 if it is not there."""
    return file_state(path)[0]


def file_state(path: str) -> tuple[int, int]:
    """Return a file's length in bytes and time of its last change [ns]; zeros if it is not there.

    Two states are compared for equality only, so that no clock has to be right.
    """
    info = _info(path)
    return int(info.size or 0), int(info.mtime_ns or 0)


def parquet_rows(path: str) -> int:
    """Return the number of rows of a Parquet file, from its footer."""
    with _open_location(path) as location:
        return int(pq.read_metadata(location.inner, filesystem=location.filesystem).num_rows)


def remove_directory(path: str) -> None:
    """Remove a directory and everything in it, if it is there."""
    # a folder of an object store may have no object itself
    with suppress(FileNotFoundError), _open_location(path) as location:
        if is_directory(path):
            location.filesystem.delete_dir(location.inner)


def remove_file(path: str) -> None:
    """Remove a file, if it is there."""
    with _open_location(path) as location:
        if is_file(path):
            location.filesystem.delete_file(location.inner)


def remove_quietly(path: str) -> None:
    """Remove a file that nothing counts on; leave it where the storage does not let us."""
    with suppress(OSError):
        remove_file(path)


def size_and_sha256(path: str) -> tuple[int, str]:
    """Return a file's length in bytes and the SHA-256 of its content."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def checksum(path: str, algorithm: str) -> str:
    """Return a checksum (``md5``, ``sha256``, …) of a file's content, in hexadecimal digits."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def chunks(path: str, length: int = 1 << 22) -> Iterator[bytes]:
    """Yield the content of a file, piece by piece."""
    # no decompression by file name: what is there is what is meant
    with (
        _open_location(path) as location,
        location.filesystem.open_input_stream(location.inner, compression=None) as stream,
    ):
        while chunk := stream.read(length):
            yield chunk


def relative(path: str, root: str) -> str:
    """Return a file's path below a folder, however both are spelled.

    It is the whole path for a file elsewhere, and the file's name if the folder is the file itself.
    """
    inner, above = locate(path).inner, locate(root).inner.rstrip("/")
    if inner == above:
        return inner.rpartition("/")[2]
    return inner.removeprefix(f"{above}/").strip("/")


def same_content(path: str, other: str) -> bool:
    """Return whether two files have the same bytes; they are read up to the first difference."""
    if file_size(path) != file_size(other):
        return False
    return all(a == b for a, b in zip_longest(chunks(path), chunks(other)))


def join(root: str, *parts: str) -> str:
    """Join path parts with ``/``."""
    return "/".join([root.rstrip("/"), *parts])
