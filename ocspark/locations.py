"""Find where a path or URI leads: its scheme, the client of that storage, and the client's options.

A storage is known by its scheme and authority, such as ``s3://bucket``. Local disks have neither.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyarrow import fs

from ocspark.errors import InputError, StorageError

#: Begins the name of a Spark table where a path may stand too.
TABLE_PREFIX = "table:"
#: Environment variable with options of storages, as JSON; see `configure`.
OPTIONS_VARIABLE = "OCSPARK_STORAGE"
_OPTIONS = (
    "endpoint region anonymous access_key secret_key session_token account_key sas_token"
).split()
#: Environment variables from which a storage's client takes what its options do not say.
_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR", "HADOOP_", "CLASSPATH")

#: How long the client of GCS tries again; left alone, it does so for a quarter of an hour.
_GCS_PATIENCE = timedelta(seconds=30)

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/")
#: Schemes of object stores and the one that stands for all spellings of it.
_OBJECT_STORES = {
    "s3": "s3",
    "s3a": "s3",
    "s3n": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfs",
    "abfss": "abfss",
    "wasb": "abfs",
    "wasbs": "abfss",
}
_EXPECTED = "s3://, gs://, abfss://, hdfs://, dbfs:/Volumes/, file:/ or a local path"

#: Options given by `configure`; clients by process, authority, options and environment.
_given: dict[str, dict[str, Any]] = {}
_clients: dict[tuple[object, ...], fs.FileSystem] = {}


@dataclass(frozen=True)
class Location:
    """Where a path or URI leads.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
    inner : str
        The path on it; absolute on a local disk.
    root, inner_root : str
        The beginnings of URIs and of inner paths there: the one in place of the other makes a URI
        of an inner path. Both are empty on a local disk.
    """

    filesystem: fs.FileSystem
    inner: str
    root: str = ""
    inner_root: str = ""

    def uri(self, inner: str) -> str:
        """Return the URI (a bare path on a local disk) of another inner path there."""
        return self.root + inner.removeprefix(self.inner_root)


def is_table(path: str) -> bool:
    """Return whether a path names a Spark table."""
    return path.startswith(TABLE_PREFIX)


def configure(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Use these options for storages from now on, over those of `OPTIONS_VARIABLE`.

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
        For an unknown option.
    """
    for storage, values in options.items():
        unknown = sorted(set(values) - set(_OPTIONS))
        if unknown:
            raise InputError(
                f"storage.{storage}.{unknown[0]}: unknown option; expected {', '.join(_OPTIONS)}"
            )
    _given.clear()
    _given.update({storage: dict(values) for storage, values in options.items()})


def options_given() -> dict[str, dict[str, Any]]:
    """Return the options of all storages, for `configure` in a task. They may hold secrets.

    Raises
    ------
    InputError
        If the environment variable is no JSON object of objects.
    """
    text = os.environ.get(OPTIONS_VARIABLE, "").strip() or "{}"
    try:
        parsed = json.loads(text)
        of_environment = {storage: dict(values) for storage, values in parsed.items()}
    except (ValueError, AttributeError, TypeError):
        raise InputError(
            f'{OPTIONS_VARIABLE}: expected JSON, such as {{"s3": {{"endpoint": "https://..."}}}}'
        ) from None
    return {**of_environment, **_given}


def normalise(path: str) -> str:
    """Return the one spelling of a path or URI that stands for all others of it.

    ``s3a`` and ``s3n`` are ``s3``; ``wasbs`` is ``abfss``; ``file:/`` is a bare path; ``dbfs:/`` is
    the path under which Databricks mounts it.

    Raises
    ------
    InputError
        For a scheme of no storage that can be used: it is never taken for a local path.
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
    if scheme not in _OBJECT_STORES:
        web = "; download it first (jobs/fetch_inputs.py)" if scheme in ("http", "https") else ""
        raise InputError(f"{path}: no storage of that kind{web}; expected {_EXPECTED}")
    if not rest.startswith("/") or not below or "?" in rest:
        raise InputError(f"{path}: expected {scheme}://NAME/PATH, its options under `storage`")
    if scheme.startswith("wasb"):
        rest = rest.replace(".blob.core.windows.net", ".dfs.core.windows.net", 1)
    return f"{_OBJECT_STORES[scheme]}:/{rest}"


def locate(path: str) -> Location:
    """Return where a path or URI leads.

    Raises
    ------
    InputError
        For a URI that cannot be one of a storage.
    """
    path = normalise(path)
    if "://" not in path:
        return Location(fs.LocalFileSystem(), os.path.abspath(path))
    scheme, _, rest = path.partition("://")
    authority, _, below = rest.rstrip("/").partition("/")
    filesystem = _client(scheme, authority)
    if scheme == "hdfs":
        return Location(filesystem, f"/{below}", f"hdfs://{authority}")
    if scheme in ("abfs", "abfss"):
        container = authority.partition("@")[0]
        inner = f"{container}/{below}" if below else container
        return Location(filesystem, inner, f"{scheme}://{authority}", container)
    return Location(filesystem, f"{authority}/{below}" if below else authority, f"{scheme}://")


def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a path or URI, and the path on it (absolute on a local disk)."""
    location = locate(path)
    return location.filesystem, location.inner


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


def _client(scheme: str, authority: str) -> fs.FileSystem:
    """Return the client of a storage; one is made for each in every process, and kept."""
    all_options = options_given()
    options = {**all_options.get(scheme, {}), **all_options.get(f"{scheme}://{authority}", {})}
    environment = sorted((k, v) for k, v in os.environ.items() if k.startswith(_ENVIRONMENT))
    key = (os.getpid(), scheme, authority, json.dumps(options, sort_keys=True), *environment)
    if key not in _clients:
        _clients[key] = _connected(scheme, authority, options)
    return _clients[key]


def _connected(scheme: str, authority: str, options: Mapping[str, Any]) -> fs.FileSystem:
    """Return a new client; its errors become such that name the storage."""
    try:
        return _connect(scheme, authority, options)
    except (OSError, ValueError, TypeError) as error:
        text = f"{scheme}://{authority}: cannot be opened: {' '.join(str(error).split())}"
        if scheme == "hdfs":
            needs = "libhdfs.so, JAVA_HOME and CLASSPATH=`hadoop classpath --glob`"
            raise InputError(f"{text}; expected {needs} on driver and workers") from None
        # S3 is asked for the bucket's region
        if isinstance(error, OSError) and "not found" not in text:
            raise StorageError(text) from error
        raise InputError(text) from None


def _connect(scheme: str, authority: str, options: Mapping[str, Any]) -> fs.FileSystem:
    endpoint_scheme, _, endpoint = str(options.get("endpoint", "")).rpartition("://")
    named = {k: v for k, v in options.items() if k != "endpoint"}
    if endpoint and scheme in ("s3", "gs"):
        named |= {"endpoint_override": endpoint, "scheme": endpoint_scheme or "https"}
    if scheme == "gs":
        return fs.GcsFileSystem(**named, retry_time_limit=_GCS_PATIENCE)
    if not options:
        return fs.FileSystem.from_uri(f"{scheme}://{authority}")[0]
    if scheme == "s3":
        return fs.S3FileSystem(**named)
    if scheme in ("abfs", "abfss"):
        if endpoint:
            for service in ("blob", "dfs"):
                named[f"{service}_storage_authority"] = endpoint
                named[f"{service}_storage_scheme"] = endpoint_scheme or "https"
        account = authority.partition("@")[2].partition(".")[0]
        return fs.AzureFileSystem(account, **named)
    raise ValueError("it takes no options")
