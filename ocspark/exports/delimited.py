"""Write CSV and ECSV, with as many digits as give the same floats when they are read back."""

from __future__ import annotations

import io
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from astropy.table import Table
from pyarrow import csv

from ocspark.exports.source import Source, watch_files


def write_csv(source: Source, stream: IO[bytes]) -> int:
    """Write a source as CSV with a line of column names; return the number of rows.

    Missing values are empty; booleans are ``True`` and ``False``.

    Parameters
    ----------
    source : Source
        The table.
    stream : binary stream
        Gets the text.
    """
    stream.write((",".join(source.schema.names) + "\n").encode("utf-8"))
    return _write_rows(source, stream)


def write_ecsv(source: Source, stream: IO[bytes]) -> int:
    """Write a source as ECSV: a header of types, units and descriptions, then CSV.

    Parameters are those of `write_csv`, as is the number of rows that is returned.
    """
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
    """Write the rows of a source as CSV; return their number."""
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
    """Return a batch with booleans as the words ``True`` and ``False``."""
    columns = [
        pc.if_else(column, "True", "False") if pa.types.is_boolean(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
