"""Public HATS catalogues, over HTTP(S) or from S3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ocspark.errors import InputError
from ocspark.fetch.client import Client, NotThere, TemporaryFailure
from ocspark.fetch.folder import FileToFetch, Folder
from ocspark.mirror.hats import (
    PROPERTIES,
    HatsCatalogue,
    ListedPartition,
    parse_partitions,
    parse_properties,
)

_CHUNK = 1 << 20
T = TypeVar("T")


class Tree(Protocol):
    """A folder on a server."""

    root: str

    def read(self, name: str) -> bytes:
        """Return a small file; raise `InputError` if it is not there."""

    def download(self, name: str, part: Path) -> None:
        """Write a file to `part`, resuming what is there."""

    def below(self, name: str) -> Tree:
        """Return a folder in this one."""


class HttpTree:
    """A folder on a web server."""

    def __init__(self, root: str, client: Client) -> None:
        self.root, self._client = root.rstrip("/"), client

    def read(self, name: str) -> bytes:
        """Return a small file."""
        return self._client.read(f"{self.root}/{name}")

    def download(self, name: str, part: Path) -> None:
        """Write a file to `part`."""
        self._client.download(f"{self.root}/{name}", part)

    def below(self, name: str) -> HttpTree:
        """Return a folder in this one."""
        return HttpTree(f"{self.root}/{name}", self._client)


class S3Tree:
    """A folder in a public bucket: address, the bucket's file system, the path there."""

    def __init__(self, root: str, filesystem: fs.FileSystem, inner: str, client: Client) -> None:
        self.root, self._fs, self._inner, self._client = root, filesystem, inner, client

    def read(self, name: str) -> bytes:
        """Return a small file."""
        path = f"{self._inner}/{name}"

        def once() -> bytes:
            with self._fs.open_input_stream(path, compression=None) as stream:
                return bytes(stream.read())

        return self._client.retry(f"{self.root}/{name}", lambda: self._told(once), lambda: 0)

    def download(self, name: str, part: Path) -> None:
        """Write a file to `part`, resuming it if the object is still the same."""
        path, tag_path = f"{self._inner}/{name}", part.with_name(part.name + ".tag")

        def once() -> None:
            info = self._fs.get_file_info(path)
            if info.type != fs.FileType.File:
                raise FileNotFoundError
            tag = json.dumps([info.path, info.size, info.mtime_ns])
            same = part.exists() and tag_path.exists() and tag_path.read_text() == tag
            have = part.stat().st_size if same else 0
            tag_path.write_text(tag)
            with self._fs.open_input_file(path) as source, open(part, "ab" if have else "wb") as to:
                source.seek(have)
                while chunk := source.read(_CHUNK):
                    to.write(chunk)
            if part.stat().st_size != info.size:
                raise TemporaryFailure(f"{part.stat().st_size} of {info.size} bytes came")

        self._client.retry(
            f"{self.root}/{name}",
            lambda: self._told(once),
            lambda: part.stat().st_size if part.exists() else 0,
        )
        tag_path.unlink(missing_ok=True)

    def below(self, name: str) -> S3Tree:
        """Return a folder in this one."""
        root, inner = f"{self.root}/{name}", f"{self._inner}/{name}"
        return S3Tree(root, self._fs, inner, self._client)

    def _told(self, once: Callable[[], T]) -> T:
        try:
            return once()
        except FileNotFoundError:
            raise NotThere(f"{self.root}: no such object there") from None
        except (PermissionError, pa.ArrowInvalid) as error:
            raise InputError(f"{self.root}: {error}") from None
        except OSError as error:
            away = "Unable to connect" in str(error) or "resolve" in str(error)
            why = " ".join(str(error).split())[:200]
            raise TemporaryFailure(why, reached=not away) from None


def open_tree(url: str, client: Client) -> Tree:
    """Return the folder at an address: a URL, or ``s3://BUCKET/PATH[?region=…]``, public.

    Raises
    ------
    InputError
        If it is neither HTTP(S) nor S3.
    """
    if url.startswith(("http://", "https://")):
        return HttpTree(url, client)
    if re.match(r"s3://[^/?]", url):
        uri = url if "@" in url else url.replace("s3://", "s3://anonymous@")  # no credentials
        try:
            filesystem, inner = fs.FileSystem.from_uri(
                uri
            )  # with its options, which travel no further
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"--from {url}: {error}") from None
        return S3Tree(url.split("?")[0].rstrip("/"), filesystem, inner.rstrip("/"), client)
    raise InputError(f"--from {url}: expected http://…, https://… or s3://BUCKET…")


def fetch_hats(client: Client, url: str, output: str, connections: int = 2) -> int:
    """Fetch a HATS catalogue, or the primary table of a collection; return the data files fetched.

    Each file's footer must have as many rows as the list of partitions says. The properties are
    written last, so that nothing opens as a catalogue before it is whole.

    Raises
    ------
    InputError
        If there is no catalogue, its partitions are folders, or a file cannot be had.
    """
    tree = _primary(open_tree(url, client))
    name, properties = _properties(tree)
    listed = tree.read("partition_info.csv").decode("utf-8", "replace")
    pixels = parse_partitions(listed, f"{tree.root}/partition_info.csv")
    catalogue = HatsCatalogue("", parse_properties(properties.decode("utf-8", "replace")), pixels)
    if catalogue.in_folders:
        raise InputError(f"{tree.root}: a pixel is a folder of files; expected a file per pixel")
    folder = Folder(output)
    small = [_as_read(tree, "partition_info.csv", listed.encode())]
    small.append(_as_read(tree, "dataset/_common_metadata", tree.read("dataset/_common_metadata")))
    folder.fetch(small, "schema and partitions")
    wanted = [_pixel(tree, catalogue, pixel) for pixel in pixels]
    came = folder.fetch(wanted, "partitions", connections)
    folder.fetch(
        [_as_read(tree, n, properties) for n in dict.fromkeys((name, *PROPERTIES))], "properties"
    )
    return came


def _primary(tree: Tree) -> Tree:
    try:
        text = tree.read("collection.properties").decode("utf-8", "replace")
    except NotThere:
        return tree
    table = parse_properties(text).get("hats_primary_table_url", "")
    if not table or "://" in table or table.startswith("/") or ".." in table.split("/"):
        raise InputError(f"{tree.root}/collection.properties: no primary table in the collection")
    return tree.below(table)


def _properties(tree: Tree) -> tuple[str, bytes]:
    try:
        return PROPERTIES[1], tree.read(PROPERTIES[1])
    except NotThere:
        return PROPERTIES[0], tree.read(PROPERTIES[0])


def _as_read(tree: Tree, name: str, content: bytes) -> FileToFetch:
    def bring(part: Path) -> None:
        part.write_bytes(content)

    return FileToFetch(name, f"{tree.root}/{name}", bring)


def _pixel(tree: Tree, catalogue: HatsCatalogue, partition: ListedPartition) -> FileToFetch:
    name = catalogue.location(partition.pixel).lstrip("/")
    origin = f"{tree.root}/{name}"

    def check(part: Path) -> None:
        try:
            rows = pq.read_metadata(part).num_rows
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{origin}: came as no whole Parquet file: {error}") from None
        if partition.rows is not None and rows != partition.rows:
            raise InputError(f"{origin}: came with {rows} rows; expected {partition.rows}")

    return FileToFetch(name, origin, lambda part: tree.download(name, part), check)
