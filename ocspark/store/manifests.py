"""Read the manifests of a step: JSON files that say what each task did, as tasks end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ocspark import storage
from ocspark.store.progress import Progress

Manifest = dict[str, Any]
#: Small files read at once.
_AT_ONCE = 16


class TaskManifests:
    """The manifests of one step, by key.

    Parameters
    ----------
    folder : str
        Folder in which tasks leave them, as ``<key>.json``.
    progress : Progress
        Counts the rows of each.
    """

    def __init__(self, folder: str, progress: Progress) -> None:
        self.manifests: dict[str, Manifest] = {}
        self._folder, self._progress = folder, progress

    def keep(self, is_valid: Callable[[str, Manifest], bool]) -> None:
        """Read the manifests of an earlier attempt, and remove those that are not valid."""
        found = self._read_new()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            valid = list(pool.map(lambda item: is_valid(*item), found.items()))
        for key, counts in zip(list(found), valid, strict=True):
            if not counts:
                storage.remove_file(self._path(key))
                del found[key]
        self._take(found, reused=True)

    def look(self) -> None:
        """Read the manifests that have come since the last call."""
        self._take(self._read_new(), reused=False)

    def _path(self, key: str) -> str:
        return storage.join(self._folder, f"{key}.json")

    def _read_new(self) -> dict[str, Manifest]:
        names = (path.rsplit("/", 1)[1] for path in storage.list_files(self._folder))
        keys = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        new = [key for key in keys if key not in self.manifests]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(new, pool.map(storage.read_json, map(self._path, new)), strict=True)
            return {key: manifest for key, manifest in found if _is_whole(manifest)}

    def _take(self, found: dict[str, Manifest], reused: bool) -> None:
        for manifest in found.values():
            manifest["reused"] = reused
        self.manifests.update(found)
        if found:
            rows = sum(manifest["rows"] for manifest in found.values())
            candidates = sum(manifest.get("candidates", 0) for manifest in found.values())
            self._progress.done(rows, reused, units=len(found), candidates=candidates)


def _is_whole(manifest: object) -> bool:
    return isinstance(manifest, dict) and "rows" in manifest
