"""CSV and ECSV; floats are written with as many digits as they need to be read back the same."""

from __future__ import annotations

import io
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from astropy.table import Table
from pyarrow import csv

from ocspark.exports.source import Source, watch_files


def write_csv(source: Source, stream: IO[bytes]) -> int:
    """Write a source as CSV with a line of column names; return its rows.

    What is missing is empty; truth values are ``True`` and ``False``.
    """
    stream.write((",".join(source.schema.names) + "\n").encode("utf-8"))
    return _write_rows(source, stream)


def write_ecsv(source: Source, stream: IO[bytes]) -> int:
    """Write a source as ECSV: CSV after a header of types, units and descriptions."""
    table = Table(
        {
            f.name: pa.array([], source.schema.field(f.name).type).to_numpy(zero_copy_only=False)
            for f in source.fields
        }
    )
    for field in source.fields:
        if field.type.typeName() == "string":
            table[field.name] = table[field.name].astype(str)
        elif field.type.typeName() == "boolean":
            table[field.name] = table[field.name].astype(bool)
        table[field.name].description = field.description
        table[field.name].unit = field.unit or None
    table.meta = {**source.provenance, "epoch": source.facts["epoch"], "description": source.title}
    header = io.StringIO()
    table.write(header, format="ascii.ecsv", delimiter=",")
    stream.write(header.getvalue().encode("utf-8"))
    return _write_rows(source, stream)


def _write_rows(source: Source, stream: IO[bytes]) -> int:
    schema = pa.schema(
        [
            pa.field(f.name, pa.string() if pa.types.is_boolean(f.type) else f.type)
            for f in source.schema
        ]
    )
    rows = 0
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    with csv.CSVWriter(stream, schema, write_options=options) as writer:
        for batch in source.batches(None, watch_files(source)):
            writer.write_batch(_readable(batch, schema))
            rows += batch.num_rows
    return rows


def _readable(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pc.if_else(column, "True", "False") if pa.types.is_boolean(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
