"""The columns of tables from their headers alone: names, types and units, in every format."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.build.bulk import InputFile, file_kind, first_file
from ocspark.build.csv_tables import csv_columns
from ocspark.build.wanted import Fault
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.mirror.table import table_schema
from ocspark.units import units_of_schema

#: FITS files are made of blocks of so many bytes; bytes that are passed over at a time.
_FITS_BLOCK, _CHUNK = 2880, 1 << 22


def read_headers(path: str, spark: SparkSession | None = None) -> list[tuple[str, pa.Schema]]:
    """Return what was read of `path`, and its columns, for each table there.

    A column is of the null type where its type is not told; its metadata have its unit.

    Raises
    ------
    InputError
        If there is nothing to read.
    """
    if is_table(path):
        if spark is None:
            raise InputError(f"{path}: a table needs a Spark session")
        return [(path, to_arrow_schema(table_schema(spark, path)))]
    file = first_file(path)
    try:
        tables = _tables(file)
    except (Fault, pa.ArrowException, OSError, ValueError, ElementTree.ParseError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file.path}: its header cannot be read: {reason}") from None
    if not tables:
        raise InputError(f"{file.path}: no table in it; expected one")
    if len(tables) == 1:
        return [(file.path, tables[0][1])]
    return [
        (f"{file.path}, table {number}{name and f' ({name})'}", schema)
        for number, (name, schema) in enumerate(tables, 1)
    ]


def _tables(file: InputFile) -> list[tuple[str, pa.Schema]]:
    """Return the name and the columns of each table of a file."""
    kind = file_kind(file.name)
    filesystem, inner = storage.resolve(file.path)
    if kind == "parquet":
        with filesystem.open_input_file(inner) as stream:
            schema = pq.read_schema(stream)
        units = units_of_schema(schema)
        return [("", pa.schema([_column(f.name, f.type, units.get(f.name)) for f in schema]))]
    if kind == "csv":
        return [("", csv_columns(file))]
    packed = "gzip" if file.name.lower().endswith(".gz") else None
    with filesystem.open_input_stream(inner, compression=packed) as stream:
        found = _votable_tables(stream) if kind == "votable" else _fits_tables(stream)
        tables: list[tuple[str, pa.Schema]] = []
        try:
            tables += found
        except ElementTree.ParseError:  # cut after a header that tells enough
            if not tables:
                raise
        return tables


def _column(name: str, kind: pa.DataType, unit: str | None) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit} if unit else None)


def _votable_tables(stream: pa.NativeFile) -> Iterator[tuple[str, pa.Schema]]:
    """Yield the names and fields of a VOTable's tables; rows are passed over."""
    kinds = {
        "boolean": pa.bool_(),
        "unsignedByte": pa.uint8(),
        "short": pa.int16(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
    }
    name, fields = "", list[pa.Field]()
    for event, element in ElementTree.iterparse(stream, events=["start", "end"]):
        tag = element.tag.rpartition("}")[2]
        if event == "end":
            element.clear()  # else the rows of all tables are held
        elif tag == "TABLE":
            name, fields = element.get("name") or element.get("ID") or "", []
        elif tag == "FIELD":
            kind = kinds.get(element.get("datatype", ""), pa.string())
            fields.append(_column(element.get("name", ""), kind, element.get("unit")))
        elif tag == "DATA":
            yield name, pa.schema(fields)


def _fits_tables(stream: pa.NativeFile) -> Iterator[tuple[str, pa.Schema]]:
    """Yield the names and columns of a FITS file's tables from their headers."""
    from astropy.io import fits

    kinds = {"L": pa.bool_(), "B": pa.uint8(), "I": pa.int16(), "J": pa.int32(), "K": pa.int64()}
    kinds |= {"E": pa.float32(), "D": pa.float64()}
    while True:
        try:
            header = fits.Header.fromfile(stream, endcard=True, padding=True)
        except EOFError:
            return
        if "TFIELDS" in header:
            fields = []
            for number in range(1, header["TFIELDS"] + 1):
                letter = header[f"TFORM{number}"].strip().lstrip("0123456789")[:1]
                kind = kinds.get(letter, pa.string())
                unit = header.get(f"TUNIT{number}")
                fields.append(_column(header[f"TTYPE{number}"], kind, unit))
            yield str(header.get("EXTNAME", "")), pa.schema(fields)
        size = abs(header["BITPIX"]) // 8 if header.get("NAXIS") else 0
        for axis in range(1, header.get("NAXIS", 0) + 1):
            size *= header[f"NAXIS{axis}"]
        size += header.get("PCOUNT", 0)
        rest = -(-size // _FITS_BLOCK) * _FITS_BLOCK
        while rest > 0:
            rest -= len(stream.read(min(rest, _CHUNK))) or rest  # nothing is read of a cut file
