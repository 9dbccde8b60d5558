"""Files by path or URI through pyarrow.fs, one way for local disks, S3, GCS, Azure and HDFS."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow.parquet as pq
from pyarrow import NativeFile, fs

from ocspark.errors import InputError

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


@dataclass(frozen=True)
class Place:
    """Where a path or URI leads.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
    inner : str
        The path on it; absolute on a local disk.
    root, inner_root : str
        What URIs and inner paths there begin with, so that the one can be told from the other.
    """

    filesystem: fs.FileSystem
    inner: str
    root: str = ""
    inner_root: str = ""

    def uri(self, inner: str) -> str:
        """Return the URI (a bare path on a local disk) of another inner path there."""
        return self.root + inner.removeprefix(self.inner_root)


#: Options of a storage, by its scheme or by ``scheme://authority``; see `configure`.
OPTIONS_VARIABLE = "OCSPARK_STORAGE"
_OPTIONS = (
    "endpoint region anonymous access_key secret_key session_token account_key sas_token"
).split()
_given: dict[str, dict[str, Any]] = {}
_clients: dict[tuple[object, ...], fs.FileSystem] = {}
#: Variables by which a storage's own client finds what it is not told.
_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR", "HADOOP_", "CLASSPATH")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/")
_KNOWN = "s3://, gs://, abfss://, hdfs://, dbfs:/Volumes/, file:/ or a local path"


def configure(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Use these options for storages from now on, beside those of `OCSPARK_STORAGE`.

    Parameters
    ----------
    options : mapping
        A scheme, such as ``s3``, or a scheme and an authority, such as ``s3://bucket`` or
        ``abfss://container@account.dfs.core.windows.net``, to its options: ``endpoint`` (a URL),
        ``region``, ``anonymous`` (S3, GCS), ``access_key``, ``secret_key``, ``session_token`` (S3),
        ``account_key``, ``sas_token`` (Azure). What is not given is found as the storage's own
        client finds it: environment, profile, role.

    Raises
    ------
    InputError
        For an option that there is not.
    """
    for place, values in options.items():
        unknown = sorted(set(values) - set(_OPTIONS))
        if unknown:
            raise InputError(
                f"storage.{place}.{unknown[0]}: unknown option; expected {', '.join(_OPTIONS)}"
            )
    _given.clear()
    _given.update({place: dict(values) for place, values in options.items()})


def options_given() -> dict[str, dict[str, Any]]:
    """Return the options of all storages, for `configure` in a task. They may hold secrets.

    Raises
    ------
    InputError
        If the environment variable is no JSON object of objects.
    """
    text = os.environ.get(OPTIONS_VARIABLE, "").strip() or "{}"
    try:
        told = json.loads(text)
        of_environment = {place: dict(values) for place, values in told.items()}
    except (ValueError, AttributeError, TypeError):
        raise InputError(
            f'{OPTIONS_VARIABLE}: expected JSON, such as {{"s3": {{"endpoint": "https://..."}}}}'
        ) from None
    return {**of_environment, **_given}


def normalise(path: str) -> str:
    """Return the one spelling of a path or URI that all others of it come to.

    ``s3a`` and ``s3n`` are ``s3``; ``wasbs`` is ``abfss``; ``file:/`` is a bare path; ``dbfs:/`` is
    the path under which Databricks mounts it.

    Raises
    ------
    InputError
        For a scheme that no storage here has: such a path is never taken for a local one.
    """
    match = _SCHEME.match(path)
    if match is None:
        return path
    scheme, rest = match[1].lower(), path[match.end() :]
    below = rest.lstrip("/")
    if scheme == "file":
        return f"/{below}"
    if scheme == "dbfs":
        if not below.startswith("Volumes/") and not os.path.isdir("/dbfs"):
            raise InputError(
                f"{path}: DBFS is not mounted here; expected dbfs:/Volumes/… or s3://…"
            )
        return f"/{below}" if below.startswith("Volumes/") else f"/dbfs/{below}"
    if scheme == "hdfs":
        return f"hdfs://{rest[1:]}" if rest.startswith("/") else f"hdfs:///{below}"
    known = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
    known |= {"abfs": "abfs", "abfss": "abfss", "wasb": "abfs", "wasbs": "abfss"}
    if scheme not in known:
        hint = "; fetch it first" if scheme in ("http", "https") else ""
        raise InputError(f"{path}: no storage of that kind{hint}; expected {_KNOWN}")
    if not rest.startswith("/") or not below or "?" in rest:
        raise InputError(f"{path}: expected {scheme}://NAME/PATH, its options under `storage`")
    if scheme.startswith("wasb"):
        rest = rest.replace(".blob.core.windows.net", ".dfs.core.windows.net", 1)
    return f"{known[scheme]}:/{rest}"


def locate(path: str) -> Place:
    """Return where a path or URI leads.

    Raises
    ------
    InputError
        For a URI that cannot be one of a storage.
    """
    path = normalise(path)
    if "://" not in path:
        return Place(fs.LocalFileSystem(), os.path.abspath(path))
    scheme, _, rest = path.partition("://")
    authority, _, below = rest.rstrip("/").partition("/")
    filesystem = _client(scheme, authority)
    if scheme == "hdfs":
        return Place(filesystem, f"/{below}", f"hdfs://{authority}")
    if scheme in ("abfs", "abfss"):
        container = authority.partition("@")[0]
        inner = f"{container}/{below}" if below else container
        return Place(filesystem, inner, f"{scheme}://{authority}", container)
    return Place(filesystem, f"{authority}/{below}" if below else authority, f"{scheme}://")


def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a path or URI, and the path on it (absolute on a local disk)."""
    place = locate(path)
    return place.filesystem, place.inner


def _client(scheme: str, authority: str) -> fs.FileSystem:
    """Return the file system of an authority: one for each, its options and this process."""
    all_options = options_given()
    options = {**all_options.get(scheme, {}), **all_options.get(f"{scheme}://{authority}", {})}
    environment = sorted((k, v) for k, v in os.environ.items() if k.startswith(_ENVIRONMENT))
    told = json.dumps(options, sort_keys=True)
    key = (os.getpid(), scheme, authority, told, *environment)
    if key not in _clients:
        try:
            _clients[key] = _connect(scheme, authority, options)
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{scheme}://{authority}: cannot be opened: {reason}") from None
    return _clients[key]


def _connect(scheme: str, authority: str, options: Mapping[str, Any]) -> fs.FileSystem:
    if not options:
        return fs.FileSystem.from_uri(f"{scheme}://{authority}")[0]
    endpoint_scheme, _, endpoint = str(options.get("endpoint", "")).rpartition("://")
    named = {k: v for k, v in options.items() if k != "endpoint"}
    if scheme == "s3":
        if endpoint:
            named |= {"endpoint_override": endpoint, "scheme": endpoint_scheme or "https"}
        return fs.S3FileSystem(**named)
    if scheme == "gs":
        if endpoint:
            named |= {"endpoint_override": endpoint, "scheme": endpoint_scheme or "https"}
        return fs.GcsFileSystem(**named)
    if scheme in ("abfs", "abfss"):
        if endpoint:
            for service in ("blob", "dfs"):
                named[f"{service}_storage_authority"] = endpoint
                named[f"{service}_storage_scheme"] = endpoint_scheme or "https"
        account = authority.partition("@")[2].partition(".")[0]
        return fs.AzureFileSystem(account, **named)
    raise ValueError("it takes no options")


def for_spark(path: str) -> str:
    """Return the path as Spark must be given it.

    A local path gets its scheme, since Spark's default file system may be another; Databricks
    volumes are known to Spark by their bare path, and its S3 client by ``s3a``.
    """
    path = normalise(path)
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

    S3 and GCS publish an object when its writing ends; on a local disk and on HDFS it is written
    beside, under a name of its own so that two attempts cannot mix, and renamed. Azure shows an
    object while it is written: there a reader must not trust one that cannot be parsed.
    """
    place = locate(path)
    filesystem, inner = place.filesystem, place.inner
    renames = isinstance(filesystem, fs.LocalFileSystem) or place.root.startswith("hdfs:")
    target = f"{inner}.{uuid4().hex}{PART_SUFFIX}" if renames else inner
    # no compression by file name: what is written is what is meant
    try:
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
    filesystem, inner = resolve(path)
    filesystem.create_dir(inner, recursive=True)


def list_files(path: str, recursive: bool = False) -> list[str]:
    """Return the files below a directory, sorted, as paths that `resolve` understands."""
    place = locate(path)
    selector = fs.FileSelector(place.inner, recursive=recursive, allow_not_found=True)
    found = place.filesystem.get_file_info(selector)
    return sorted(place.uri(info.path) for info in found if info.is_file)


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
    place = locate(path)
    infos = [place.filesystem.get_file_info(place.inner)]
    if not infos[0].is_file:
        selector = fs.FileSelector(place.inner, recursive=True, allow_not_found=True)
        infos = place.filesystem.get_file_info(selector)
    files = [FileInfo(place.uri(i.path), i.size, i.mtime_ns or 0) for i in infos if i.is_file]
    return sorted(files, key=lambda file: file.path)


def list_names(path: str) -> list[str]:
    """Return the names of the files and directories in a directory, which may not be there."""
    place = locate(path)
    # Arrow's listing of one level of a GCS folder leaves out the folders in it
    selector = fs.FileSelector(
        place.inner, recursive=place.root.startswith("gs:"), allow_not_found=True
    )
    below = (i.path.removeprefix(place.inner) for i in place.filesystem.get_file_info(selector))
    return sorted({name.strip("/").partition("/")[0] for name in below})


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
        with suppress(FileNotFoundError):  # a folder of an object store may have no object itself
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


def relative(path: str, root: str) -> str:
    """Return a file's path below a folder, however both are spelled; the whole if it is elsewhere.

    A file that is the root itself has its name.
    """
    inner, above = locate(path).inner, locate(root).inner.rstrip("/")
    if inner == above:
        return inner.rpartition("/")[2]
    return inner.removeprefix(f"{above}/").strip("/")


def same_content(path: str, other: str) -> bool:
    """Whether two files have the same bytes; read to the first that differs."""
    if file_size(path) != file_size(other):
        return False
    return all(a == b for a, b in zip_longest(chunks(path), chunks(other)))


def join(root: str, *parts: str) -> str:
    """Join path parts with ``/``."""
    return "/".join([root.rstrip("/"), *parts])
