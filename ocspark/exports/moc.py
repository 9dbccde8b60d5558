"""The sky that a run searched, as a MOC: the union of its cones."""

from __future__ import annotations

import os
import tempfile

import astropy.units as u
import numpy as np
import pyarrow.compute as pc
from mocpy import MOC

from ocspark import storage
from ocspark.errors import InputError
from ocspark.exports.source import run_facts, run_table
from ocspark.store.finished_run import FinishedRun

#: Cells of 26 arcseconds: a thousandth of the area of a cone of a quarter of a degree.
DEFAULT_ORDER = 13
MAX_ORDER = 16


def searched_sky(run: FinishedRun, order: int = DEFAULT_ORDER) -> MOC:
    """Return the union of a run's cones, those of skipped clusters included.

    It holds every point of every cone, and points up to a cell's width beyond.

    Raises
    ------
    InputError
        If the order is out of range or there are no cones.
    """
    if not 0 <= order <= MAX_ORDER:
        raise InputError(f"--order {order}: expected 0 to {MAX_ORDER}")
    cones = []
    for batch in run_table(run, "clusters").batches(["cone_ra", "cone_dec", "radius_deg"], None):
        batch = batch.filter(pc.is_valid(batch["radius_deg"]))
        cones.append(np.column_stack([column.to_numpy() for column in batch.columns]))
    ra, dec, radius = np.concatenate([*cones, np.empty((0, 3))]).T
    if not len(ra):
        raise InputError(f"--run: {run.path}: no cluster had a cone; there is no sky to write")
    cones_deg = {"lon": ra * u.deg, "lat": dec * u.deg, "radius": radius * u.deg}
    return MOC.from_cones(**cones_deg, max_depth=order, union_strategy="small_cones")


def write_moc(run: FinishedRun, output: str, order: int = DEFAULT_ORDER) -> MOC:
    """Write the searched sky as a FITS file of NUNIQ cells; return it."""
    moc = searched_sky(run, order)
    facts = {"ORIGIN": "ocspark", "RUN_ID": str(run_facts(run)["run_id"])}
    with tempfile.TemporaryDirectory() as folder:  # mocpy writes to paths only
        path = os.path.join(folder, "moc.fits")
        moc.save(path, format="fits", fits_keywords=facts, v1_compatible=True)  # NUNIQ
        storage.write_file(output, storage.read_bytes(path))
    return moc
