"""Manifests that tasks leave in a folder, read as they land."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ocspark import storage
from ocspark.store.progress import Progress

Manifest = dict[str, Any]


class Landed:
    """The manifests of one step, by key.

    Parameters
    ----------
    folder : str
        Where they land, as ``<key>.json``.
    progress : Progress
        Told of the rows of each.
    """

    def __init__(self, folder: str, progress: Progress) -> None:
        self.manifests: dict[str, Manifest] = {}
        self._folder, self._progress = folder, progress

    def keep(self, counts: Callable[[str, Manifest], bool]) -> None:
        """Read what an earlier attempt left, and remove what no longer counts."""
        found = self._new()
        for key in [key for key, manifest in found.items() if not counts(key, manifest)]:
            storage.remove_file(self._path(key))
            del found[key]
        self._take(found, reused=True)

    def look(self) -> None:
        """Read what has landed since the last look."""
        self._take(self._new(), reused=False)

    def _path(self, key: str) -> str:
        return storage.join(self._folder, f"{key}.json")

    def _new(self) -> dict[str, Manifest]:
        names = (path.rsplit("/", 1)[1] for path in storage.list_files(self._folder))
        keys = [n.removesuffix(".json") for n in names if n.endswith(".json")]
        new = [key for key in keys if key not in self.manifests]
        with ThreadPoolExecutor(8) as pool:
            texts = pool.map(storage.read_text, map(self._path, new))
            return {key: json.loads(text) for key, text in zip(new, texts, strict=True)}

    def _take(self, found: dict[str, Manifest], reused: bool) -> None:
        self.manifests.update(found)
        if found:
            rows = sum(manifest["rows"] for manifest in found.values())
            self._progress.done(rows, reused, units=len(found))
