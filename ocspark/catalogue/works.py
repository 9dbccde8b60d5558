"""Divide the steps between and after the passes into tasks of a few clusters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ocspark.catalogue.characterise import ClusterGroup
from ocspark.catalogue.layout import ClusterPieces
from ocspark.catalogue.sharing import Claimant
from ocspark.store.files import TableFile
from ocspark.store.folder import Work, digest

#: Clusters that one task characterises.
_CLUSTERS_PER_TASK = 8
#: Most candidates of one task, if it has several clusters, for writing them and for sharing them.
_CANDIDATES_PER_TASK, _SHARED_PER_TASK = 20_000, 200_000
#: Fixed cost of a cluster's posterior, in the cost of a candidate.
_COST_OF_CLUSTER = 10_000


def characterise_works(
    keys: Sequence[int],
    fresh: Collection[int],
    found: Mapping[int, list[TableFile]],
    kept: Mapping[int, list[TableFile]],
    cells: Mapping[int, list[TableFile]],
) -> list[Work]:
    """Return the tasks of characterising clusters, a few clusters each.

    Parameters
    ----------
    keys : sequence of int
        Clusters, sorted so that neighbours on the sky, which share files, follow each other.
    fresh : collection of int
        Those of them that this run has searched itself.
    found, cells : mapping
        Files with the pieces of this run's search, by cluster.
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
    """Return files sorted by name, each once."""
    named = {file.name: file for files in lists for file in files}
    return [named[name] for name in sorted(named)]


def layout_works(
    keys: Sequence[int],
    pieces: Mapping[str, Mapping[int, list[TableFile]]],
    names: Mapping[int, str],
    cells: Mapping[int, list[TableFile]],
) -> list[Work]:
    """Return the tasks of writing candidates: one cluster each, or some small ones.

    Parameters
    ----------
    keys : sequence of int
        Clusters, sorted so that neighbours on the sky, which share files, follow each other.
    pieces : mapping
        Table to the files with pieces of it, by cluster. A file of ``candidates`` itself belongs to
        a cluster that is written already and only needs its posterior.
    names : mapping
        Names of the clusters by key.
    cells : mapping
        Files with counts by cell, of the clusters whose posterior is computed.
    """
    rows = _candidates(pieces["candidates"])
    works = []
    for number, group in enumerate(_group(keys, rows, _CANDIDATES_PER_TASK)):
        mine = {key: {t: files.get(key, []) for t, files in pieces.items()} for key in group}
        hashes = [
            [
                key,
                *([file.sha256 for file in some] for some in files.values()),
                [file.sha256 for file in cells[key]] if key in cells else None,
            ]
            for key, files in mine.items()
        ]
        n = sum(rows.get(key, 0) for key in group)
        cost = float(n + _COST_OF_CLUSTER * len(group))
        item = [_cluster_pieces(key, names[key], mine[key], cells.get(key)) for key in group]
        works.append(Work(f"{number:05d}", digest(hashes), n, item, cost))
    return works


def sharing_works(
    keys: Sequence[int],
    candidates: Mapping[int, TableFile],
    fits: Mapping[int, Mapping[str, Any]],
    claims: Mapping[int, list[TableFile]],
    others: Mapping[int, frozenset[int]],
) -> list[Work]:
    """Return the tasks of sharing stars between clusters, some clusters each.

    Parameters
    ----------
    keys : sequence of int
        Clusters, sorted so that neighbours on the sky, which share files, follow each other.
    candidates : mapping
        File of each cluster's candidates.
    fits : mapping
        Rows of `FITS` by key.
    claims : mapping
        Files with the claims of each cluster that has a posterior.
    others : mapping
        Clusters that may claim the same stars as each that has a posterior.
    """
    rows = {key: candidates[key].rows for key in keys}
    works = []
    for number, group in enumerate(_group(keys, rows, _SHARED_PER_TASK)):
        item, facts = [], []
        for key in group:
            near = others.get(key, frozenset())
            files = _union(claims.get(k, []) for k in (key, *near)) if key in others else []
            item.append(
                Claimant(key, candidates[key], fits[key], near, tuple(f.name for f in files))
            )
            hashes = [file.sha256 for file in (candidates[key], *files)]
            facts.append([fits[key], sorted(near), hashes])
        n = sum(rows[key] for key in group)
        works.append(Work(f"{number:05d}", digest(facts), n, item, float(n)))
    return works


def _candidates(pieces: Mapping[int, list[TableFile]]) -> dict[int, int]:
    """Return the number of candidates of each cluster in some files."""
    return {key: sum((f.clusters or {})[key] for f in files) for key, files in pieces.items()}


def _group(keys: Sequence[int], rows: Mapping[int, int], most: int) -> list[list[int]]:
    """Group neighbouring clusters so that no group of several has more than `most` rows."""
    groups: list[list[int]] = []
    total = 0
    for key in keys:
        if not groups or total + rows.get(key, 0) > most:
            groups.append([])
            total = 0
        groups[-1].append(key)
        total += rows.get(key, 0)
    return groups


def _cluster_pieces(
    key: int, name: str, files: Mapping[str, list[TableFile]], cells: list[TableFile] | None
) -> ClusterPieces:
    devices = sorted({file.device for file in files["candidates"] if file.device})
    named = {table: [file.name for file in some] for table, some in files.items() if some}
    return ClusterPieces(
        key,
        name,
        named,
        " and ".join(devices) or None,
        None if cells is None else [file.name for file in cells],
        any(file.table == "candidates" for file in files["candidates"]),
    )
