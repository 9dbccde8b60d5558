"""A table service like that of the Gaia archive: it does the queries for cones, as jobs."""

from __future__ import annotations

import io
import itertools
import re

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import votable
from astropy.io.votable.tree import Info
from astropy.table import Table

from tests.helpers.server import Server

_NUMBER = r"(-?[0-9.]+)"


class FakeArchive:
    """Jobs on a server below ``/tap/async``.

    Attributes
    ----------
    queries : list of str
        Those that jobs were made of.
    phases : list of str
        Phases that a job is in, one each time it is asked; the last one stays.
    error : str
        What a job that ends as ERROR says.
    most_rows : int
        Rows after which a result is cut short.
    spoil : int
        Bytes that are missing at the end of a result, which the server does not know.
    """

    def __init__(self, server: Server, sources: pd.DataFrame) -> None:
        self.server, self.sources = server, sources
        self.queries: list[str] = []
        self.phases = ["COMPLETED"]
        self.error, self.most_rows, self.spoil = "", 3_000_000, 0
        self.url = f"{server.url}/tap"
        server.forms["/tap/async"] = self._send

    def job(self, number: int) -> str:
        """Return the path of a job, counted from 1."""
        return f"/tap/async/{number}"

    def _send(self, form: list[tuple[str, str]]) -> tuple[int, bytes, dict[str, str]]:
        fields = dict(form)
        assert (fields["REQUEST"], fields["LANG"], fields["PHASE"]) == ("doQuery", "ADQL", "RUN")
        self.queries.append(fields["QUERY"])
        query, path = fields["QUERY"], self.job(len(self.queries))
        left = itertools.chain(self.phases[:-1], itertools.repeat(self.phases[-1]))
        self.server.files[f"{path}/phase"] = lambda: f"{next(left)}\r\n".encode()
        self.server.files[f"{path}/error"] = f"<INFO>{self.error}</INFO>".encode()
        self.server.files[f"{path}/results/result"] = lambda: self.result(query)
        return 303, b"", {"Location": f"{self.server.url}{path}"}

    def result(self, query: str) -> bytes:
        """Return the VOTable of a query."""
        found = self.select(query)
        table = Table.from_pandas(found[: self.most_rows])
        table["parallax"].unit = "mas"
        document = votable.from_table(table)
        if len(found) > self.most_rows:
            document.resources[0].infos.append(Info(name="QUERY_STATUS", value="OVERFLOW"))
        buffer = io.BytesIO()
        document.to_xml(buffer, tabledata_format="binary2")
        content = buffer.getvalue()
        return content[: len(content) - self.spoil]

    def select(self, query: str) -> pd.DataFrame:
        """Return the rows of a query for a cone with limits."""
        parts = re.fullmatch(r"SELECT (.+) FROM gaiadr3.gaia_source WHERE (.+)", query)
        assert parts is not None, query
        columns, where = parts.groups()
        circle = re.search(
            r"1 = CONTAINS\(POINT\('ICRS', ra, dec\), "
            rf"CIRCLE\('ICRS', {_NUMBER}, {_NUMBER}, {_NUMBER}\)\)",
            where,
        )
        assert circle is not None, where
        ra, dec, radius = map(float, circle.groups())
        centre = SkyCoord(ra, dec, unit="deg")
        places = SkyCoord(self.sources["ra"], self.sources["dec"], unit="deg")
        keep = np.asarray(places.separation(centre) <= radius * u.deg)
        rest = where.replace(circle.group(), "")
        limits = re.findall(rf"(\w+) BETWEEN {_NUMBER} AND {_NUMBER}", rest)
        assert len(limits) == rest.count("AND ") / 2, rest
        for name, low, high in limits:
            keep &= self.sources[name].between(float(low), float(high)).to_numpy()
        return self.sources.loc[keep, columns.split(", ")]
