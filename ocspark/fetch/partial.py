"""The part of a file that an earlier attempt left, and whether it can be resumed."""

from __future__ import annotations

import json
from pathlib import Path

import requests


def first_byte(answer: requests.Response) -> int:
    """Return the first byte that an answer brings."""
    if answer.status_code != 206:
        return 0
    place = answer.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return int(place) if place.isdigit() else -1


def tag_path(part: Path) -> Path:
    """Return the path of the note that `note_tag` writes beside a part."""
    return part.with_name(part.name + ".tag")


def note_tag(part: Path, url: str, answer: requests.Response) -> None:
    """Write down the file's address and tag, by which `begun` knows whether it has changed."""
    strong = answer.headers.get("ETag", "")
    tag = strong if strong and not strong.startswith("W/") else answer.headers.get("Last-Modified")
    tag_path(part).write_text(json.dumps({"url": url, "tag": tag}))


def begun(part: Path, url: str) -> tuple[int, str | None]:
    """Return how many bytes of `url` are in `part`, and its tag then; 0 if that is not certain."""
    try:
        note = json.loads(tag_path(part).read_text())
    except (OSError, ValueError):
        return 0, None
    if note.get("url") != url or not note.get("tag") or not part.exists():
        return 0, None
    return part.stat().st_size, str(note["tag"])
