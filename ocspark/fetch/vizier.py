"""Catalogues and member lists from VizieR: astroquery makes the query, `Client` sends it."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow.parquet as pq

from ocspark.errors import InputError
from ocspark.fetch.client import Client
from ocspark.fetch.folder import FileToFetch
from ocspark.fetch.votables import read_votable, to_arrow

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


def wanted_table(client: Client, name: str, server: str = SERVER) -> FileToFetch:
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
        if not len(rows):
            raise InputError(f"{origin}: sent no rows; is there such a table?")
        pq.write_table(to_arrow(rows), path)
        log.info("%s: %d rows", table, len(rows))

    file = f"{name.replace('/', '_')}.parquet"
    return FileToFetch(file, origin, lambda part: client.download(url, part, form), finish)
