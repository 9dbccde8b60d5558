"""A folder of fetched files: what is there as it should be is not fetched again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocspark import storage
from ocspark.errors import InputError
from ocspark.store.progress import Progress

log = logging.getLogger("ocspark")

#: Size, SHA-256 and origin of what has been fetched; no reader of the folder looks at it.
MANIFEST = "_fetched.json"
#: Files that may fail before the rest is given up.
_MOST_FAILURES = 5
_NAME = re.compile(r"[\w.+=-]+(/[\w.+=-]+)*")


@dataclass(frozen=True)
class FileToFetch:
    """A file to fetch.

    Attributes
    ----------
    name : str
        Path inside the folder.
    origin : str
        Where it is from, for the manifest and errors.
    bring : callable
        Writes the file to a local path, resuming what is there if it can.
    finish : callable, optional
        Checks or converts the file at the local path; raises `InputError` if it is not what it
        should be, and it is fetched a second time.
    md5 : str, optional
        Checksum that the file must have.
    """

    name: str
    origin: str
    bring: Callable[[Path], None]
    finish: Callable[[Path], None] | None = None
    md5: str | None = None


class Folder:
    """A folder of fetched files, on a local disk or an object store."""

    def __init__(self, output: str) -> None:
        self.path = output
        if storage.is_file(output):
            raise InputError(f"--output {output}: is a file; expected a folder")
        self._remote = "://" in output
        digest = hashlib.sha256(output.encode()).hexdigest()[:16]
        scratch = Path(tempfile.gettempdir()) / f"ocspark-fetch-{digest}"
        self._parts = scratch if self._remote else Path(os.path.abspath(output))
        self._lock = threading.Lock()
        manifest = storage.join(output, MANIFEST)
        self._manifest: dict[str, Any] = {}
        if storage.exists(manifest):
            try:
                self._manifest = json.loads(storage.read_text(manifest))
            except ValueError:
                log.warning("%s: is not JSON; everything is fetched again", manifest)

    def fetch(self, wanted: Sequence[FileToFetch], label: str, connections: int = 1) -> int:
        """Fetch the files that are not there; return how many were fetched.

        A file appears under its name when it is whole and as it should be. If some cannot be
        fetched the others are all the same.

        Raises
        ------
        InputError
            If a file could not be fetched.
        """
        progress = Progress(label, len(wanted), None, "files", "bytes")
        failed: list[InputError] = []

        def one(file: FileToFetch) -> bool:
            if len(failed) >= _MOST_FAILURES:
                return False
            try:
                return self._one(file, progress)
            except InputError as error:
                with self._lock:
                    failed.append(error)
                return False

        with ThreadPoolExecutor(connections) as pool:
            came = sum(pool.map(one, wanted))
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise InputError(f"{failed[0]}{more}")
        return came

    def _one(self, file: FileToFetch, progress: Progress) -> bool:
        if not _NAME.fullmatch(file.name) or ".." in file.name.split("/"):
            raise InputError(f"{file.origin}: {file.name!r} is no name for a file")
        target = storage.join(self.path, file.name)
        if self._is_there(file, target):
            with self._lock:
                progress.done(storage.file_size(target), reused=True)
            return False
        part = self._parts / f"{file.name}{storage.PART_SUFFIX}"
        part.parent.mkdir(parents=True, exist_ok=True)
        self._bring(file, part)
        size, sha256 = storage.size_and_sha256(str(part))
        self._publish(part, target)
        with self._lock:
            self._manifest[file.name] = {
                "origin": file.origin,
                "bytes": size,
                "sha256": sha256,
                "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            text = json.dumps(self._manifest, indent=1, sort_keys=True)
            storage.write_file(storage.join(self.path, MANIFEST), text)
            progress.done(size, reused=False)
        return True

    def _is_there(self, file: FileToFetch, target: str) -> bool:
        """Return whether the file is there, with the checksum wanted, or that of its fetching."""
        if not storage.is_file(target):
            return False
        if file.md5 is not None:
            return storage.checksum(target, "md5") == file.md5
        known = self._manifest.get(file.name)
        if known is None or known["origin"] != file.origin:
            return False
        return storage.size_and_sha256(target) == (known["bytes"], known["sha256"])

    def _bring(self, file: FileToFetch, part: Path) -> None:
        """Fetch a file, and once more from its beginning if it is not as it should be."""
        for attempt in (1, 2):
            file.bring(part)
            try:
                if file.md5 is not None and storage.checksum(str(part), "md5") != file.md5:
                    raise InputError(
                        f"{file.origin}: came with another MD5 checksum; expected {file.md5}"
                    )
                if file.finish is not None:
                    file.finish(part)
                return
            except InputError as error:
                part.unlink(missing_ok=True)
                if attempt == 2:
                    raise
                log.warning("%s; once more", error)

    def _publish(self, part: Path, target: str) -> None:
        if not self._remote:
            os.replace(part, target)
            return
        with open(part, "rb") as source, storage.open_whole(target) as stream:
            shutil.copyfileobj(source, stream, 1 << 22)
        part.unlink()
