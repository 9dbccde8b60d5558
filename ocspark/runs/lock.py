"""One run per run directory at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs

from ocspark import storage
from ocspark.errors import InputError


@contextmanager
def hold_lock(path: str) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs.

    A lock left by a dead process of this host is taken over. On object stores, which cannot
    create a file exclusively, the check is best effort.

    Raises
    ------
    InputError
        If another process holds it.
    """
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid())}
    while not _create(path, json.dumps(mine)):
        holder = _holder(path)
        if holder is not None and not _is_dead(holder):
            raise InputError(
                f"output: {path}: held by process {holder.get('pid')} on {holder.get('host')}; "
                "expected no other run into this directory (remove the file if it is gone)"
            )
        storage.remove_file(path)
    try:
        yield
    finally:
        storage.remove_file(path)


def _create(path: str, text: str) -> bool:
    filesystem, inner = storage.resolve(path)
    if not isinstance(filesystem, fs.LocalFileSystem):
        if storage.exists(path):
            return False
        storage.write_file(path, text)
        return True
    # written beside and linked into place, so that nobody ever reads half a lock
    part = Path(f"{inner}.{os.getpid()}")
    part.write_text(text)
    try:
        os.link(part, inner)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True


def _holder(path: str) -> dict[str, object] | None:
    try:
        holder = json.loads(storage.read_text(path))
    except (OSError, ValueError):
        return None  # gone meanwhile, or not a lock of ours
    return holder if isinstance(holder, dict) else None


def _is_dead(holder: dict[str, object]) -> bool:
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _born(pid) != holder.get("born")  # the number may have been given to a new process


def _born(pid: int) -> str:
    """Return the start time of a process where the system tells it ("" elsewhere)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
