"""Tables of sources in any of the field's formats as Arrow tables, piece by piece, types kept."""

from __future__ import annotations

import csv as plain_csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.build.bulk import InputFile
from ocspark.inputs.content import TableFault, read_content
from ocspark.inputs.fits_votable import SeveralTables, read_astropy
from ocspark.inputs.text_layout import SEPARATOR_LINE, find_separator
from ocspark.release import Release
from ocspark.sky.healpix import HEALPIX_COLUMN
from ocspark.tables.arrow import apply_masks
from ocspark.tables.source_columns import BY_NAME, matching
from ocspark.units import same_unit, to_unit, units_of_schema

#: Not taken along: made anew, or part of a HATS file's place.
LAYOUT_COLUMNS = (HEALPIX_COLUMN, "Norder", "Dir", "Npix")
_NULLS = ["", "null", "NULL", "NaN", "nan"]
_BLOCK_BYTES = 1 << 23
_BATCH_ROWS = 1 << 17
#: Types that a text is read as where no header tells, the first that holds all values.
_NARROWEST = (pa.null(), pa.int64(), pa.float64(), pa.bool_(), pa.string())


class Fault(Exception):
    """An input file cannot be used: says why, in one line."""


@dataclass(frozen=True)
class Wanted:
    """The columns to read.

    Attributes
    ----------
    columns : mapping
        Columns to the type they have where a file does not tell.
    everything : bool
        Whether all other columns are wanted as well.
    spellings : mapping
        The names that a column may have in a file, where that is more than its own; letter case
        never matters (archives write SOURCE_ID).
    optional : collection of str
        Columns that need not be there.
    table : str or int, optional
        Which table of a file with several: its name, or its number from 1.
    units : mapping
        Columns to the units that they get; a file that tells others is converted.
    """

    columns: Mapping[str, pa.DataType]
    everything: bool
    spellings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    optional: Collection[str] = ()
    table: str | int | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def choose(self, there: Sequence[str]) -> dict[str, str]:
        """Return the file's names to the names they get, in the file's order.

        Raises
        ------
        Fault
            If a column is missing, or there twice.
        """
        renamed = {}
        for name in self.columns:
            spellings = self.spellings.get(name, (name,))
            found = matching(there, spellings)
            if len(found) > 1:
                raise Fault(f"columns {' and '.join(found)} are both there; expected one of them")
            if found:
                renamed[found[0]] = name
            elif name not in self.optional:
                raise Fault(f"column {' or '.join(spellings)} is missing")
        return {
            name: renamed.get(name, name)
            for name in there
            if name in renamed
            or (self.everything and name not in LAYOUT_COLUMNS and not _is_mask(name, there))
        }


def _is_mask(name: str, there: Sequence[str]) -> bool:
    """Return whether a column says where another is missing, as astropy writes them in Parquet."""
    return name.endswith(".mask") and name.removesuffix(".mask") in there


def wanted_columns(release: Release, everything: bool, table: str | int | None = None) -> Wanted:
    """Return what to read of a release's files: what its description names; or all columns.

    `table` is which table of a file with several.
    """
    names = {name: spellings[0] for name, spellings in release.columns.items()}
    return Wanted(
        {column: _plain_type(name) for name, column in names.items()},
        everything,
        {names[name]: spellings for name, spellings in release.columns.items()},
        [column for name, column in names.items() if name not in release.needed],
        table,
        units={column: BY_NAME[name].unit for name, column in names.items()},
    )


def _plain_type(name: str) -> pa.DataType:
    """Return the type of a canonical column in a file that does not tell, such as plain CSV."""
    if name == "source_id":
        return pa.int64()
    return pa.int32() if BY_NAME[name].is_integer else pa.float64()


def read_tables(file: InputFile, wanted: Wanted) -> Iterator[pa.Table]:
    """Yield the wanted columns of a file, some rows at a time.

    Raises
    ------
    Fault
        If the file is damaged, cannot be parsed, lacks a column, or has one in a unit that is not
        known or of another kind.
    """
    try:
        if file.kind == "parquet":
            tables = _read_parquet(file, wanted)
        elif file.kind == "csv":
            tables = _read_csv(file, wanted)
        else:
            tables = iter([_read_astropy(file, wanted)])
        for table in tables:
            yield _in_units(table, wanted)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Fault(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _in_units(table: pa.Table, wanted: Wanted) -> pa.Table:
    """Return a table whose columns' metadata tell units in those that are wanted."""
    for number, told in enumerate(table.schema):
        given = (told.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")
        if not given or told.name not in wanted.units:
            continue
        unit, column = wanted.units[told.name], table.column(number)
        if same_unit(given, unit):
            continue
        try:
            values = to_unit(column.cast(pa.float64()).to_numpy(), given, unit)
        except ValueError as error:
            raise Fault(f"column {told.name} {error}") from None
        missing = ~column.is_valid().to_numpy()
        kind = told.type if pa.types.is_floating(told.type) else pa.float64()
        converted = pa.array(values, pa.float64(), mask=missing).cast(kind)
        notes = {**told.metadata, b"unit": unit.encode()}
        table = table.set_column(number, pa.field(told.name, kind, metadata=notes), converted)
    return table


def _read_parquet(file: InputFile, wanted: Wanted) -> Iterator[pa.Table]:
    filesystem, inner = storage.resolve(file.path)
    with filesystem.open_input_file(inner) as stream:
        parquet = pq.ParquetFile(stream, page_checksum_verification=True)
        names = wanted.choose(parquet.schema_arrow.names)
        units = units_of_schema(parquet.schema_arrow)
        groups = list(range(*file.row_groups)) if file.row_groups else None
        masks = [mask for name in names if (mask := f"{name}.mask") in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(_BATCH_ROWS, groups, columns=[*names, *masks]):
            table = apply_masks(pa.Table.from_batches([batch])).select(list(names))
            fields = [_renamed(told, names, units) for told in table.schema]
            yield pa.Table.from_arrays(table.columns, schema=pa.schema(fields))


def _renamed(told: pa.Field, names: Mapping[str, str], units: Mapping[str, str]) -> pa.Field:
    """Return a column of a Parquet file under its new name, its unit in the metadata."""
    notes = {**(told.metadata or {}), **({b"unit": units[told.name]} if told.name in units else {})}
    return told.with_name(names[told.name]).with_metadata(notes or None)


def _open(file: InputFile) -> pa.NativeFile:
    filesystem, inner = storage.resolve(file.path)
    packed = file.name.lower().endswith(".gz")
    return filesystem.open_input_stream(inner, compression="gzip" if packed else None)


def _read_csv(file: InputFile, wanted: Wanted) -> Iterator[pa.Table]:
    """Read CSV with a header line; an ECSV header above it tells delimiter and types."""
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
    """Whether all texts can be read as values of a type; of the null type none can."""
    try:
        return kind != pa.null() and len(texts.cast(kind)) == len(texts)
    except pa.ArrowInvalid:
        return False


def csv_columns(file: InputFile) -> pa.Schema:
    """Return the columns of a CSV file from its header; the null type where that does not tell.

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
        By column: its unit, ucd and description, where they are told.
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
        told = {"ucd": (column.get("meta") or {}).get("ucd"), **column}
        texts = {key: str(told[key]) for key in ("unit", "ucd", "description") if told.get(key)}
        notes[column["name"]] = texts
        kind = column["datatype"]
        if kind == "bool":
            types[column["name"]] = pa.bool_()
        elif kind == "string" or "subtype" in column:
            types[column["name"]] = pa.string()
        else:
            types[column["name"]] = pa.type_for_alias(kind)
    return types, notes, header.get("delimiter", " ")


def _read_astropy(file: InputFile, wanted: Wanted) -> pa.Table:
    """Read FITS, VOTable or general ECSV: the whole table at once."""
    try:
        table = read_astropy(read_content(file.path), file.kind, wanted.table)
    except SeveralTables as fault:
        raise Fault(f"{fault}; expected one of them chosen by --table") from None
    except TableFault as fault:
        raise Fault(str(fault)) from None
    except Exception as error:  # each format has its own ways to fail
        raise Fault(f"cannot be read as {file.kind}: {_first_line(error)}") from error
    names = wanted.choose([n for n in table.colnames if len(table[n].shape) <= 1])
    frame = table[list(names)].to_pandas()
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    fields = []
    for told in arrow.schema:
        column = table[told.name]
        notes = {"unit": column.unit, "description": column.description}
        notes = {key: str(text) for key, text in notes.items() if text}
        fields.append(pa.field(names[told.name], told.type, metadata=notes))
    return pa.Table.from_arrays(arrow.columns, schema=pa.schema(fields))
