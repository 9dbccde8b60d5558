"""Claim a job's output folder: a note says what it holds, a lock keeps other jobs out meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ocspark import storage
from ocspark.errors import InputError
from ocspark.store.files import telling_full_disk
from ocspark.store.lock import Lock, hold_lock

#: In a claimed folder: what it holds follows from what; the lock.
NOTE, LOCK = "_inputs.json", "_lock"


@dataclass(frozen=True)
class Claim:
    """A job's claim on a folder.

    Attributes
    ----------
    path : str
        The folder.
    note : mapping
        The inputs and settings of the result: a job with the same goes on with the work there, one
        with others is refused. JSON can hold it. A job that replaces its earlier results notes
        only what kind of result it is.
    what : str
        The result in words, such as "a training set".
    option : str
        Name of the folder in errors.
    expected : str
        Advice in errors: what to give in its place.
    """

    path: str
    note: Mapping[str, Any]
    what: str
    option: str = "--output"
    expected: str = "another folder"

    def check(self) -> None:
        """Refuse a folder that holds anything else; write nothing.

        Raises
        ------
        InputError
            If it is a file, or holds results of other inputs or anything that is not a result.
        """
        if storage.is_file(self.path):
            raise InputError(f"{self.option}: {self.path}: is a file; expected a folder")
        if storage.exists(storage.join(self.path, NOTE)):
            before = self._read()
            if before is not None and before != json.loads(json.dumps(self.note)):
                raise InputError(
                    f"{self.option}: {self.path}: holds {self.what} of other inputs or settings, "
                    f"or of another version; expected {self.expected}"
                )
        elif any(not name.startswith(LOCK) for name in storage.list_names(self.path)):
            raise InputError(
                f"{self.option}: {self.path}: is not empty and does not hold {self.what}; "
                "expected a new or empty folder"
            )

    @contextmanager
    def hold(self) -> Iterator[Lock]:
        """Keep other jobs out of the folder while the block runs, and leave the note in it.

        Yields
        ------
        Lock
            Its `confirm` raises an error if another job has taken the folder.

        Raises
        ------
        InputError
            See `check`.
        BusyError
            If another process is at work there.
        OutputError
            If there is no room, now or in the block.
        """
        self.check()
        is_new = not storage.exists(self.path)
        try:
            with telling_full_disk(self.path):
                storage.make_directory(self.path)
                with hold_lock(storage.join(self.path, LOCK)) as lock:
                    self.check()  # another may have begun meanwhile
                    if self._read() is None:
                        text = json.dumps(self.note, indent=1)
                        storage.write_file(storage.join(self.path, NOTE), text)
                    yield lock
        except InputError:
            if is_new and storage.list_names(self.path) == [NOTE]:
                storage.remove_directory(self.path)  # bad input leaves nothing behind
            raise

    def _read(self) -> Any:
        """Return the note in the folder, None if there is none or only part of it."""
        return storage.read_json(storage.join(self.path, NOTE))
