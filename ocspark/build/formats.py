"""Tables of sources in any of the field's formats as Arrow tables, piece by piece, types kept."""

from __future__ import annotations

import csv as plain_csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.build.bulk import InputFile
from ocspark.mirror.healpix import HEALPIX_COLUMN

#: Not taken along: made anew, or part of a HATS file's place.
LAYOUT_COLUMNS = (HEALPIX_COLUMN, "Norder", "Dir", "Npix")
_NULLS = ["", "null", "NULL", "NaN", "nan"]
_BLOCK_BYTES = 1 << 23
_BATCH_ROWS = 1 << 17


class Fault(Exception):
    """An input file cannot be used: says why, in one line."""


@dataclass(frozen=True)
class Wanted:
    """Which columns to read.

    Attributes
    ----------
    columns : mapping
        Columns that must be there, to the type they have where a file does not tell.
    everything : bool
        Whether all other columns are wanted as well.
    """

    columns: Mapping[str, pa.DataType]
    everything: bool

    def choose(self, there: Sequence[str]) -> dict[str, str]:
        """Return the file's names to the names they get, in the file's order.

        A needed column may be spelt in other letter case (archives write SOURCE_ID).
        """
        renamed = {}
        for name in self.columns:
            lower = [other for other in there if other.lower() == name.lower()]
            if name not in there and len(lower) != 1:
                raise Fault(f"column {name} is missing")
            renamed[name if name in there else lower[0]] = name
        return {
            name: renamed.get(name, name)
            for name in there
            if name in renamed or (self.everything and name not in LAYOUT_COLUMNS)
        }


def read_tables(file: InputFile, wanted: Wanted) -> Iterator[pa.Table]:
    """Yield the wanted columns of a file, some rows at a time.

    Raises
    ------
    Fault
        If the file is damaged, cannot be parsed, or lacks a column.
    """
    try:
        if file.kind == "parquet":
            yield from _read_parquet(file, wanted)
        elif file.kind == "csv":
            yield from _read_csv(file, wanted)
        else:
            yield _read_astropy(file, wanted)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Fault(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _read_parquet(file: InputFile, wanted: Wanted) -> Iterator[pa.Table]:
    filesystem, inner = storage.resolve(file.path)
    with filesystem.open_input_file(inner) as stream:
        parquet = pq.ParquetFile(stream, page_checksum_verification=True)
        names = wanted.choose(parquet.schema_arrow.names)
        groups = list(range(*file.row_groups)) if file.row_groups else None
        for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=groups, columns=list(names)):
            table = pa.Table.from_batches([batch]).select(list(names))
            yield table.rename_columns(list(names.values()))


def _open(file: InputFile) -> pa.NativeFile:
    filesystem, inner = storage.resolve(file.path)
    packed = file.name.lower().endswith(".gz")
    return filesystem.open_input_stream(inner, compression="gzip" if packed else None)


def _read_csv(file: InputFile, wanted: Wanted) -> Iterator[pa.Table]:
    """Read CSV with a header line; an ECSV header above it tells delimiter and types."""
    comments, header = _csv_head(file)
    declared, delimiter = _declared(comments)
    there = next(plain_csv.reader([header], delimiter=delimiter))
    names = wanted.choose(there)
    types = {
        name: declared.get(name, wanted.columns.get(target))
        for name, target in names.items()
        if name in declared or target in wanted.columns
    }
    read = csv.ReadOptions(skip_rows=len(comments) + 1, column_names=there, block_size=_BLOCK_BYTES)
    parse = csv.ParseOptions(delimiter=delimiter)
    convert = csv.ConvertOptions(
        column_types=types,
        include_columns=list(names),
        null_values=_NULLS,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with _open(file) as stream:
        if len(types) < len(names):  # inferring types needs all rows at once
            yield csv.read_csv(stream, read, parse, convert).rename_columns(list(names.values()))
            return
        for batch in csv.open_csv(stream, read, parse, convert):
            yield pa.Table.from_batches([batch]).rename_columns(list(names.values()))


def _csv_head(file: InputFile) -> tuple[list[str], str]:
    """Return the comment lines above the header line, and the header line."""
    comments: list[str] = []
    with _open(file) as stream, io.BufferedReader(stream) as lines:
        for raw in lines:
            line = raw.decode("utf-8").rstrip("\r\n")
            if not line.startswith("#"):
                return comments, line
            comments.append(line)
    raise Fault("no header line; expected a table")


def _declared(comments: Sequence[str]) -> tuple[dict[str, pa.DataType], str]:
    """Return the types and the delimiter that an ECSV header declares; {} and a comma without."""
    if not comments or not comments[0].startswith("# %ECSV"):
        return {}, ","
    from astropy.table.meta import get_header_from_yaml

    header = get_header_from_yaml([line.removeprefix("# ") for line in comments[1:]])
    types = {}
    for column in header["datatype"]:
        kind = column["datatype"]
        if kind == "bool":
            types[column["name"]] = pa.bool_()
        elif kind == "string" or "subtype" in column:
            types[column["name"]] = pa.string()
        else:
            types[column["name"]] = pa.type_for_alias(kind)
    return types, header.get("delimiter", " ")


def _read_astropy(file: InputFile, wanted: Wanted) -> pa.Table:
    """Read FITS, VOTable or general ECSV: the whole table at once."""
    from astropy.table import Table

    filesystem, inner = storage.resolve(file.path)
    with filesystem.open_input_stream(inner, compression=None) as stream:
        data = bytes(stream.read())
    if file.name.lower().endswith(".gz"):
        data = gzip.decompress(data)
    try:
        table = Table.read(io.BytesIO(data), format=file.kind)
    except Exception as error:  # each format has its own ways to fail
        raise Fault(f"cannot be read as {file.kind}: {_first_line(error)}") from error
    names = wanted.choose([n for n in table.colnames if len(table[n].shape) <= 1])
    frame = table[list(names)].to_pandas()
    arrow = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    return arrow.rename_columns(list(names.values()))
