"""Portions of a mirror, which tasks read: cut by rows on cones, or by what a search counted.

The cut follows from the mirror and the cones alone, never from the number of cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from ocspark.mirror.footers import CheckedFile
    from ocspark.sky.cover import Cover

#: Rows of a row group that are counted together.
CHUNK_ROWS = 2048
#: A search's portions have about 1/300 of the rows, between these numbers of them.
FEWEST_ROWS, MOST_ROWS = 100_000, 1_000_000
#: Portions of a pass, at least, where there is work enough.
MANY = 300
#: Pairs of source and cone: what a portion has at least where there are fewer than `MANY`, and
#: about how many it has at most.
FEWEST_PAIRS, MOST_PAIRS = 500, 200_000
#: Rows that are read in the time which one pair takes to be judged.
_ROWS_PER_PAIR = 200.0


@dataclass(frozen=True)
class Piece:
    """Some row groups of one mirror file, or a stretch of their rows.

    Attributes
    ----------
    path : str
    name : str
        Of the file inside its mirror.
    groups : tuple of int
    first, last : int
        The rows [first, last) of these groups, counted through.
    healpix_column : str or None
        Column of the order-29 index, if the file has it.
    """

    path: str
    name: str
    groups: tuple[int, ...]
    first: int
    last: int
    healpix_column: str | None


@dataclass(frozen=True)
class Portion:
    """The pieces that one task reads, their rows, and its cost relative to other tasks."""

    pieces: tuple[Piece, ...]
    rows: int
    cost: float


def cut_by_rows(
    files: Sequence[CheckedFile], names: Sequence[str], cover: Cover, most: int | None = None
) -> list[Portion]:
    """Cut files into portions of equally many rows, of row groups that a cover touches.

    Parameters
    ----------
    files : sequence of CheckedFile
    names : sequence of str
        Of the files, inside their mirror.
    cover : Cover
    most : int, optional
        Rows of a portion at most; by default 1/300 of all, from `FEWEST_ROWS` to `MOST_ROWS`.
    """
    touched = [_touched_groups(file, cover) for file in files]
    total = sum(
        file.groups[group].rows for file, some in zip(files, touched, strict=True) for group in some
    )
    limit = most or min(MOST_ROWS, max(FEWEST_ROWS, -(-total // MANY)))
    pieces = [
        piece
        for file, name, groups in zip(files, names, touched, strict=True)
        for piece in _pieces(file, name, groups, limit)
    ]
    portions: list[Portion] = []
    some: list[Piece] = []
    for piece in pieces:
        if some and sum(p.last - p.first for p in some) + piece.last - piece.first > limit:
            portions.append(_portion(some))
            some = []
        some.append(piece)
    return portions + ([_portion(some)] if some else [])


def _touched_groups(file: CheckedFile, cover: Cover) -> list[int]:
    low_high = [(group.low, group.high) for group in file.groups]
    if not low_high or any(None in edges for edges in low_high):
        return list(range(len(low_high)))
    low, high = np.array(low_high, dtype=np.int64).T
    return [int(group) for group in np.flatnonzero(cover.touches(low, high + 1))]


def _pieces(file: CheckedFile, name: str, groups: Sequence[int], limit: int) -> list[Piece]:
    """Return neighbouring row groups together, up to a limit of rows, and cut longer ones."""
    pieces: list[Piece] = []
    for group in groups:
        rows = file.groups[group].rows
        parts = -(-rows // limit) or 1
        for part in range(parts):
            first, last = rows * part // parts, rows * (part + 1) // parts
            whole = Piece(file.file.path, name, (group,), first, last, file.healpix_column)
            before = pieces[-1] if pieces and parts == 1 else None
            if before is not None and before.last + rows <= limit and not before.first:
                together = (*before.groups, group)
                pieces[-1] = replace(before, groups=together, last=before.last + rows)
            else:
                pieces.append(whole)
    return pieces


def _portion(pieces: Sequence[Piece], cost: float | None = None) -> Portion:
    rows = sum(piece.last - piece.first for piece in pieces)
    return Portion(tuple(pieces), rows, float(rows) if cost is None else cost)


def cut_by_counts(
    files: Sequence[CheckedFile], names: Sequence[str], counts: pd.DataFrame
) -> list[Portion]:
    """Cut files into portions of equal cost, of chunks in which a search found something.

    None costs more than twice the mean but one that is a single chunk; there are `MANY` of them at
    least, where there are pairs enough.

    Parameters
    ----------
    files : sequence of CheckedFile
    names : sequence of str
        Of the files, inside their mirror.
    counts : DataFrame
        file (its name), row_group, chunk, cost [pairs]; no chunk twice.
    """
    place = {name: number for number, name in enumerate(names)}
    file = counts["file"].map(place).to_numpy(dtype=np.int64)
    table = counts.assign(number=file).sort_values(["number", "row_group", "chunk"])
    number, group, chunk = (table[c].to_numpy(dtype=np.int64) for c in _CHUNK)
    cost = table["cost"].to_numpy(dtype=float) + CHUNK_ROWS / _ROWS_PER_PAIR
    if not len(cost):
        return []
    total = cost.sum()
    n = max(int(total // MOST_PAIRS), min(MANY, int(total // FEWEST_PAIRS)), 1)
    middle = np.cumsum(cost) - cost / 2
    portion = np.minimum((middle * (n / total)).astype(np.int64), n - 1)
    edges = np.flatnonzero(np.diff(portion)) + 1
    parts = np.split(np.arange(len(cost)), edges)
    return [
        _portion(_pieces_of_chunks(files, names, number[p], group[p], chunk[p]), cost[p].sum())
        for p in parts
    ]


_CHUNK = ("number", "row_group", "chunk")


def _pieces_of_chunks(
    files: Sequence[CheckedFile],
    names: Sequence[str],
    number: NDArray[np.int64],
    group: NDArray[np.int64],
    chunk: NDArray[np.int64],
) -> list[Piece]:
    """Return the pieces from the first to the last of some sorted chunks, a file each."""
    pieces = []
    for which in np.unique(number):
        mine = np.flatnonzero(number == which)
        file = files[which]
        groups = np.unique(group[mine])
        rows = [file.groups[g].rows for g in groups]
        end = min((int(chunk[mine[-1]]) + 1) * CHUNK_ROWS, rows[-1])
        pieces.append(
            Piece(
                file.file.path,
                names[which],
                tuple(int(g) for g in groups),
                int(chunk[mine[0]]) * CHUNK_ROWS,
                sum(rows[:-1]) + end,
                file.healpix_column,
            )
        )
    return pieces
