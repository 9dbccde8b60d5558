"""A small server on this machine that speaks HTTP with ranges, and fails as it is told to."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

#: Answers a form: status and page, and headers if there are any.
Form = Callable[[list[tuple[str, str]]], tuple[int, bytes] | tuple[int, bytes, dict[str, str]]]


class Server:
    """What is served, what goes wrong, and what was asked.

    `files`, or what makes them when they are asked for, and `forms` by path. `faults[path]` are
    used up one a request: ``404``, ``500``, ``429 SECONDS`` (or an HTTP date), ``cut N`` (closes
    after N bytes), ``long N`` (claims N bytes more than there are), ``spoilt`` (other bytes),
    ``slow``.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes | Callable[[], bytes]] = {}
        self.forms: dict[str, Form] = {}
        self.faults: dict[str, list[str]] = {}
        self.ranges = True
        self.asked: list[tuple[str, str, str | None]] = []
        self.agents: set[str] = set()
        self.sent = 0
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self.url = ""

    def asked_for(self, path: str) -> list[tuple[str, str, str | None]]:
        """Method, path and range of the requests for a path."""
        return [asked for asked in self.asked if asked[1] == path]

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count requests that are under way at once."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        with self.state.counted():
            self._answer(True)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        path = self._note()
        fault = self._fault(path)
        if fault and self._refuse(fault):
            return
        status, page, *headers = self.state.forms[path](parse_qsl(body, keep_blank_values=True))
        self._send(status, page, headers[0] if headers else {}, fault)

    def do_DELETE(self) -> None:
        path = self._note()
        for file in [name for name in self.state.files if name.startswith(path)]:
            del self.state.files[file]
        self._send(200, b"", {}, None)

    def _note(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.state.asked.append((self.command, path, self.headers.get("Range")))
        self.state.agents.add(self.headers.get("User-Agent", ""))
        return path

    def _fault(self, path: str) -> str | None:
        waiting = self.state.faults.get(path)
        return waiting.pop(0) if waiting else None

    def _refuse(self, fault: str) -> bool:
        status, _, more = fault.partition(" ")
        if not status.isdigit():
            return False
        headers = {"Retry-After": more} if more else {}
        self._send(int(status), b"", headers, None)
        return True

    def _answer(self, with_body: bool) -> None:
        path = self._note()
        fault = self._fault(path) if with_body else None
        if fault and self._refuse(fault):
            return
        content = self.state.files.get(path)
        if content is None:
            text = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"
            self._send(404, text if with_body else b"", {}, None)
            return
        if callable(content):
            content = content()
        tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": tag, "Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range", tag) == tag
        if asked and fresh and self.state.ranges:
            start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            if start >= len(content):
                self._send(416, b"", {}, None)
                return
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            body, status = content[start : end + 1], 206
        else:
            body, status = content, 200
        if fault == "spoilt":
            body = bytes(b ^ 1 for b in body)
        if not with_body:
            headers["Content-Length"] = str(len(body))
            body = b""
        self._send(status, body, headers, fault)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: str | None) -> None:
        kind, _, number = (fault or "").partition(" ")
        claimed = len(body) + (int(number) if kind == "long" else 0)
        self.send_response(status)
        for name, value in {"Content-Length": str(claimed), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if kind == "slow":
            time.sleep(0.05)
        if kind == "cut":
            body = body[: int(number)]
        self.state.sent += len(body)
        self.wfile.write(body)
        if kind in ("cut", "long"):
            self.wfile.flush()
            self.close_connection = True


@contextmanager
def serving() -> Iterator[Server]:
    """Serve on a free port of this machine."""
    state = Server()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()
