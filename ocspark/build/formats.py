"""Tables of sources in any of the field's formats as Arrow tables, piece by piece, types kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.build.bulk import InputFile
from ocspark.build.csv_tables import read_csv
from ocspark.build.wanted import Fault, WantedColumns
from ocspark.inputs.content import TableFault, read_content
from ocspark.inputs.fits_votable import SeveralTables, read_astropy
from ocspark.tables.arrow import apply_masks
from ocspark.units import same_unit, to_unit, units_of_schema

_BATCH_ROWS = 1 << 17


def read_tables(file: InputFile, wanted: WantedColumns) -> Iterator[pa.Table]:
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
            tables = read_csv(file, wanted)
        else:
            tables = iter([_read_astropy(file, wanted)])
        for table in tables:
            yield _in_units(table, wanted)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Fault(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _in_units(table: pa.Table, wanted: WantedColumns) -> pa.Table:
    """Return a table in the wanted units, where its columns' metadata have units."""
    for number, old in enumerate(table.schema):
        given = (old.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")
        if not given or old.name not in wanted.units:
            continue
        unit, column = wanted.units[old.name], table.column(number)
        if same_unit(given, unit):
            continue
        try:
            values = to_unit(column.cast(pa.float64()).to_numpy(), given, unit)
        except ValueError as error:
            raise Fault(f"column {old.name} {error}") from None
        missing = ~column.is_valid().to_numpy()
        kind = old.type if pa.types.is_floating(old.type) else pa.float64()
        converted = pa.array(values, pa.float64(), mask=missing).cast(kind)
        notes = {**old.metadata, b"unit": unit.encode()}
        table = table.set_column(number, pa.field(old.name, kind, metadata=notes), converted)
    return table


def _read_parquet(file: InputFile, wanted: WantedColumns) -> Iterator[pa.Table]:
    filesystem, inner = storage.resolve(file.path)
    with filesystem.open_input_file(inner) as stream:
        parquet = pq.ParquetFile(stream, page_checksum_verification=True)
        names = wanted.choose(parquet.schema_arrow.names)
        units = units_of_schema(parquet.schema_arrow)
        groups = list(range(*file.row_groups)) if file.row_groups else None
        masks = [mask for name in names if (mask := f"{name}.mask") in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(_BATCH_ROWS, groups, columns=[*names, *masks]):
            table = apply_masks(pa.Table.from_batches([batch])).select(list(names))
            fields = [_renamed(old, names, units) for old in table.schema]
            yield pa.Table.from_arrays(table.columns, schema=pa.schema(fields))


def _renamed(old: pa.Field, names: Mapping[str, str], units: Mapping[str, str]) -> pa.Field:
    """Return a column of a Parquet file under its new name, its unit in the metadata."""
    notes = {**(old.metadata or {}), **({b"unit": units[old.name]} if old.name in units else {})}
    return old.with_name(names[old.name]).with_metadata(notes or None)


def _read_astropy(file: InputFile, wanted: WantedColumns) -> pa.Table:
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
    for old in arrow.schema:
        column = table[old.name]
        notes = {"unit": column.unit, "description": column.description}
        notes = {key: str(text) for key, text in notes.items() if text}
        fields.append(pa.field(names[old.name], old.type, metadata=notes))
    return pa.Table.from_arrays(arrow.columns, schema=pa.schema(fields))
