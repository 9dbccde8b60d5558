"""Mirror files read inside a task by pyarrow: a few columns of all rows, then the rest of some.

Rows never pass through the JVM, and row groups in which nothing was found are not read further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_type

from ocspark import storage
from ocspark.errors import InputError
from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.portions import CHUNK_ROWS, Piece, Portion
from ocspark.mirror.sources import canonical_sources
from ocspark.sky.healpix import index_or_zero
from ocspark.store.files import TableWriters
from ocspark.tables.stars import RawStars

#: Columns that the first step reads of all rows; the index is computed where there is none.
_FIRST = ("parallax", "pmra", "pmdec")

_Value = TypeVar("_Value")


class Scan:
    """One piece of a mirror file, open for reading.

    Parameters
    ----------
    piece : Piece
    columns : MirrorColumns

    Attributes
    ----------
    name : str
        Of the file inside its mirror.
    columns : MirrorColumns
    healpix_29, parallax, pmra, pmdec : arrays, shape (n,)
        Of the piece's rows, sorted by the index; NaN where missing.

    Raises
    ------
    InputError
        If the file is damaged or gone, now or later.
    OSError
        If the storage does not give it.
    """

    is_whole = True

    def __init__(self, piece: Piece, columns: MirrorColumns) -> None:
        self._piece, self.columns, self.name = piece, columns, piece.name
        filesystem, inner = storage.resolve(piece.path)
        self._file = _read_file(
            piece.path, lambda: pq.ParquetFile(inner, filesystem=filesystem, pre_buffer=True)
        )
        metadata = self._file.metadata
        counts = [metadata.row_group(g).num_rows for g in piece.groups]
        self._ends = np.cumsum(counts)
        names = list(_FIRST) if piece.healpix_column else [*_FIRST, "ra", "dec"]
        extra = [piece.healpix_column] if piece.healpix_column else []
        table = self._read(piece.groups, [columns.names[n] for n in names] + extra)
        table = table.slice(piece.first, piece.last - piece.first)
        values = {n: _floats(table.column(columns.names[n])) for n in names}
        if piece.healpix_column:
            index = table.column(piece.healpix_column).to_numpy()
        else:
            index = index_or_zero(values["ra"], values["dec"])
        self._values = {n: values[n] for n in _FIRST}
        self._order = None
        if (np.diff(index) < 0).any():
            self._order = np.argsort(index, kind="stable")
            index = index[self._order]
            values = {n: v[self._order] for n, v in values.items()}
        self.healpix_29 = index
        self.parallax, self.pmra, self.pmdec = (values[n] for n in _FIRST)

    def sources(self, rows: NDArray[np.int64]) -> tuple[RawStars, NDArray[np.int64]]:
        """Return canonical columns of some rows, and what each lacks (`canonical_sources`).

        Parameters
        ----------
        rows : array, shape (m,)
            Positions in `healpix_29`; any order, repeats allowed.

        Returns
        -------
        stars : RawStars
            As many as `rows`.
        lost : array of int64, shape (m,)
        """
        wanted, inverse = self._places(rows)
        names = self.columns.names
        table = self._take([c for n, c in names.items() if n not in _FIRST], wanted)
        for name in _FIRST:
            table = table.append_column(names[name], pa.array(self._values[name][wanted]))
        stars, lost = canonical_sources(table, self.columns)
        return stars.take(inverse), lost[inverse]

    def carried(self, rows: NDArray[np.int64]) -> list[pa.ChunkedArray]:
        """Return the carried columns of some rows, unchanged."""
        if not self.columns.carried:
            return []
        wanted, inverse = self._places(rows)
        table = self._take([c.column for c in self.columns.carried], wanted).take(inverse)
        return [
            table.column(c.column).cast(to_arrow_type(c.field.type)) for c in self.columns.carried
        ]

    def _places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places in the piece that some rows have, sorted, and the place of each."""
        place = rows if self._order is None else self._order[rows]
        wanted, inverse = np.unique(place, return_inverse=True)
        return wanted, inverse

    def _take(self, columns: list[str], wanted: NDArray[np.int64]) -> pa.Table:
        """Read columns at some places (sorted), only in the row groups that hold them."""
        within = wanted + self._piece.first  # among all rows of the piece's row groups
        group = np.searchsorted(self._ends, within, side="right")
        used = np.unique(group)
        counts = np.diff(self._ends, prepend=0)
        skipped = self._ends[used] - np.cumsum(counts[used])  # rows of groups left out before
        position = within - skipped[np.searchsorted(used, group)]
        groups = [self._piece.groups[g] for g in used]
        return self._read(groups, columns).take(pa.array(position))

    def chunks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row group of some rows, and their chunk of `CHUNK_ROWS` rows inside it.

        Parameters
        ----------
        rows : array, shape (m,)
            Positions in `healpix_29`.
        """
        place = (rows if self._order is None else self._order[rows]) + self._piece.first
        group = np.searchsorted(self._ends, place, side="right")
        begin = np.append(0, self._ends)[group]
        return np.array(self._piece.groups, dtype=np.int64)[group], (place - begin) // CHUNK_ROWS

    def _read(self, groups: Sequence[int], columns: list[str]) -> pa.Table:
        return _read_file(
            self._piece.path,
            lambda: self._file.read_row_groups(list(groups), columns=columns, use_threads=False),
        )


@dataclass(frozen=True)
class ReadPortion:
    """Read a portion of a mirror and hand it to a process: the function of a task.

    Attributes
    ----------
    columns : MirrorColumns
    process : callable
        Takes the portion's pieces, one after the other, and the writers of the task; returns facts
        for its manifest.
    """

    columns: MirrorColumns
    process: Callable[[Iterator[Scan], TableWriters], Mapping[str, int]]

    def __call__(self, portion: Portion, writers: TableWriters) -> Mapping[str, int]:
        """Return what the process returns."""
        return self.process((Scan(piece, self.columns) for piece in portion.pieces), writers)


def _read_file(path: str, read: Callable[[], _Value]) -> _Value:
    """Read from a mirror file, three times if need be; distinguish damage from failed storage."""
    try:
        return storage.retry(read)
    except (OSError, pa.ArrowException) as error:
        if not isinstance(error, OSError) or storage.can_be_read(path):
            raise InputError(
                f"mirror.path: {path}: cannot be read; expected a whole Parquet file"
            ) from error
        raise OSError(f"{path}: {error}") from error


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values = column.fill_null(float("nan")) if pa.types.is_floating(column.type) else column
    return np.asarray(values.to_numpy(), dtype=np.float64)
