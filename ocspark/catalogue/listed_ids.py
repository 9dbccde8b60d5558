"""Check that listed ids are those of the mirror's release, by the positions that ids encode."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import hpgeom
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.catalogue.inputs import RunInputs
from ocspark.selection.listed_levels import reaches
from ocspark.sky.healpix import SOURCE_ID_ORDER, n_pixels, source_id_pixels
from ocspark.sky.sphere import separation_rad

#: A warning is given if less than this share of a cluster's listed stars are found by id …
FOUND_SHARE = 0.5
#: … and it has at least this many.
LEAST_LISTED = 10
#: Largest distance of a star from the centre of its cell [rad].
_CELL_RAD = np.radians(0.02)
_SHOWN = 5


def positions_of_ids(source_id: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Return ra and dec [deg] of the HEALPix cells in Gaia ids, NaN if an id has no valid cell.

    Parameters
    ----------
    source_id : array of int64, shape (n,)
        Gaia's source identifiers.
    """
    cell = source_id_pixels(source_id)
    known = (cell >= 0) & (cell < n_pixels(SOURCE_ID_ORDER))
    ra, dec = hpgeom.pixel_to_angle(1 << SOURCE_ID_ORDER, np.where(known, cell, 0))
    return np.where(known, ra, np.nan), np.where(known, dec, np.nan)


def id_warnings(inputs: RunInputs, rows: pd.DataFrame) -> list[str]:
    """Return warnings if few listed stars are found by id although their cones have sources.

    Ids with a position in the cone may be of another release; ids with a position elsewhere belong
    to other stars.

    Parameters
    ----------
    inputs : RunInputs
        Inputs of the run.
    rows : DataFrame
        The clusters table.
    """
    few = (
        (rows["n_cone"] > 0)
        & (rows["n_listed"] >= LEAST_LISTED)
        & (rows["n_training_members"] < FOUND_SHARE * rows["n_listed"])
    )
    keys = {name: key for key, name in inputs.cluster_names.items()}
    cones = inputs.cones.table.set_index("cluster_key")
    by_cluster = dict(list(inputs.members.table.groupby("cluster_key")))
    another: list[dict[Hashable, Any]] = []
    elsewhere: list[dict[Hashable, Any]] = []
    for row in rows[few].to_dict("records"):
        key = keys[row["cluster"]]
        listed = by_cluster[key]
        at_level = reaches(listed["probability"], row["training_probability"])
        ids = listed.loc[at_level, "source_id"].to_numpy()
        ra, dec = positions_of_ids(ids)
        cone = cones.loc[key]
        away = separation_rad(ra, dec, cone["ra"], cone["dec"])
        inside = int((away <= cone["radius_rad"] + _CELL_RAD).sum())
        (another if inside > len(ids) / 2 else elsewhere).append(row)
    return [
        *_warning(
            another,
            "their ids lie in the cones, so they may be of another release "
            "(members.neighbourhood brings ids forward), or the mirror lacks these stars",
        ),
        *_warning(
            elsewhere, "their ids lie elsewhere on the sky, so they are those of other stars"
        ),
    ]


def _warning(rows: Sequence[Mapping[Hashable, Any]], what: str) -> list[str]:
    if not rows:
        return []
    found, listed = (sum(int(r[n]) for r in rows) for n in ("n_training_members", "n_listed"))
    names = ", ".join(str(row["cluster"]) for row in rows[:_SHOWN])
    more = ", …" if len(rows) > _SHOWN else ""
    clusters = f"{len(rows)} cluster{'s' if len(rows) > 1 else ''} ({names}{more})"
    return [f"{found:,} of {listed:,} listed stars of {clusters} are found by id: {what}"]
