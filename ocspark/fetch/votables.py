"""VOTables as servers send them: whole or refused, and as Arrow tables."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.io import votable
from astropy.io.votable.exceptions import VOTableSpecError, VOTableSpecWarning
from astropy.table import Column, Table

from ocspark.errors import InputError


def read_votable(path: Path, origin: str) -> Table:
    """Read the table of a VOTable that a server has sent, the first with rows of several.

    Parameters
    ----------
    path : Path
        Packed by gzip or not.
    origin : str
        What errors start with.

    Raises
    ------
    InputError
        If it is cut short, or the server says that it failed or has left rows out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VOTableSpecWarning)
            document = votable.parse(path, verify="ignore")
    except (VOTableSpecError, ValueError, IndexError, OSError) as error:
        raise InputError(f"{origin}: sent no whole VOTable: {error}") from None
    told = [*document.infos, *(i for r in document.resources for i in r.infos)]
    for info in told:
        if (info.name or "").lower() == "query_status" and info.value in ("ERROR", "OVERFLOW"):
            more = f": {' '.join(info.content.split())}" if info.content else ""
            raise InputError(f"{origin}: the server says {info.value}{more}")
    tables = list(document.iter_tables())
    if not tables:
        words = "; ".join(str(i.value) for i in told if (i.name or "").lower() == "error")
        raise InputError(f"{origin}: sent no table: {words or 'is there one of that name?'}")
    first = next((table for table in tables if len(table.array)), tables[0])
    # by their names, since an ID cannot have signs such as the * of pmRA*
    return first.to_table(use_names_over_ids=True)


def to_arrow(table: Table) -> pa.Table:
    """Return an astropy table as Arrow, units and descriptions in the columns' metadata."""
    columns, fields = [], []
    for name in table.colnames:
        column: Column = table[name]
        if column.ndim > 1:
            continue
        values = np.ma.asarray(column)
        mask = np.ma.getmaskarray(values)
        texts = values.dtype.kind in "OUS"
        data = [str(v) for v in np.ma.getdata(values)] if texts else np.ma.getdata(values)
        columns.append(pa.array(data, mask=mask))
        notes = {"unit": str(column.unit or ""), "description": column.description or ""}
        fields.append(pa.field(name, columns[-1].type, metadata=notes))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))
