"""Read a table of FITS, VOTable, ECSV or another of astropy's formats, whole or not at all."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ocspark.inputs.content import TableFault, decode_text

if TYPE_CHECKING:
    from astropy.table import Table

#: Suffix to astropy's name of the format.
ASTROPY_FORMATS = {
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".votable": "votable",
}
#: What a server says (DALI, QUERY_STATUS) of a table that is not all that was asked for.
_CUT = ("OVERFLOW", "ERROR")


class SeveralTables(TableFault):
    """A file has several tables, and none is chosen."""


def read_astropy(content: bytes, kind: str, chosen: str | int | None = None) -> Table:
    """Read one table.

    Parameters
    ----------
    content : bytes
        Of the file, unpacked.
    kind : str
        astropy's name of the format.
    chosen : str or int, optional
        Name of the table (FITS: EXTNAME; VOTable: name or ID), or its number, from 1.

    Raises
    ------
    SeveralTables
        If there are several and none is chosen, naming them.
    TableFault
        If the server says that the table is cut, or there is no such table.
    """
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="File may have been truncated")
        if kind == "fits":
            return _read_fits(content, chosen)
        if kind == "votable":
            return _read_votable(content, chosen)
        check_single(chosen)
        # lines, since a text might be taken for the name of a file or an address
        return Table.read(decode_text(content).rstrip("\n").split("\n"), format=kind)


def check_single(chosen: str | int | None) -> None:
    """Refuse the choice of a table where a file has one alone, without a name."""
    if chosen not in (None, 1, "1"):
        raise TableFault(f"no table {chosen!r}; the file has one table, without a name")


def frame_of(table: Table) -> pd.DataFrame:
    """Return the columns of single values as pandas; ``attrs["units"]`` has their units."""
    flat = [name for name in table.colnames if len(table[name].shape) <= 1]
    frame = table[flat].to_pandas()
    frame.attrs["units"] = {n: str(table[n].unit) for n in flat if table[n].unit}
    return frame


def _read_fits(content: bytes, chosen: str | int | None) -> Table:
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(io.BytesIO(content), memmap=False) as units:
        tables = [
            unit
            for unit in units
            if isinstance(unit, fits.BinTableHDU | fits.TableHDU)
            and not isinstance(unit, fits.CompImageHDU)
        ]
        names = [([unit.name] if unit.name else [], len(unit.data)) for unit in tables]
        return Table.read(tables[_choose(names, chosen)], format="fits")


def _read_votable(content: bytes, chosen: str | int | None) -> Table:
    from astropy.io import votable

    parsed = votable.parse(io.BytesIO(content))
    tables = [table for table in parsed.iter_tables() if table.fields]
    for info in _infos(parsed, tables):
        if info.name == "QUERY_STATUS" and str(info.value).upper() in _CUT:
            said = f": {' '.join(info.content.split())[:160]}" if info.content else ""
            raise TableFault(
                f"the server says that the table is not whole (QUERY_STATUS {info.value}{said}); "
                "expected all rows"
            )
    names = [([n for n in (table.name, table.ID) if n], len(table.array)) for table in tables]
    # VizieR's ids are its names with what no XML id may hold replaced: pmRA* is pmRA_
    return tables[_choose(names, chosen)].to_table(use_names_over_ids=True)


def _infos(parsed: Any, tables: Sequence[Any]) -> Iterator[Any]:
    yield from parsed.infos
    for table in tables:
        yield from table.infos
    resources = list(parsed.resources)
    while resources:
        resource = resources.pop()
        yield from resource.infos
        resources += resource.resources


def _choose(tables: Sequence[tuple[list[str], int]], chosen: str | int | None) -> int:
    """Return the place of the chosen one of some tables, each given by names and length."""
    if not tables:
        raise TableFault("no table in it; expected one")
    shown = ", ".join(
        f"{place} ({''.join(f'{name}, ' for name in names[:1])}{length} rows)"
        for place, (names, length) in enumerate(tables, 1)
    )
    if chosen is None:
        if len(tables) > 1:
            raise SeveralTables(f"{len(tables)} tables in one file: {shown}")
        return 0
    wanted = str(chosen).lower()
    found = [n for n, (names, _) in enumerate(tables) if wanted in map(str.lower, names)]
    if not found and wanted.isdigit() and 1 <= int(wanted) <= len(tables):
        found = [int(wanted) - 1]
    if len(found) != 1:
        many = "several tables are called" if found else "no table"
        raise TableFault(f"{many} {chosen!r}; the file has {shown}")
    return found[0]
