"""Search cones around any table of positions."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from ocspark.api.results import APPLICATION
from ocspark.errors import InputError
from ocspark.inputs.clusters import UNITS
from ocspark.inputs.columns import numeric_column
from ocspark.inputs.files import AnyTable, read_table
from ocspark.inputs.plausible import check_positions
from ocspark.mirror.opened import open_mirror
from ocspark.names import cluster_key
from ocspark.release import load_release
from ocspark.selection.cone_search import ConeSearch
from ocspark.selection.cones import Cones, cones_of
from ocspark.session import get_session
from ocspark.tables.arrow import stars_of_batch, stars_to_batch
from ocspark.tables.run import found_fields
from ocspark.tables.stars import RawStars

#: A motion cut's centre and half-width, all or none of each group.
_CUTS = {"parallax": ("parallax", "parallax_limit"), "motion": ("pmra", "pmdec", "pm_limit")}
_COLUMNS = ("ra", "dec", "radius_deg", *_CUTS["parallax"], *_CUTS["motion"])
_UNITS = {**UNITS, "parallax_limit": "mas", "pm_limit": "mas/yr"}


def search(
    mirror: str | os.PathLike[str],
    positions: AnyTable,
    *,
    radius_deg: float | None = None,
    release: str = "dr3",
    spark: SparkSession | None = None,
) -> DataFrame:
    """Find the sources in cones around positions: one distributed join, however many cones.

    Parameters
    ----------
    mirror : str
        A mirror, as in the setting ``mirror.path``: a HATS catalogue, a Parquet directory, or
        ``table:NAME``.
    positions : table
        The path of one, a mapping of columns, a SkyCoord, or a table of pandas, Arrow or astropy
        (whose units count). A row per cone: ra, dec [deg], radius_deg if they differ, and
        optionally cluster (a name; by default the row's number), parallax and parallax_limit
        [mas], pmra, pmdec and pm_limit [mas/yr]: only sources that differ by no more than the
        limits are found.
    radius_deg : float, optional
        Radius of every cone, where `positions` has none.
    release : str
        The release that the mirror is of.
    spark : SparkSession, optional
        Classic or Connect; by default the active session, or a new one.

    Returns
    -------
    DataFrame
        cluster and the source's columns, raw as in the mirror; a source has a row for every cone
        it is in. Sources that lack what the method needs (astrometry, three bands) are left out.
        Nothing is read before the DataFrame is used.

    Raises
    ------
    InputError
        For a mirror that cannot be read, a column missing, or a value out of range.

    Examples
    --------
    >>> import ocspark
    >>> cones = {"cluster": ["A", "B"], "ra": [0.02, 120.0], "dec": [20.0, 89.7]}
    >>> found = ocspark.search("gaia_dr3", cones, radius_deg=0.5)
    >>> found.select("cluster", "source_id", "ra", "dec", "parallax").count() > 100
    True
    >>> moving = {**cones, "pmra": [2.0, 2.0], "pmdec": [-3.0, -3.0], "pm_limit": [0.5, 0.5]}
    >>> ocspark.search("gaia_dr3", moving, radius_deg=0.5).groupBy("cluster").count().show()
    +-------+-----+
    |cluster|count|
    +-------+-----+
    ...
    """
    cones, names = _cones(read_table(positions, "positions"), radius_deg)
    session = spark or get_session(APPLICATION)
    known = load_release(release)
    files = open_mirror(os.fspath(mirror), known, session).check_touched(cones.cover)

    columns = files[0].columns
    fields = found_fields(columns.names)

    def named(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = stars_of_batch(batch, RawStars)
            clusters = np.array([names[key] for key in found["cluster_key"]], dtype=object)
            yield stars_to_batch(found.with_columns({"cluster": clusters}), fields)

    return ConeSearch(session, columns, cones).run(files, named, fields)


def _cones(table: pd.DataFrame, radius_deg: float | None) -> tuple[Cones, dict[int, str]]:
    """Return the cones, and the name of each key."""
    if table.empty:
        raise InputError("positions: the table has no rows")
    table = table.reset_index(drop=True)
    if radius_deg is not None:
        table = table.assign(radius_deg=radius_deg)
        table.attrs["units"] = {**table.attrs.get("units", {}), "radius_deg": "deg"}
    values = {name: _column(table, name) for name in _COLUMNS}
    labels = table["cluster"] if "cluster" in table else pd.Series(range(len(table)))
    names = {cluster_key(str(label)): str(label) for label in labels}
    if len(names) < len(table):
        raise InputError("positions: column cluster: a name is there twice; expected each once")
    check_positions(values["ra"], values["dec"], table.attrs.get("units", {}), "positions")
    radius = values["radius_deg"]
    cones = pd.DataFrame(
        {
            **values,
            "cluster_key": np.array(list(names), dtype=np.int64),
            "ra": np.mod(values["ra"], 360.0),
            "radius_rad": np.radians(radius),
            "radius_bounded": False,
        }
    )
    return cones_of(cones), names


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    group = next((group for group in _CUTS.values() if name in group), (name,))
    if not set(group) & set(table.columns):
        if group == (name,):
            hint = ", or the argument radius_deg" if name == "radius_deg" else ""
            raise InputError(f"positions: column {name} is missing; expected it{hint}")
        return np.full(len(table), np.inf if name.endswith("_limit") else 0.0)
    if name not in table:
        raise InputError(f"positions: column {name} is missing; {', '.join(group)} go together")
    values = numeric_column(table, name, "positions", "search", _UNITS[name]).to_numpy()
    low, high = {"dec": (-90.0, 90.0), "ra": (-180.0, 360.0), "radius_deg": (0.0, 90.0)}.get(
        name, (0.0 if name.endswith("_limit") else -np.inf, np.inf)
    )
    bad = ~((values >= low) & (values <= high))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"positions: column {name}, row {row + 1}: got {values[row]:g}; "
            f"expected {low:g} to {high:g}"
        )
    return values
