"""Files come whole through servers that fail, cut, change and ask for patience."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from ocspark.errors import InputError
from ocspark.fetch.client import Client
from tests.helpers.server import Server

CONTENT = np.random.default_rng(1).bytes(1_000_000)


def test_a_cut_file_is_resumed_where_it_was_cut(
    server: Server, client: Client, tmp_path: Path
) -> None:
    server.files["/f"] = CONTENT
    server.faults["/f"] = ["cut 300000", "cut 400000"]
    client.download(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    first, *resumed = [asked[2] for asked in server.asked_for("/f")]
    starts = [int(range_[6:-1]) for range_ in resumed if range_]
    assert first is None and len(starts) == 2
    assert 280_000 < starts[0] <= 300_000 and 660_000 < starts[1] <= 700_000
    assert server.sent < len(CONTENT) + 2 * 16_384
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_progress_counts_for_patience(
    server: Server, client: Client, waits: list[float], tmp_path: Path
) -> None:
    """Ten cuts are more than four attempts, but each brings something."""
    server.files["/f"] = CONTENT
    server.faults["/f"] = ["cut 60000"] * 10
    client.download(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT and len(waits) == 10


def test_another_process_goes_on_from_what_is_there(
    server: Server, client: Client, tmp_path: Path
) -> None:
    server.files["/f"] = CONTENT
    server.faults["/f"] = ["cut 500000", *["500"] * 4]
    with pytest.raises(InputError, match="500"):
        client.download(f"{server.url}/f", tmp_path / "f")
    have = (tmp_path / "f").stat().st_size
    assert 480_000 < have <= 500_000
    Client(sleep=lambda _: None).download(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.asked_for("/f")[-1][2] == f"bytes={have}-"


def test_a_file_that_has_changed_starts_afresh(
    server: Server, client: Client, tmp_path: Path
) -> None:
    server.files["/f"] = CONTENT
    server.faults["/f"] = ["cut 500000", *["500"] * 4]
    with pytest.raises(InputError):
        client.download(f"{server.url}/f", tmp_path / "f")
    server.files["/f"] = CONTENT[::-1]
    client.download(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT[::-1]


def test_a_stray_beginning_is_not_trusted(server: Server, client: Client, tmp_path: Path) -> None:
    server.files["/f"] = CONTENT
    (tmp_path / "f").write_bytes(b"something else")
    client.download(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(
    server: Server, client: Client, tmp_path: Path
) -> None:
    server.files["/f"], server.ranges = CONTENT, False
    server.faults["/f"] = ["cut 300000"]
    client.download(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_length_that_is_never_reached_is_an_error(
    server: Server, client: Client, tmp_path: Path
) -> None:
    server.files["/f"], server.ranges = CONTENT, False
    server.faults["/f"] = ["long 10"] * 9
    with pytest.raises(InputError, match="cut"):
        client.download(f"{server.url}/f", tmp_path / "f")


def test_waits_are_those_the_server_asks_for(
    server: Server, client: Client, waits: list[float]
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    server.files["/f"] = b"ok"
    server.faults["/f"] = ["429 17", f"503 {date}", "500"]
    assert client.read(f"{server.url}/f") == b"ok"
    assert waits[0] == 17 and 35 < waits[1] <= 40 and 0 < waits[2] < 10


def test_waits_grow(server: Server, client: Client, waits: list[float]) -> None:
    server.faults["/f"] = ["500"] * 9
    with pytest.raises(InputError, match="500 Internal Server Error, 4 times"):
        client.read(f"{server.url}/f")
    assert len(waits) == 3 and waits[0] < waits[1] < waits[2]


def test_what_is_not_there_is_told_at_once(
    server: Server, client: Client, waits: list[float]
) -> None:
    with pytest.raises(InputError, match="404"):
        client.read(f"{server.url}/nowhere")
    assert not waits and len(server.asked) == 1


def test_no_network_is_told_as_such(client: Client, waits: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/f", "http://no-such-host.invalid/f"):
        with pytest.raises(InputError, match=r"cannot be reached.*is there a network") as told:
            client.read(url)
        assert "\n" not in str(told.value)
    assert len(waits) == 4  # three attempts each, not all that a server would get


def test_servers_are_told_who_asks(server: Server, client: Client) -> None:
    server.files["/f"] = b""
    client.read(f"{server.url}/f")
    assert all("ocspark" in agent for agent in server.agents)
