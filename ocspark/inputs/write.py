"""Write one small table with its units and descriptions."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.pandas.types import to_arrow_type

from ocspark import storage
from ocspark.errors import InputError
from ocspark.tables.fields import Field

#: Kinds of file that can be written; CSV has no room for units.
WRITTEN = (".csv", ".ecsv", ".parquet")


def check_writable(path: str, key: str) -> None:
    """Raise an `InputError` for a file name of another kind than `WRITTEN`."""
    if not path.lower().endswith(WRITTEN):
        raise InputError(
            f"{key} {path}: unknown kind of file; expected one of {', '.join(WRITTEN)}"
        )


def write_table(table: pd.DataFrame, fields: Sequence[Field], path: str) -> None:
    """Write the columns `fields` of a table as its file name says, the whole file or nothing."""
    table = table[[field.name for field in fields]]
    if path.lower().endswith(".parquet"):
        buffer = io.BytesIO()
        schema = pa.schema(
            [
                pa.field(
                    f.name,
                    to_arrow_type(f.type),
                    metadata={"unit": f.unit, "comment": f.description},
                )
                for f in fields
            ]
        )
        pq.write_table(pa.Table.from_pandas(table, schema, preserve_index=False), buffer)
        storage.write_file(path, buffer.getvalue())
    elif path.lower().endswith(".ecsv"):
        storage.write_file(path, _ecsv(table, fields))
    else:
        storage.write_file(path, table.to_csv(index=False))


def write_frame(table: pd.DataFrame, path: str) -> None:
    """Write any table as Parquet, with the units of its ``attrs``; its folder is made.

    Raises
    ------
    InputError
        If a column has values of several types.
    """
    units = table.attrs.get("units", {})
    try:
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    except pa.ArrowException as error:
        raise InputError(f"{path}: the table cannot be written: {error}") from None
    fields = [
        field.with_metadata({"unit": units[field.name]} if units.get(field.name) else {})
        for field in arrow.schema
    ]
    buffer = io.BytesIO()
    pq.write_table(arrow.cast(pa.schema(fields)), buffer)
    storage.make_directory(path.rsplit("/", 1)[0])
    storage.write_file(path, buffer.getvalue())


def _ecsv(table: pd.DataFrame, fields: Sequence[Field]) -> str:
    from astropy.table import Table

    columns = Table.from_pandas(table)
    for field in fields:
        columns[field.name].unit = field.unit or None
        columns[field.name].description = field.description
    text = io.StringIO()
    columns.write(text, format="ascii.ecsv")
    return text.getvalue()
