"""Files by path or URI through pyarrow.fs: local disks, S3, GCS and the like, one way for all."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

import pyarrow.parquet as pq
from pyarrow import NativeFile, fs

#: Ends the name of a file that is still being written, or whose writer died.
PART_SUFFIX = ".part"
#: Pauses before the second and the third attempt at a read [s].
RETRY_PAUSES = (0.5, 2.0)

#: Begins what names a table of Spark's where a path may stand too.
TABLE_PREFIX = "table:"

_Value = TypeVar("_Value")


def is_table(path: str) -> bool:
    """Whether a path names a Spark table."""
    return path.startswith(TABLE_PREFIX)


def retry(read: Callable[[], _Value]) -> _Value:
    """Call `read`; if it raises an OSError, call it again after a pause, three times in all."""
    for pause in RETRY_PAUSES:
        try:
            return read()
        except OSError:
            time.sleep(pause)
    return read()


def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a path or URI, and the path on it (absolute on a local disk)."""
    if "://" in path:
        filesystem, inner = fs.FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", path))
        return filesystem, inner.rstrip("/")
    return fs.LocalFileSystem(), os.path.abspath(path)


def for_spark(path: str) -> str:
    """Return the path as Spark must be given it.

    A local path gets its scheme, since Spark's default file system may be another; Databricks
    volumes are known to Spark by their bare path, and its S3 client by ``s3a``.
    """
    if "://" in path:
        return re.sub(r"^s3://", "s3a://", path)
    local = os.path.abspath(path)
    return local if local.startswith("/Volumes/") else f"file://{local}"


def exists(path: str) -> bool:
    """Whether there is a file or directory at `path`."""
    filesystem, inner = resolve(path)
    return bool(filesystem.get_file_info(inner).type != fs.FileType.NotFound)


def is_directory(path: str) -> bool:
    """Whether there is a directory at `path`."""
    filesystem, inner = resolve(path)
    return bool(filesystem.get_file_info(inner).type == fs.FileType.Directory)


def read_bytes(path: str) -> bytes:
    """Return a small file's content."""
    filesystem, inner = resolve(path)
    # no decompression by file name: what is there is what is meant
    with filesystem.open_input_stream(inner, compression=None) as stream:
        return bytes(stream.read())


def read_text(path: str) -> str:
    """Return a file's text (UTF-8)."""
    return read_bytes(path).decode("utf-8")


@contextmanager
def open_whole(path: str) -> Iterator[NativeFile]:
    """Open a file for writing so that a reader sees the whole of it or nothing.

    Object stores publish an object when its writing ends; on a local disk it is written beside,
    under a name of its own so that two attempts cannot mix, and renamed.
    """
    filesystem, inner = resolve(path)
    local = isinstance(filesystem, fs.LocalFileSystem)
    target = f"{inner}.{uuid4().hex}{PART_SUFFIX}" if local else inner
    # no compression by file name: what is written is what is meant
    try:
        with filesystem.open_output_stream(target, compression=None) as stream:
            yield stream
    except BaseException:
        # closing it published what an object store had got so far
        if filesystem.get_file_info(target).type == fs.FileType.File:
            filesystem.delete_file(target)
        raise
    if local:
        filesystem.move(target, inner)


def write_file(path: str, text: str | bytes) -> None:
    """Write a small file so that a reader sees the whole of it or nothing."""
    with open_whole(path) as stream:
        stream.write(text if isinstance(text, bytes) else text.encode("utf-8"))


def make_directory(path: str) -> None:
    """Make a directory and its parents (nothing to do on object stores)."""
    filesystem, inner = resolve(path)
    filesystem.create_dir(inner, recursive=True)


def list_files(path: str, recursive: bool = False) -> list[str]:
    """Return the files below a directory, sorted, as paths that `resolve` understands."""
    filesystem, inner = resolve(path)
    selector = fs.FileSelector(inner, recursive=recursive, allow_not_found=True)
    found = [info.path for info in filesystem.get_file_info(selector) if info.is_file]
    prefix = path.split("://", 1)[0] + "://" if "://" in path else ""
    return sorted(prefix + name for name in found)


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
    filesystem, inner = resolve(path)
    infos = [filesystem.get_file_info(inner)]
    if not infos[0].is_file:
        selector = fs.FileSelector(inner, recursive=True, allow_not_found=True)
        infos = filesystem.get_file_info(selector)
    prefix = path.split("://", 1)[0] + "://" if "://" in path else ""
    files = [FileInfo(prefix + i.path, i.size, i.mtime_ns or 0) for i in infos if i.is_file]
    return sorted(files, key=lambda file: file.path)


def list_names(path: str) -> list[str]:
    """Return the names of the files and directories in a directory, which may not be there."""
    filesystem, inner = resolve(path)
    selector = fs.FileSelector(inner, allow_not_found=True)
    return sorted(info.base_name for info in filesystem.get_file_info(selector))


def is_empty(path: str) -> bool:
    """Whether there is nothing at `path`, or a directory with nothing in it."""
    return not is_file(path) and not list_names(path)


def is_file(path: str) -> bool:
    """Whether there is a file at `path`."""
    filesystem, inner = resolve(path)
    return bool(filesystem.get_file_info(inner).type == fs.FileType.File)


def can_be_read(path: str) -> bool:
    """Say whether a file's bytes can be read to its end, or its folder is there without it.

    What cannot be parsed is damaged then, or gone; else the storage does not answer.
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
    filesystem, inner = resolve(path)
    info = filesystem.get_file_info(inner)
    return int(info.size or 0), int(info.mtime_ns or 0)


def parquet_rows(path: str) -> int:
    """Return the number of rows that a Parquet file's footer tells."""
    filesystem, inner = resolve(path)
    return int(pq.read_metadata(inner, filesystem=filesystem).num_rows)


def remove_directory(path: str) -> None:
    """Remove a directory and everything in it, if it is there."""
    filesystem, inner = resolve(path)
    if filesystem.get_file_info(inner).type == fs.FileType.Directory:
        filesystem.delete_dir(inner)


def remove_file(path: str) -> None:
    """Remove a file, if it is there."""
    filesystem, inner = resolve(path)
    if filesystem.get_file_info(inner).type == fs.FileType.File:
        filesystem.delete_file(inner)


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
    filesystem, inner = resolve(path)
    with filesystem.open_input_stream(inner, compression=None) as stream:
        while chunk := stream.read(length):
            yield chunk


def join(root: str, *parts: str) -> str:
    """Join path parts with ``/``."""
    return "/".join([root.rstrip("/"), *parts])
