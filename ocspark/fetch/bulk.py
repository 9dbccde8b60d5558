"""ESA's bulk files of a release, checked against the MD5 list beside them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from ocspark import storage
from ocspark.build.bulk import MD5_LIST
from ocspark.errors import InputError
from ocspark.fetch.client import Client, NotThere
from ocspark.fetch.folder import FileToFetch, Folder
from ocspark.release import Release

_LINE = re.compile(r"([0-9a-f]{32})\s+\*?(?:\./)?(\S+)")


def fetch_bulk(client: Client, output: str, server: str, pattern: str, connections: int = 2) -> int:
    """Fetch the bulk files whose names match; return how many were fetched.

    A release is there if the server has its list of files and checksums; that the server answers
    is no sign of it. The list written beside the files names only those asked for so far, so that
    a part of a release is complete by itself.

    Raises
    ------
    InputError
        If the list is not there or is no list, nothing matches, or a file cannot be fetched.
    """
    server = server.rstrip("/")
    url = f"{server}/{MD5_LIST}"
    try:
        text = client.read(url).decode("utf-8", "replace")
    except NotThere as error:
        raise NotThere(f"{error}; without its list of files a release is not there yet") from None
    lines = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    if not lines or None in lines:
        raise InputError(f"{url}: expected lines of an MD5 checksum and a file name")
    listed = {found[2]: found[1] for found in lines if found is not None}
    chosen = {name: md5 for name, md5 in listed.items() if fnmatch(name, pattern)}
    if not chosen:
        raise InputError(f"--files {pattern}: none of the {len(listed)} files at {server} match")
    folder = Folder(output)
    wanted = [
        FileToFetch(name, f"{server}/{name}", _bring(client, f"{server}/{name}"), md5=md5)
        for name, md5 in sorted(chosen.items())
    ]
    mine = storage.join(output, MD5_LIST)
    if storage.exists(mine):  # of an earlier call with another pattern
        before = (_LINE.fullmatch(line.strip()) for line in storage.read_text(mine).splitlines())
        chosen |= {f[2]: f[1] for f in before if f is not None and listed.get(f[2]) == f[1]}
    summary = "".join(f"{md5}  {name}\n" for name, md5 in sorted(chosen.items()))
    folder.fetch([_own_list(url, summary)], "MD5 list")
    return folder.fetch(wanted, "bulk files", connections)


def _bring(client: Client, url: str) -> Callable[[Path], None]:
    return lambda part: client.download(url, part)


def _own_list(url: str, text: str) -> FileToFetch:
    def write(part: Path) -> None:
        part.write_text(text)

    md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return FileToFetch(MD5_LIST, url, write, md5=md5)


def bulk_place(release: Release) -> tuple[str, str]:
    """Return the folder on a server where a release's bulk files are, and their names' pattern.

    Raises
    ------
    InputError
        If the release's description does not tell.
    """
    if release.bulk is None:
        raise InputError(f"release {release.name}: its description has no section bulk")
    folder = f"{release.bulk.server.rstrip('/')}/{release.bulk.folder}"
    return folder, release.bulk.pattern
