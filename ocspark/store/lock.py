"""A lock file that keeps a folder to one run at a time, on local disks and object stores."""

from __future__ import annotations

import errno
import fcntl
import getpass
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from ocspark import storage
from ocspark.errors import BusyError, OutputError

log = logging.getLogger("ocspark")

#: Seconds between two signs of life of a held lock, and seconds without one after which a
#: process that cannot be asked is taken for dead. Both by a clock that nobody can set.
BEAT_SECONDS, PATIENCE_SECONDS = 10.0, 60.0
#: How often a lock is tried for, and the seconds between two tries.
_TRIES, _PAUSE_SECONDS = 5, 1.0
#: What a file system without hard links answers.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class Lock:
    """A lock that this process holds.

    Parameters
    ----------
    path : str
        Of the lock file.
    """

    def __init__(self, path: str) -> None:
        self.path, self._beat = path, 0
        self._mutex = threading.Lock()  # between the run and the thread that beats
        pid = os.getpid()
        self._content: dict[str, Any] = {
            "id": uuid4().hex,
            "host": socket.gethostname(),
            "user": _user(),
            "pid": pid,
            "born": _born(pid),
            "machine": _machine(),
            "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        }

    def confirm(self) -> None:
        """Make sure that the lock is still ours; put its file back if somebody deleted it.

        Raises
        ------
        BusyError
            If another run has taken it over, after this one was silent for too long.
        """
        with self._mutex:
            text = _read(self.path)
            if text is None and not self._create():
                text = _read(self.path)
            if text is not None and not self._is_ours(text):
                raise BusyError(f"output: {self.path}: taken over by {_describe(text)}")

    def _text(self) -> str:
        return json.dumps({**self._content, "beat": self._beat})

    def _is_ours(self, text: str | None) -> bool:
        return _parse(text).get("id") == self._content["id"]

    def _create(self) -> bool:
        """Create the lock file; return False if there is one already."""
        filesystem, inner = storage.resolve(self.path)
        if not isinstance(filesystem, fs.LocalFileSystem):
            # Arrow's object stores cannot create a file only if there is none
            return _read(self.path) is None and self._write_and_look_again()
        # written beside and linked into place, so that nobody ever reads half a lock
        part = Path(f"{inner}.{self._content['id']}")
        try:
            part.write_text(self._text())
            os.link(part, inner)
        except FileExistsError:
            return self._is_ours(_read(self.path))  # a network drive that tried twice
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            try:
                open(inner, "x").close()
            except FileExistsError:
                return False
            return self._write_and_look_again()
        finally:
            part.unlink(missing_ok=True)
        return True

    def _write_and_look_again(self) -> bool:
        """Write the lock file; return whether ours is the one that stays.

        Of several who write at the same moment, the last one has it.
        """
        started = time.monotonic()
        storage.write_file(self.path, self._text())
        # whoever saw no lock when we did has written by then, unless it is much slower than we
        time.sleep(max(_PAUSE_SECONDS, 2 * (time.monotonic() - started)))
        return self._is_ours(_read(self.path))

    def _keep_alive(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT_SECONDS):
            try:
                self.confirm()
                with self._mutex:
                    self._beat += 1
                    storage.write_file(self.path, self._text())
            except BusyError as error:
                log.warning(str(error))
                return
            except OSError:
                continue  # a full disk, a store that is away: the next beat may get through

    def _release(self) -> None:
        try:
            if self._is_ours(_read(self.path)):
                storage.remove_file(self.path)
        except OSError as error:  # what was done under the lock counts nevertheless
            log.warning("%s: could not be removed: %s", self.path, error)


@contextmanager
def hold_lock(path: str) -> Iterator[Lock]:
    """Hold the lock file at `path` while the block runs.

    The holder counts beats in the file. A lock of a process that has ended is taken over at once
    where we can know: same start of the system and same process numbers as ours. Any other is
    watched, and taken over if it does not beat for `PATIENCE_SECONDS`. No time of day is compared.
    Local disks create the file only if there is none. Arrow's object stores cannot, so there it
    is written, and whose it is looked up a second later.

    Parameters
    ----------
    path : str
        Of the lock file, in a folder that exists.

    Yields
    ------
    Lock
        Its `confirm` says whether we still have it.

    Raises
    ------
    BusyError
        If another process holds it.
    OutputError
        If the storage fails again and again.
    """
    lock = Lock(path)
    _acquire(lock)
    stop = threading.Event()
    beating = threading.Thread(target=lock._keep_alive, args=(stop,), daemon=True)
    beating.start()
    try:
        yield lock
    finally:
        stop.set()
        beating.join()
        lock._release()


def _acquire(lock: Lock) -> None:
    reason = "its lock file comes and goes"
    for number in range(_TRIES):
        if number:
            time.sleep(_PAUSE_SECONDS)
        try:
            if lock._create():
                return
            text = _read(lock.path)
            if text is not None:
                _refuse_if_alive(lock.path, text)
                _remove_dead(lock.path, text)
                if lock._create():
                    return
        except OSError as error:
            reason = str(error)
    raise OutputError(
        f"output: {lock.path}: cannot be locked: {reason}; expected a folder in which files can "
        "be created, read and removed"
    )


def _refuse_if_alive(path: str, text: str) -> None:
    """Raise a `BusyError` unless the process that wrote the lock `text` has ended."""
    has_ended = _has_ended(_parse(text))
    if has_ended is None:
        log.info("%s: looking whether %s is alive", path, _describe(text))
        until = time.monotonic() + PATIENCE_SECONDS
        while has_ended is None and time.monotonic() < until:
            time.sleep(min(1.0, BEAT_SECONDS))
            now = _read(path)
            if now != text:
                if now is None:
                    return  # given back
                text, has_ended = now, False
    if has_ended is False:
        raise BusyError(
            f"output: {path}: another run is at work there: {_describe(text)}; expected to be the "
            "only one, so try again when it has ended"
        )
    log.info("%s: taken over from %s, which has ended", path, _describe(text))


def _remove_dead(path: str, text: str) -> None:
    """Remove the dead lock `text`, unless somebody has put another one there since."""
    filesystem, inner = storage.resolve(path)
    if not isinstance(filesystem, fs.LocalFileSystem):
        if _read(path) == text:
            storage.remove_file(path)
        return
    with suppress(FileNotFoundError), open(inner) as dead:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(dead, fcntl.LOCK_EX)
        # of all who saw the dead one, the first removes it; the others find another text or none
        if _read(path) == text:
            os.unlink(inner)


def _read(path: str) -> str | None:
    """Return the text of a lock file, None if there is none."""
    try:
        return storage.read_bytes(path).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _parse(text: str | None) -> dict[str, Any]:
    """Return what a lock file tells; nothing if it is half written or none of ours."""
    try:
        content = json.loads(text or "")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _describe(text: str) -> str:
    content = _parse(text)
    if "pid" not in content:
        return "an unknown process"
    user = f"{content['user']}@" if content.get("user") else ""
    since = f", since {content['since']}" if content.get("since") else ""
    return f"process {content['pid']} of {user}{content.get('host')}{since}"


def _has_ended(content: dict[str, Any]) -> bool | None:
    """Say whether a lock's process has ended; None if that cannot be known from here."""
    pid, machine = content.get("pid"), _machine()
    if not machine or content.get("machine") != machine or not isinstance(pid, int):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # there is one, of another user
    except OverflowError:
        return None
    # the number may have been given to a new process since
    born = _born(pid)
    return None if born is None else born != content.get("born")


def _machine() -> list[str] | None:
    """Return what tells this start of the system, and this numbering of processes, from others.

    None where the system does not say (it is Linux that does).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [boot, os.readlink("/proc/self/ns/pid")]
    except OSError:
        return None


def _born(pid: int) -> str | None:
    """Return the start time of a process, "ended" for one that only its parent remembers.

    It is counted from the start of the system, not by the time of day. None where the system
    does not tell.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return "ended" if state in "ZX" else fields[18]
    except (OSError, IndexError, ValueError):
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in many containers
        return str(os.getuid())
