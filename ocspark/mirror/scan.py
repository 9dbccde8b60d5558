"""Mirror files read inside a task by pyarrow: a few columns of all rows, then the rest of some.

Rows never pass through the JVM, and row groups in which nothing was found are not read further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.mirror.healpix import index_29
from ocspark.mirror.layout import CheckedFile
from ocspark.mirror.read import MAY_LACK, POSITIVE
from ocspark.sky.cover import Cover
from ocspark.tables.fields import struct
from ocspark.tables.run import CONE_COLUMNS

#: Columns that the first step reads of all rows; the index is computed where there is none.
_FIRST = ("parallax", "pmra", "pmdec")
_TYPES = to_arrow_schema(struct(CONE_COLUMNS))


@dataclass(frozen=True)
class Portion:
    """Some row groups of one mirror file: what a task reads at once.

    Attributes
    ----------
    path : str
    groups : tuple of int
    rows : int
    healpix_column : str or None
        Column of the order-29 index, if the file has it.
    """

    path: str
    groups: tuple[int, ...]
    rows: int
    healpix_column: str | None


def cut_into_portions(files: Sequence[CheckedFile], cover: Cover, rows: int) -> list[Portion]:
    """Cut files into portions of at most `rows` rows, or of one row group.

    Row groups that the cover does not touch are left out.
    """
    portions = []
    for file in files:
        groups = list(range(len(file.groups)))
        if file.groups and None not in [group.low for group in file.groups]:
            low, high = (
                np.array([getattr(group, edge) for group in file.groups], dtype=np.int64)
                for edge in ("low", "high")
            )
            groups = np.flatnonzero(cover.touches(low, high + 1)).tolist()
        some: list[int] = []
        total = 0
        for group in groups:
            count = file.groups[group].rows
            if some and total + count > rows:
                portions.append(Portion(file.file.path, tuple(some), total, file.healpix_column))
                some, total = [], 0
            some.append(group)
            total += count
        if some:
            portions.append(Portion(file.file.path, tuple(some), total, file.healpix_column))
    return portions


class Scan:
    """One portion, open for reading.

    Parameters
    ----------
    portion : Portion
    columns : mapping
        Canonical name to the release's column.

    Attributes
    ----------
    healpix_29, parallax, pmra, pmdec : arrays, shape (n,)
        Of the portion's rows, sorted by the index; NaN where missing.

    Raises
    ------
    UnreadableFile
        If the file cannot be read, now or later.
    """

    def __init__(self, portion: Portion, columns: Mapping[str, str]) -> None:
        self._portion, self._columns = portion, columns
        filesystem, inner = storage.resolve(portion.path)
        with _naming(portion.path):
            self._file = pq.ParquetFile(inner, filesystem=filesystem, pre_buffer=True)
        metadata = self._file.metadata
        counts = [metadata.row_group(g).num_rows for g in portion.groups]
        self._ends = np.cumsum(counts)
        names = list(_FIRST) if portion.healpix_column else [*_FIRST, "ra", "dec"]
        extra = [portion.healpix_column] if portion.healpix_column else []
        table = self._read(portion.groups, [columns[n] for n in names] + extra)
        values = {n: _floats(table.column(columns[n])) for n in names}
        if portion.healpix_column:
            index = table.column(portion.healpix_column).to_numpy()
        else:
            index = _healpix_29(values["ra"], values["dec"])
        self._values = {n: values[n] for n in _FIRST}
        self._order = None
        if (np.diff(index) < 0).any():
            self._order = np.argsort(index, kind="stable")
            index = index[self._order]
            values = {n: v[self._order] for n, v in values.items()}
        self.healpix_29 = index
        self.parallax, self.pmra, self.pmdec = (values[n] for n in _FIRST)

    def sources(self, rows: NDArray[np.int64]) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
        """Return canonical columns of some rows, and which are kept sources (method §1).

        Parameters
        ----------
        rows : array, shape (m,)
            Positions in `healpix_29`; any order, repeats allowed.

        Returns
        -------
        columns : dict of arrays, shape (m,)
            As `CONE_COLUMNS`, missing colours and parallax biases as NaN, other missing values as 0
            or NaN.
        kept : array of bool, shape (m,)
        """
        place = rows if self._order is None else self._order[rows]
        wanted, inverse = np.unique(place, return_inverse=True)
        group = np.searchsorted(self._ends, wanted, side="right")
        used = np.unique(group)
        counts = np.diff(self._ends, prepend=0)
        skipped = self._ends[used] - np.cumsum(counts[used])  # rows of groups left out before
        position = wanted - skipped[np.searchsorted(used, group)]
        groups = [self._portion.groups[g] for g in used]
        others = {n: c for n, c in self._columns.items() if n not in _FIRST}
        table = self._read(groups, list(others.values())).take(pa.array(position))
        kept = np.ones(len(wanted), dtype=bool)
        columns = {n: values[wanted] for n, values in self._values.items()}
        for values in columns.values():
            kept &= ~np.isnan(values)
        for name, column in others.items():
            columns[name] = _canonical(name, table.column(column), kept)
        kept &= ~(np.isnan(columns["nu_eff"]) & np.isnan(columns["pseudocolour"]))
        for name in POSITIVE:
            kept &= columns[name] > 0
        return {name: column[inverse] for name, column in columns.items()}, kept[inverse]

    def _read(self, groups: Sequence[int], columns: list[str]) -> pa.Table:
        with _naming(self._portion.path):
            return self._file.read_row_groups(list(groups), columns=columns, use_threads=False)


class UnreadableFile(Exception):
    """A mirror file that a task could not read, by its path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@contextmanager
def _naming(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFile(path) from error


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values = column.fill_null(float("nan")) if pa.types.is_floating(column.type) else column
    return np.asarray(values.to_numpy(), dtype=np.float64)


def _canonical(name: str, column: pa.ChunkedArray, kept: NDArray[np.bool_]) -> NDArray:
    """Return a column in its canonical type; clear `kept` where a needed value is missing."""
    needed = name not in MAY_LACK
    floating = pa.types.is_floating(column.type)
    if column.null_count:
        if needed:
            kept &= column.is_valid().to_numpy()
        column = column.fill_null(float("nan") if floating else 0)
    values = column.to_numpy()
    kind = _TYPES.field(name).type
    if floating and needed:
        missing = np.isnan(values)
        kept &= ~missing
        if pa.types.is_integer(kind):
            values = np.where(missing, 0, values)
    return np.asarray(values.astype(kind.to_pandas_dtype()))


def _healpix_29(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index; a source without a position, which is not kept, gets 0."""
    known = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    index = np.zeros(len(ra_deg), dtype=np.int64)
    index[known] = index_29(ra_deg[known], dec_deg[known])
    return index
