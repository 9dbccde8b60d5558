"""Cones a second, matches written, against LSDB's cone search one cone at a time."""

from __future__ import annotations

import time
from tempfile import TemporaryDirectory

import numpy as np

from tests.benchmarks.measure import RUNS, WARM_UPS, Comparison
from tests.benchmarks.sky import Sky, mock_sky

_SAMPLE = 12


def run() -> Comparison:
    """Compare all cones in one of our searches with a sample of LSDB's, every 200th cone or so.

    LSDB computes the cone alone; it is spared the cuts in parallax and proper motion.
    """
    with mock_sky() as sky:
        with TemporaryDirectory(dir=sky.folder) as folder:
            speeds = [_ours(sky, f"{folder}/{i}") for i in range(WARM_UPS + RUNS)][WARM_UPS:]
        theirs = _lsdb(sky)
        n = len(sky.cones.table)
        return Comparison(
            float(np.median(speeds)),
            "cones/s",
            f"LSDB, {_SAMPLE} of {n} cones one at a time, {sky.rows:,} rows",
            theirs,
        )


def _ours(sky: Sky, folder: str) -> float:
    start = time.perf_counter()
    if not sky.write(folder):
        raise RuntimeError("no pair found")
    return len(sky.cones.table) / (time.perf_counter() - start)


def _lsdb(sky: Sky) -> float:
    import lsdb

    columns = [*sky.columns.names.values(), "_healpix_29"]
    picked = sky.cones.table.sort_values("radius_deg").iloc[
        np.linspace(0, len(sky.cones.table) - 1, _SAMPLE + 2).astype(int)[1:-1]
    ]
    seconds = []
    catalogue = lsdb.open_catalog(sky.folder / "mirror", columns=columns)
    for number, cone in enumerate([*picked.itertuples(), *picked.itertuples()]):
        start = time.perf_counter()
        # without a Dask client it computes in threads
        catalogue.cone_search(cone.ra, cone.dec, cone.radius_deg * 3600.0).compute(False)
        if number >= _SAMPLE:  # the first round warms up
            seconds.append(time.perf_counter() - start)
    return _SAMPLE / sum(seconds)
