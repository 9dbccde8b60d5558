"""Say which process this is, and whether another one that left such a note has ended."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def note_of_this_process() -> dict[str, Any]:
    """Return host, user, number, start and machine of this process; JSON can hold it.

    ``machine`` stands for one start of a system and its numbering of processes: only where it is
    ours can another process be asked for by its number. ``born`` is the start of the process since
    the start of the system, so that a number that was given again is noticed. ``since`` is for
    people alone.
    """
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "user": _user(),
        "pid": pid,
        "born": _born(pid),
        "machine": _machine(),
        "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
    }


def describe_process(note: Mapping[str, Any]) -> str:
    """Return what messages call the process of a note, which may be empty."""
    if "pid" not in note:
        return "an unknown process"
    user = f"{note['user']}@" if note.get("user") else ""
    since = f", since {note['since']}" if note.get("since") else ""
    return f"process {note['pid']} of {user}{note.get('host')}{since}"


def has_ended(note: Mapping[str, Any]) -> bool | None:
    """Return whether the process of a note has ended; None if that cannot be known from here."""
    pid, machine = note.get("pid"), _machine()
    if not machine or note.get("machine") != machine or not isinstance(pid, int):
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
    return None if born is None else born != note.get("born")


def _machine() -> list[str] | None:
    """Return the identity of this start of the system and of its numbering of processes.

    None where the system does not say (Linux does).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [boot, os.readlink("/proc/self/ns/pid")]
    except OSError:
        return None


def _born(pid: int) -> str | None:
    """Return the start time of a process, "ended" for one that only its parent remembers.

    None where the system does not say.
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
