"""The columns that are read of a table of sources, under the names and in the units they get."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ocspark.release import Release
from ocspark.sky.healpix import HEALPIX_COLUMN
from ocspark.tables.source_columns import BY_NAME, matching

#: Not taken along: made anew, or part of a HATS file's place.
LAYOUT_COLUMNS = (HEALPIX_COLUMN, "Norder", "Dir", "Npix")


class Fault(Exception):
    """An input file cannot be used: says why, in one line."""


@dataclass(frozen=True)
class WantedColumns:
    """The columns to read.

    Attributes
    ----------
    columns : mapping
        Columns to the type they have where a file gives none.
    everything : bool
        Whether all other columns are wanted as well.
    spellings : mapping
        The names that a column may have in a file, where that is more than its own; letter case
        never matters (archives write SOURCE_ID).
    optional : collection of str
        Columns that need not be there.
    table : str or int, optional
        Which table of a file with several: its name, or its number from 1.
    units : mapping
        Columns to the units that they get; a file with other units is converted.
    """

    columns: Mapping[str, pa.DataType]
    everything: bool
    spellings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    optional: Collection[str] = ()
    table: str | int | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def choose(self, there: Sequence[str]) -> dict[str, str]:
        """Return the file's names to the names they get, in the file's order.

        Raises
        ------
        Fault
            If a column is missing, or there twice.
        """
        renamed = {}
        for name in self.columns:
            spellings = self.spellings.get(name, (name,))
            found = matching(there, spellings)
            if len(found) > 1:
                raise Fault(f"columns {' and '.join(found)} are both there; expected one of them")
            if found:
                renamed[found[0]] = name
            elif name not in self.optional:
                raise Fault(f"column {' or '.join(spellings)} is missing")
        return {
            name: renamed.get(name, name)
            for name in there
            if name in renamed
            or (self.everything and name not in LAYOUT_COLUMNS and not _is_mask(name, there))
        }


def _is_mask(name: str, there: Sequence[str]) -> bool:
    """Return whether a column says where another is missing, as astropy writes them in Parquet."""
    return name.endswith(".mask") and name.removesuffix(".mask") in there


def wanted_columns(
    release: Release, everything: bool, table: str | int | None = None
) -> WantedColumns:
    """Return what to read of a release's files: what its description names; or all columns.

    `table` is which table of a file with several.
    """
    names = {name: spellings[0] for name, spellings in release.columns.items()}
    return WantedColumns(
        {column: _plain_type(name) for name, column in names.items()},
        everything,
        {names[name]: spellings for name, spellings in release.columns.items()},
        [column for name, column in names.items() if name not in release.needed],
        table,
        units={column: BY_NAME[name].unit for name, column in names.items()},
    )


def _plain_type(name: str) -> pa.DataType:
    """Return the type of a canonical column in a file without types, such as plain CSV."""
    if name == "source_id":
        return pa.int64()
    return pa.int32() if BY_NAME[name].is_integer else pa.float64()
