"""Footers of mirror files: the columns that are needed, their types, the rows of each group."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.errors import InputError
from ocspark.mirror.columns import (
    MirrorColumns,
    carry,
    check_type,
    check_unit,
    find_columns,
    find_optional,
)
from ocspark.mirror.layout import MirrorFile
from ocspark.units import units_of_schema

if TYPE_CHECKING:
    from ocspark.release import Release

log = logging.getLogger("ocspark")


class RowGroup(NamedTuple):
    """Rows of a row group, its least and greatest order-29 index (None where not known)."""

    rows: int
    low: int | None
    high: int | None


@dataclass(frozen=True)
class CheckedFile:
    """A file whose footer has been read.

    Attributes
    ----------
    file : MirrorFile
    rows : int
    footer_sha256 : str
    types : mapping
        Types of the columns to read, by the mirror's names.
    columns : MirrorColumns
    groups : list of RowGroup
    healpix_column : str or None
        Column of the order-29 index, if the file has it.
    state : tuple of int
        Length [bytes] and time of the last change [ns], to tell whether it was replaced since.
    carried_sha256 : str
        Of a table's range, what stands for the carried columns; a file's footer has all columns.
    """

    file: MirrorFile
    rows: int
    footer_sha256: str
    types: Mapping[str, pa.DataType]
    columns: MirrorColumns
    groups: list[RowGroup]
    healpix_column: str | None
    state: tuple[int, int] = (0, 0)
    carried_sha256: str = ""


class _HasRows(Protocol):
    @property
    def rows(self) -> int: ...


_Piece = TypeVar("_Piece", bound=_HasRows)


def group_by_rows(pieces: Sequence[_Piece], rows: int) -> list[list[_Piece]]:
    """Put neighbouring pieces of a mirror together into groups of at most `rows` rows, or one."""
    groups: list[list[_Piece]] = []
    total = 0
    for piece in pieces:
        if not groups or total + piece.rows > rows:
            groups.append([])
            total = 0
        groups[-1].append(piece)
        total += piece.rows
    return groups


def check_files(
    files: Sequence[MirrorFile],
    release: Release,
    healpix_column: str | None,
    carried: Sequence[str] = (),
) -> list[CheckedFile]:
    """Read the footers of files and check that the needed columns are there, as numbers.

    Parameters
    ----------
    files : sequence of MirrorFile
    release : Release
    healpix_column : str or None
        Taken along where a file has it.
    carried : sequence of str
        Further columns that are wanted; see `ocspark.mirror.columns.carry`.

    Raises
    ------
    InputError
        For a missing, truncated or foreign file, a copy of another, a missing column, one of
        another release or in another unit, or a wrong type.
    """

    def check(file: MirrorFile) -> tuple[CheckedFile, str | None]:
        state = storage.file_state(file.path)  # first: what is read is then no older
        footer = _read_footer(file.path)
        try:
            metadata = pq.read_metadata(pa.BufferReader(footer))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"mirror.path: {file.path}: its footer is damaged: {error}") from None
        schema = metadata.schema.to_arrow_schema()
        columns, warning = find_columns(
            schema.names, release, file.path, _epochs(metadata, release)
        )
        columns = replace(columns, carried=carry(carried, schema, file.path))
        types, units = {}, units_of_schema(schema)
        for name, column in columns.names.items():
            types[column] = schema.field(column).type
            check_type(name, column, types[column], file.path)
            check_unit(name, column, units.get(column, ""), file.path)
        types |= {c.column: schema.field(c.column).type for c in columns.carried}
        if healpix_column is not None and healpix_column in schema.names:
            types[healpix_column] = schema.field(healpix_column).type
        found = healpix_column if healpix_column in types else None
        digest = hashlib.sha256(footer).hexdigest()
        groups = _row_groups(metadata, found)
        rows = metadata.num_rows
        return CheckedFile(file, rows, digest, types, columns, groups, found, state), warning

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(check, files))
    checked = [file for file, _ in answers]
    warnings = [warning for _, warning in answers if warning]
    if warnings:
        log.warning("%s (%d files)", warnings[0], len(warnings))
    _refuse_copies(checked)
    for other in checked[1:]:
        for column, kind in checked[0].types.items():
            if other.types.get(column) != kind:
                raise InputError(
                    f"mirror.path: {other.file.path}: column {column} is "
                    f"{other.types.get(column)}; expected {kind} as in {checked[0].file.path}"
                )
    return checked


def _refuse_copies(checked: Sequence[CheckedFile]) -> None:
    """Refuse files with the same content; those with other footers have another one."""
    seen: dict[str, str] = {}
    for file in checked:
        path = file.file.path
        other = seen.setdefault(file.footer_sha256, path)
        if file.rows and other != path and storage.same_content(path, other):
            raise InputError(
                f"mirror.path: {path}: has the same content as {other}; expected every source once"
            )


def _epochs(metadata: pq.FileMetaData, release: Release) -> tuple[float, float] | None:
    """Return the least and greatest reference epoch, where the footer has it for all rows."""
    names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    column = find_optional(names, release, "ref_epoch")
    if column is None:
        return None
    number = names.index(column)
    groups = (metadata.row_group(g).column(number) for g in range(metadata.num_row_groups))
    known = [group.statistics for group in groups]
    if not known or any(s is None or not s.has_min_max for s in known):
        return None
    return min(s.min for s in known), max(s.max for s in known)


def _row_groups(metadata: pq.FileMetaData, healpix_column: str | None) -> list[RowGroup]:
    names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    column = names.index(healpix_column) if healpix_column else None
    groups = []
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        low = high = None
        if column is not None:
            statistics = group.column(column).statistics
            if statistics is not None and statistics.has_min_max:
                low, high = statistics.min, statistics.max
        groups.append(RowGroup(group.num_rows, low, high))
    return groups


def _read_footer(path: str) -> bytes:
    """Return the bytes of a Parquet footer with its trailing length and magic."""
    filesystem, inner = storage.resolve(path)
    try:
        with filesystem.open_input_file(inner) as stream:
            size = stream.size()
            tail = bytes(stream.read_at(8, size - 8)) if size >= 12 else b""
            if tail[4:] != b"PAR1":
                raise InputError(
                    f"mirror.path: {path}: not a whole Parquet file (truncated or foreign)"
                )
            length = int.from_bytes(tail[:4], "little") + 8
            if length > size:
                raise InputError(
                    f"mirror.path: {path}: not a whole Parquet file (its footer is cut)"
                )
            return bytes(stream.read_at(length, size - length))
    except FileNotFoundError:
        raise InputError(f"mirror.path: {path}: no such file; the catalogue lists it") from None
    except OSError as error:
        raise InputError(f"mirror.path: {path}: cannot be read: {error}") from None
