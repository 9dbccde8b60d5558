"""The steps between and after the passes, cut into tasks: a few clusters each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ocspark.catalogue.characterise import ClusterGroup
from ocspark.catalogue.layout import ClusterPieces
from ocspark.store.files import TableFile
from ocspark.store.folder import Work, digest

#: Clusters that one task characterises.
_CLUSTERS_PER_TASK = 8
#: Candidates that one task lays out, if they are of several clusters.
_CANDIDATES_PER_TASK = 20_000


def characterise_works(
    keys: Sequence[int],
    fresh: Collection[int],
    found: Mapping[int, list[TableFile]],
    kept: Mapping[int, list[TableFile]],
    cells: Mapping[int, list[TableFile]],
) -> list[Work]:
    """Return the work of characterising some clusters, a few a task.

    Parameters
    ----------
    keys : sequence of int
        The clusters by key, neighbours on the sky near each other: they share files.
    fresh : collection of int
        Those of them whose search is new.
    found, cells : mapping
        Files with the pieces of a new search, by cluster.
    kept : mapping
        Files with the listed members of an earlier search, by cluster.
    """
    works = []
    for first in range(0, len(keys), _CLUSTERS_PER_TASK):
        some = list(keys[first : first + _CLUSTERS_PER_TASK])
        new = [key for key in some if key in fresh]
        stars = _union([(found if key in fresh else kept).get(key, []) for key in some])
        counts = _union([cells.get(key, []) for key in new])
        group = ClusterGroup(
            tuple(new),
            frozenset(some),
            tuple(file.name for file in stars),
            tuple(file.name for file in counts),
        )
        work = digest([some, new, [f.sha256 for f in stars], [f.sha256 for f in counts]])
        works.append(Work(f"{first // _CLUSTERS_PER_TASK:05d}", work, len(some), group))
    return works


def _union(lists: Iterable[list[TableFile]]) -> list[TableFile]:
    """Return files by name, each once."""
    named = {file.name: file for files in lists for file in files}
    return [named[name] for name in sorted(named)]


def layout_works(
    keys: Sequence[int],
    pieces: Mapping[str, Mapping[int, list[TableFile]]],
    names: Mapping[int, str],
) -> list[Work]:
    """Return the work of laying clusters out: one a task, or some small ones.

    Parameters
    ----------
    keys : sequence of int
        The clusters by key, neighbours on the sky near each other: they share files.
    pieces : mapping
        Table to the files with pieces of it, by cluster.
    names : mapping
        Of the clusters by their keys.
    """
    rows = {
        key: sum((file.clusters or {})[key] for file in files)
        for key, files in pieces["candidates"].items()
    }
    groups: list[list[int]] = []
    total = 0
    for key in keys:
        if not groups or total + rows.get(key, 0) > _CANDIDATES_PER_TASK:
            groups.append([])
            total = 0
        groups[-1].append(key)
        total += rows.get(key, 0)
    works = []
    for number, group in enumerate(groups):
        mine = {key: {t: files.get(key, []) for t, files in pieces.items()} for key in group}
        hashes = [
            [key, *([file.sha256 for file in some] for some in files.values())]
            for key, files in mine.items()
        ]
        n = sum(rows.get(key, 0) for key in group)
        item = [_cluster_pieces(key, names[key], mine[key]) for key in group]
        works.append(Work(f"{number:05d}", digest(hashes), n, item, float(n)))
    return works


def _cluster_pieces(key: int, name: str, files: Mapping[str, list[TableFile]]) -> ClusterPieces:
    devices = sorted({file.device for file in files["candidates"] if file.device})
    named = {table: [file.name for file in some] for table, some in files.items() if some}
    return ClusterPieces(key, name, named, " and ".join(devices) or None)
