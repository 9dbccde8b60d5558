"""Keep a folder to one run at a time by a lock file, on local disks and object stores.

A local disk creates a file only if there is none. Object stores do so too, but not through Arrow.
There every run that wants the lock first writes an empty claim under a name of its own
(``_lock.<id>``) and then lists all claims: the lock is only ever written by a run whose claim is
the only one. Of two runs, the one that lists later sees the other's claim or its lock, however slow
a write is; all that is needed is that a listing shows what was written before it, as in S3, GCS,
Azure and HDFS.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from ocspark import storage
from ocspark.errors import BusyError, OutputError
from ocspark.store.processes import describe_process, has_ended, note_of_this_process

log = logging.getLogger("ocspark")

#: Seconds between two signs of life of a held lock, and seconds without one after which a
#: process that cannot be asked is taken for dead. Both by a clock that nobody can set.
BEAT_SECONDS, PATIENCE_SECONDS = 10.0, 60.0
#: How often a lock is tried for, and the seconds between two tries.
_TRIES, _PAUSE_SECONDS = 5, 1.0
#: Seconds between two listings of claims.
_CLAIM_SECONDS = 0.1
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
        self._content: dict[str, Any] = {"id": uuid4().hex, **note_of_this_process()}
        self._first_seen: dict[str, float] = {}  # of other runs' claims

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

    def _create(self, dead: str | None = None) -> bool:
        """Create the lock file; return False if another is there, or another run goes first.

        Parameters
        ----------
        dead : str, optional
            Text of a lock whose holder is dead, which is replaced.
        """
        filesystem, inner = storage.resolve(self.path)
        if not isinstance(filesystem, fs.LocalFileSystem):
            return self._create_by_claim(dead)
        if dead is not None:
            _remove_dead(inner, dead)
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
            storage.write_file(self.path, self._text())
        finally:
            part.unlink(missing_ok=True)
        return True

    def _create_by_claim(self, dead: str | None) -> bool:
        """Write the lock file on an object store, while our claim is the only one there."""
        if _read(self.path) not in (None, dead):
            return False
        claim = f"{self.path}.{uuid4().hex}"
        storage.write_file(claim, "")
        until = time.monotonic() + PATIENCE_SECONDS / 4
        try:
            while others := self.other_claims(claim):
                # of several, all but the first by name withdraw, and that one waits for them
                if min(others) < claim or time.monotonic() > until:
                    return False
                time.sleep(_CLAIM_SECONDS)
            if _read(self.path) not in (None, dead):
                return False
            storage.write_file(self.path, self._text())
            return True
        finally:
            storage.remove_file(claim)

    def other_claims(self, own: str = "") -> list[str]:
        """Return other runs' claims on the lock; one that stays is of a dead process and removed.

        A living process removes its claim after a quarter of `PATIENCE_SECONDS`.
        """
        folder, _, name = self.path.rpartition("/")
        names = (path.rpartition("/")[2] for path in storage.list_files(folder))
        claims = (storage.join(folder, n) for n in names if n.startswith(f"{name}."))
        living, now = [], time.monotonic()
        for claim in claims:
            if claim == own:
                continue
            if now - self._first_seen.setdefault(claim, now) > PATIENCE_SECONDS:
                storage.remove_file(claim)
            else:
                living.append(claim)
        return living

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
    reason, tries = "its lock file comes and goes", 0
    while tries < _TRIES:
        try:
            if lock._create():
                return
            text = _read(lock.path)
            if text is not None:
                _refuse_if_alive(lock.path, text)
                if lock._create(dead=text):
                    return
            # while others claim it, one of them gets it, or is dead and its claim is removed
            tries += not lock.other_claims()
        except OSError as error:
            reason, tries = str(error), tries + 1
        time.sleep(_PAUSE_SECONDS)
    raise OutputError(
        f"output: {lock.path}: cannot be locked: {reason}; expected a folder in which files can "
        "be created, read and removed"
    )


def _refuse_if_alive(path: str, text: str) -> None:
    """Raise a `BusyError` unless the process that wrote the lock `text` has ended."""
    ended = has_ended(_parse(text))
    if ended is None:
        log.info("%s: looking whether %s is alive", path, _describe(text))
        until = time.monotonic() + PATIENCE_SECONDS
        while ended is None and time.monotonic() < until:
            time.sleep(min(1.0, BEAT_SECONDS))
            now = _read(path)
            if now != text:
                if now is None:
                    return  # given back
                text, ended = now, False
    if ended is False:
        raise BusyError(
            f"output: {path}: another run is at work there: {_describe(text)}; expected to be the "
            "only one, so try again when it has ended"
        )
    log.info("%s: taken over from %s, which has ended", path, _describe(text))


def _remove_dead(inner: str, text: str) -> None:
    """Remove the dead lock `text` from a local disk, unless there is another one by now."""
    with suppress(FileNotFoundError), open(inner) as dead:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(dead, fcntl.LOCK_EX)
        # of all who saw the dead one, the first removes it; the others find another text or none
        if _read(inner) == text:
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
    return describe_process(_parse(text))
