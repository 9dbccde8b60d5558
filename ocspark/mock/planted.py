"""A cluster planted: its stars as Gaia would list them, their truth, what the literature says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.mock.clusters import Cluster, draw_stars
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.frame import Columns
from ocspark.mock.members import catalogue_row, list_probabilities
from ocspark.mock.observe import Observatory, observe
from ocspark.mock.rng import keyed_generator
from ocspark.sky.healpix import SOURCE_ID_BITS, SOURCE_ID_ORDER, coarser

#: In the bits of a source_id below its pixel field stars count up from 0 within their cell;
#: cluster i has 2^34 + i·2^16 and on.
_CLUSTER_BIT, _STAR_BITS = 34, 16
MAX_CLUSTERS = 1 << (_CLUSTER_BIT - _STAR_BITS)


@dataclass(frozen=True)
class PlantedCluster:
    """The observed stars of a cluster's block, and what is true of them.

    Attributes
    ----------
    sources : dict of arrays, shape (n,)
        Canonical columns of the mirror (`ocspark.mock.observe.SOURCE_TYPES`); interlopers come
        last. `Observatory.native` gives them the release's names.
    true : dict of arrays, shape (n,)
        See `ocspark.mock.clusters.draw_stars`.
    probability : array, shape (n,)
        In the member list, 0 where not on it.
    row : dict
        The cluster's row in the cluster table.
    """

    sources: Columns
    true: Columns
    probability: NDArray[np.float64]
    row: dict[str, object]


def plant(
    cluster: Cluster,
    isochrone: pd.DataFrame,
    extinction: ExtinctionGrid,
    by: Observatory,
    seed: int,
) -> PlantedCluster:
    """Draw and observe the stars of one cluster; they depend on (cluster, seed, release) alone.

    Parameters
    ----------
    cluster : Cluster
        Its index gives the stars their own block of source ids, so that clusters planted together
        do not share any; no Gaia source has bit 34 of its running number set.
    isochrone : DataFrame
        Points of the cluster's age and one metallicity.
    extinction : ExtinctionGrid
    by : Observatory
        The release that observes.
    seed : int
    """
    rng = keyed_generator(seed, "cluster stars", cluster.name)
    true = draw_stars(cluster, isochrone, extinction, rng)
    sources = observe(true, by, rng)
    first = (1 << _CLUSTER_BIT) + (cluster.index << _STAR_BITS)
    sources["source_id"] = source_id(sources["_healpix_29"], first + np.arange(len(true["ra"])))
    probability = list_probabilities(cluster, true, sources, rng)
    return PlantedCluster(
        sources, true, probability, catalogue_row(cluster, sources, probability, rng)
    )


def source_id(healpix_29: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ids that name the pixel at order 12, as Gaia's do, and a running number."""
    return (coarser(healpix_29, SOURCE_ID_ORDER) << SOURCE_ID_BITS) | number
