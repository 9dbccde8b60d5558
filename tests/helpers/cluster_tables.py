"""Small cluster tables and a member list, written as files of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits, votable
from astropy.table import Table

ROW = {
    "cluster": "NGC_2682",
    "ra": 132.846,
    "dec": 11.814,
    "pmra": -10.986,
    "pmdec": -2.964,
    "pmra_dispersion": 0.193,
    "pmdec_dispersion": 0.201,
    "parallax": 1.135,
    "parallax_dispersion": 0.051,
    "log_age": 9.63,
    "a0": 0.07,
    "distance": 889.0,
}


def rows(*changes: dict) -> pd.DataFrame:
    """A table with one row per set of changes to M 67."""
    return pd.DataFrame([{**ROW, **change} for change in changes])


THREE = rows({}, {"cluster": "Blanco 1", "ra": 0.853, "distance": 240.0}, {"cluster": "ASCC_10"})


def write(table: pd.DataFrame, folder: Path, kind: str = "csv", name: str = "clusters") -> str:
    path = folder / f"{name}.{kind}"
    if kind.startswith("csv"):
        table.to_csv(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path, index=False)
    else:
        formats = {"ecsv": "ascii.ecsv", "fits": "fits", "vot": "votable"}
        Table.from_pandas(table).write(path, format=formats[kind])
    return str(path)


LIST = pd.DataFrame({"cluster": "C 0 0", "source_id": np.arange(900), "probability": 1.0})


def two_tables(folder: Path, kind: str, swap: bool = False) -> Path:
    tables = {"stars": Table.from_pandas(LIST), "Clusters": Table.from_pandas(THREE)}
    names = list(tables)[::-1] if swap else list(tables)
    path = folder / f"two.{kind}"
    if kind == "fits":
        units = [fits.table_to_hdu(tables[name]) for name in names]
        for unit, name in zip(units, names, strict=True):
            unit.name = name
        image = fits.ImageHDU(np.zeros((2, 2)))
        fits.HDUList([fits.PrimaryHDU(), image, *units]).writeto(path)
    else:
        whole = votable.from_table(tables[names[0]])
        other = votable.from_table(tables[names[1]])
        whole.resources[0].tables[0].name = names[0]
        other.resources[0].tables[0].name = names[1]
        whole.resources.append(other.resources[0])
        whole.to_xml(str(path))
    return path
