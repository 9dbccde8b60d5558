"""CSV and ECSV tables of sources as Arrow tables, piece by piece, types kept."""

from __future__ import annotations

import csv as plain_csv
import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as csv

from ocspark import storage
from ocspark.build.bulk import InputFile
from ocspark.build.wanted import Fault, WantedColumns
from ocspark.inputs.text_layout import SEPARATOR_LINE, find_separator

_NULLS = ["", "null", "NULL", "NaN", "nan"]
_BLOCK_BYTES = 1 << 23
#: Types that a text is read as where no header gives them, the first that holds all values.
_NARROWEST = (pa.null(), pa.int64(), pa.float64(), pa.bool_(), pa.string())


def _open(file: InputFile) -> pa.NativeFile:
    filesystem, inner = storage.resolve(file.path)
    packed = file.name.lower().endswith(".gz")
    return filesystem.open_input_stream(inner, compression="gzip" if packed else None)


def read_csv(file: InputFile, wanted: WantedColumns) -> Iterator[pa.Table]:
    """Read CSV with a header line; an ECSV header above it gives delimiter and types."""
    comments, header = _csv_head(file)
    declared, notes, delimiter = _declared(comments, header)
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
        # astropy's ECSV has "" for what is missing
        quoted_strings_can_be_null=bool(declared),
    )
    if len(types) < len(names):
        types |= _inferred(file, read, parse, [name for name in names if name not in types])
        convert.column_types = types
    fields = [pa.field(names[n], types[n], metadata=notes.get(n)) for n in names]
    with _open(file) as stream:
        for batch in csv.open_csv(stream, read, parse, convert):
            yield pa.Table.from_arrays(batch.columns, schema=pa.schema(fields))


def _inferred(
    file: InputFile, read: csv.ReadOptions, parse: csv.ParseOptions, columns: Sequence[str]
) -> dict[str, pa.DataType]:
    """Return the narrowest types that hold all values of some columns, by a first reading."""
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        include_columns=list(columns),
        null_values=_NULLS,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    possible = {name: list(_NARROWEST) for name in columns}
    with _open(file) as stream:
        for batch in csv.open_csv(stream, read, parse, convert):
            for name, values in zip(columns, batch.columns, strict=True):
                if values.null_count == len(values):
                    continue
                while not _holds(possible[name][0], values):
                    possible[name].pop(0)
    return {name: kinds[0] for name, kinds in possible.items()}


def _holds(kind: pa.DataType, texts: pa.StringArray) -> bool:
    """Return whether all texts can be read as values of a type; False for the null type."""
    try:
        return kind != pa.null() and len(texts.cast(kind)) == len(texts)
    except pa.ArrowInvalid:
        return False


def csv_columns(file: InputFile) -> pa.Schema:
    """Return the columns of a CSV file from its header; the null type where that gives none.

    Raises
    ------
    Fault
        If it has no header line.
    """
    comments, header = _csv_head(file)
    declared, notes, delimiter = _declared(comments, header)
    names = next(plain_csv.reader([header], delimiter=delimiter))
    return pa.schema([pa.field(n, declared.get(n, pa.null()), True, notes.get(n)) for n in names])


def _csv_head(file: InputFile) -> tuple[list[str], str]:
    """Return the lines above the header line (comments, Excel's ``sep=``), and the header line."""
    above: list[str] = []
    with _open(file) as stream, io.BufferedReader(stream) as lines:
        for raw in lines:
            if b"\0" in raw or b"\r" in raw.rstrip(b"\r\n"):
                raise Fault(
                    f"line {len(above) + 1}: expected text in UTF-8 with line feeds, found UTF-16 "
                    "or carriage returns"
                )
            line = raw.decode("utf-8-sig").rstrip("\r\n")
            if not line.startswith("#") and SEPARATOR_LINE.fullmatch(line) is None:
                return above, line
            above.append(line)
    raise Fault("no header line; expected a table")


def _declared(
    comments: Sequence[str], header_line: str
) -> tuple[dict[str, pa.DataType], dict[str, dict[str, str]], str]:
    """Return what an ECSV header declares; without one, nothing, and the separator of the names.

    Returns
    -------
    types : dict
        Arrow type by column.
    notes : dict
        By column: its unit, ucd and description, where they are given.
    delimiter : str
    """
    if not comments or not comments[0].startswith("# %ECSV"):
        separator = find_separator(header_line, [])
        if separator == " ":
            raise Fault("its columns are separated by blanks; expected commas, semicolons or tabs")
        return {}, {}, separator
    from astropy.table.meta import get_header_from_yaml

    header = get_header_from_yaml([line.removeprefix("# ") for line in comments[1:]])
    types, notes = {}, {}
    for column in header["datatype"]:
        given = {"ucd": (column.get("meta") or {}).get("ucd"), **column}
        texts = {key: str(given[key]) for key in ("unit", "ucd", "description") if given.get(key)}
        notes[column["name"]] = texts
        kind = column["datatype"]
        if kind == "bool":
            types[column["name"]] = pa.bool_()
        elif kind == "string" or "subtype" in column:
            types[column["name"]] = pa.string()
        else:
            types[column["name"]] = pa.type_for_alias(kind)
    return types, notes, header.get("delimiter", " ")
