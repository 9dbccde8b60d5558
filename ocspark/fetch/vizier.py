"""Catalogues and member lists from VizieR: the query is astroquery's, the patience our own."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import votable
from astropy.io.votable.exceptions import VOTableSpecError, VOTableSpecWarning
from astropy.table import Column, Table

from ocspark.errors import InputError
from ocspark.fetch.client import Client
from ocspark.fetch.folder import Wanted

log = logging.getLogger("ocspark")

SERVER = "https://vizier.cds.unistra.fr"
#: Our names of tables of VizieR; any other goes by VizieR's own.
TABLES = {
    "cantat_gaudin_2020": "J/A+A/640/A1/table1",
    "cantat_gaudin_2020_members": "J/A+A/640/A1/nodup",
    "cantat_gaudin_2018_members": "J/A+A/618/A93/members",
    "castro_ginard_2022": "J/A+A/661/A118/table1",
    "hunt_reffert_2023": "J/A+A/673/A114/clusters",
    "hunt_reffert_2023_members": "J/A+A/673/A114/members",
    "tarricq_2022": "J/A+A/659/A59/table1",
    "tarricq_2022_members": "J/A+A/659/A59/table2",
}


def wanted_table(client: Client, name: str, server: str = SERVER) -> Wanted:
    """Return a table of VizieR, all columns and rows, as Parquet with VizieR's column names.

    Parameters
    ----------
    client : Client
    name : str
        Of `TABLES`, or VizieR's own, such as ``J/A+A/640/A1/table1``.
    server : str

    Raises
    ------
    InputError
        For a name that is neither.
    """
    table = TABLES.get(name, name)
    if "/" not in table:
        raise InputError(f"catalogue {name}: expected a table of VizieR or {', '.join(TABLES)}")
    try:
        from astroquery.vizier import Vizier
    except ImportError:
        raise InputError(
            "package astroquery is not installed; run `make setup` or install ocspark[fetch]"
        ) from None
    query = Vizier(columns=["**"], row_limit=-1)
    payload = query.get_catalogs_async(table, get_query_payload=True)
    form = [(key, value) for key, _, value in (line.partition("=") for line in payload.split("\n"))]
    url = f"{server.rstrip('/')}/viz-bin/votable"
    origin = f"{url}?-source={table}"

    def finish(path: Path) -> None:
        rows = read_votable(path, origin)
        pq.write_table(to_arrow(rows), path)
        log.info("%s: %d rows", table, len(rows))

    file = f"{name.replace('/', '_')}.parquet"
    return Wanted(file, origin, lambda part: client.download(url, part, form), finish)


def read_votable(path: Path, origin: str) -> Table:
    """Read a VOTable that VizieR has sent.

    Raises
    ------
    InputError
        If it is cut short, tells of an error, or has no rows.
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
            raise InputError(f"{origin}: the server says {info.value}: {info.content or ''}")
    tables = [table for table in document.iter_tables() if len(table.array)]
    if not tables:
        words = "; ".join(str(i.value) for i in told if (i.name or "").lower() == "error")
        raise InputError(f"{origin}: sent no rows; is there such a table? {words}")
    # by their names, since an ID cannot have signs such as the * of pmRA*
    return tables[0].to_table(use_names_over_ids=True)


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
