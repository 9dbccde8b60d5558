"""One run per run directory at a time."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from ocspark import storage
from ocspark.errors import InputError

log = logging.getLogger("ocspark")

#: Seconds between two beats of a held lock, and how long one may fail to beat before it is taken
#: for dead by another host. Both are measured by clocks that nobody can move.
BEAT_SECONDS, PATIENCE_SECONDS = 10.0, 60.0


@contextmanager
def hold_lock(path: str) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs.

    The holder counts beats in the file. A lock left by a dead process of this host is taken over
    at once; one of another host, which nobody can ask, once it has not beaten for
    `PATIENCE_SECONDS`. No time of day is compared. On object stores, which cannot create a file
    exclusively, the last of two simultaneous writers has it.

    Raises
    ------
    InputError
        If another process holds it.
    """
    lock = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": _born(os.getpid()),
        "id": uuid4().hex,
    }
    while not _create(path, lock):
        holder = _holder(path)
        if holder is None:  # given back, half written, or none of ours
            time.sleep(1.0)
            holder = _holder(path)
            if holder is None and not storage.exists(path):
                continue
        if holder is not None and not _is_dead(holder):
            if holder.get("host") == lock["host"] or _beats(path, holder):
                raise InputError(
                    f"output: {path}: held by process {holder.get('pid')} on "
                    f"{holder.get('host')}; expected no other run into this directory"
                )
            log.info("%s: its holder on %s is gone", path, holder.get("host"))
        _remove_dead(path, holder)
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, lock, stop), daemon=True)
    beating.start()
    try:
        yield
    finally:
        stop.set()
        beating.join()
        if _is(_holder(path), lock):
            storage.remove_file(path)


def _create(path: str, lock: dict[str, Any]) -> bool:
    filesystem, inner = storage.resolve(path)
    if not isinstance(filesystem, fs.LocalFileSystem):
        if storage.exists(path):
            return False
        storage.write_file(path, json.dumps(lock))
        time.sleep(1.0)  # whoever looked at the same moment has written by now
        return _is(_holder(path), lock)
    # written beside and linked into place, so that nobody ever reads half a lock
    part = Path(f"{inner}.{lock['id']}")
    part.write_text(json.dumps(lock))
    try:
        os.link(part, inner)
    except FileExistsError:
        return False
    except OSError:  # a mounted object store, which knows no links
        try:
            with open(inner, "x") as file:
                file.write(json.dumps(lock))
        except FileExistsError:
            return False
    finally:
        part.unlink()
    return True


def _beat(path: str, lock: dict[str, Any], stop: threading.Event) -> None:
    beat = 0
    while not stop.wait(BEAT_SECONDS):
        beat += 1
        try:
            if not _is(_holder(path), lock):
                return  # somebody removed it or took it over: nothing to keep alive
            storage.write_file(path, json.dumps({**lock, "beat": beat}))
        except OSError:
            continue  # a full disk, a store that is away: the next beat may get through


def _beats(path: str, holder: dict[str, Any]) -> bool:
    """Whether a lock of another host changes while we watch."""
    log.info(
        "%s: held by process %s on %s; looking whether it is alive",
        path,
        holder.get("pid"),
        holder.get("host"),
    )
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        time.sleep(min(1.0, BEAT_SECONDS))
        now = _holder(path)
        if now != holder:
            return now is not None  # gone, or another one's already
    return False


def _remove_dead(path: str, holder: dict[str, Any] | None) -> None:
    """Remove a dead lock, unless somebody else has put a live one there since."""
    filesystem, inner = storage.resolve(path)
    if not isinstance(filesystem, fs.LocalFileSystem):
        if _holder(path) == holder:
            storage.remove_file(path)
        return
    try:
        with open(inner) as dead:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(dead, fcntl.LOCK_EX)
            # of all who saw the dead one, the first removes it; the others find another file
            same = os.fstat(dead.fileno()).st_ino == os.stat(inner).st_ino
            if same and _holder(path) == holder:
                os.unlink(inner)
    except FileNotFoundError:
        pass


def _is(holder: dict[str, Any] | None, lock: dict[str, Any]) -> bool:
    return holder is not None and holder.get("id") == lock["id"]


def _holder(path: str) -> dict[str, Any] | None:
    try:
        holder = json.loads(storage.read_text(path))
    except (OSError, ValueError):
        return None  # gone meanwhile, or not a lock of ours
    return holder if isinstance(holder, dict) else None


def _is_dead(holder: dict[str, Any]) -> bool:
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
    """Return the start time of a process where the system tells it ("" elsewhere).

    It is counted from the start of the system, not by the time of day.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
