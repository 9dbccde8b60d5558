"""Write the sky that a run searched, the union of its cones, as a MOC."""

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

#: Default order of the finest cells: 26 arcseconds wide.
DEFAULT_ORDER = 13
MAX_ORDER = 16


def searched_sky(run: FinishedRun, order: int = DEFAULT_ORDER) -> MOC:
    """Return the union of a run's cones, including those of skipped clusters.

    It contains every point of every cone, and points up to the width of a cell beyond.

    Parameters
    ----------
    run : FinishedRun
        The run.
    order : int
        HEALPix order of the finest cells.

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
        raise InputError(f"--run: {run.path}: no cluster has a cone; expected at least one")
    cones_deg = {"lon": ra * u.deg, "lat": dec * u.deg, "radius": radius * u.deg}
    return MOC.from_cones(**cones_deg, max_depth=order, union_strategy="small_cones")


def write_moc(run: FinishedRun, output: str, order: int = DEFAULT_ORDER) -> MOC:
    """Write the searched sky (see `searched_sky`) as a FITS file of NUNIQ cells; return it."""
    moc = searched_sky(run, order)
    facts = {"ORIGIN": "ocspark", "RUN_ID": str(run_facts(run)["run_id"])}
    with tempfile.TemporaryDirectory() as folder:  # mocpy writes to paths only
        path = os.path.join(folder, "moc.fits")
        moc.save(path, format="fits", fits_keywords=facts, v1_compatible=True)  # NUNIQ
        storage.write_file(output, storage.read_bytes(path))
    return moc
