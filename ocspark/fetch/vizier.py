"""Catalogues and member lists from VizieR: the query is astroquery's, the patience our own."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from astropy.io import votable
from astropy.io.votable.exceptions import VOTableSpecError, VOTableSpecWarning
from astroquery.vizier import Vizier

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
    """Return a table of VizieR as a VOTable with all its columns and rows.

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
    query = Vizier(columns=["**"], row_limit=-1)
    payload = query.get_catalogs_async(table, get_query_payload=True)
    form = [
        tuple(line.split("=", 1)) if "=" in line else (line, "") for line in payload.split("\n")
    ]
    url = f"{server.rstrip('/')}/viz-bin/votable"
    file = f"{name}.vot" if name in TABLES else f"{table.replace('/', '_')}.vot"
    origin = f"{url}?-source={table}"

    def check(path: Path) -> None:
        log.info("%s: %d rows", table, count_rows(path, origin))

    return Wanted(file, origin, lambda part: client.download(url, part, form), check)  # type: ignore[arg-type]


def count_rows(path: Path, origin: str) -> int:
    """Return the rows of a VOTable that VizieR sent whole.

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
    tables = list(document.iter_tables())
    rows = sum(len(table.array) for table in tables)
    if not rows:
        words = "; ".join(str(i.value) for i in told if (i.name or "").lower() == "error")
        raise InputError(f"{origin}: sent no rows; is there such a table? {words}")
    return rows
