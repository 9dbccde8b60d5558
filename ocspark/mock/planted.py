"""Plant a cluster: its stars as Gaia would list them, the truth, and the literature's view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.mock.clusters import MockCluster, draw_stars
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.frame import Columns
from ocspark.mock.members import catalogue_row, list_probabilities
from ocspark.mock.observatory import Observatory
from ocspark.mock.observe import observe
from ocspark.mock.rng import keyed_generator
from ocspark.sky.healpix import SOURCE_ID_BITS, SOURCE_ID_ORDER, coarser

#: The bits of a source_id below its pixel hold a running number: field stars count from 0 within
#: their cell, stars of cluster i from 2^34 + i·2^16.
_CLUSTER_BIT, _STAR_BITS = 34, 16
#: Most clusters of a mock: more would have no source ids.
MAX_CLUSTERS = 1 << (_CLUSTER_BIT - _STAR_BITS)


@dataclass(frozen=True)
class PlantedCluster:
    """The stars of a planted cluster, observed and true.

    Attributes
    ----------
    sources : dict of arrays, shape (n,)
        Observed stars in canonical columns (`ocspark.mock.observatory.SOURCE_TYPES`), interlopers
        last. `Observatory.native_columns` gives them the release's names.
    true : dict of arrays, shape (n,)
        The truth; see `ocspark.mock.clusters.draw_stars`.
    probability : array, shape (n,)
        Probability in the member list, 0 for stars not in it.
    row : dict
        The cluster's row in the cluster table.
    """

    sources: Columns
    true: Columns
    probability: NDArray[np.float64]
    row: dict[str, object]


def plant(
    cluster: MockCluster,
    isochrone: pd.DataFrame,
    extinction: ExtinctionGrid,
    by: Observatory,
    seed: int,
) -> PlantedCluster:
    """Draw and observe the stars of a cluster; they depend on (cluster, seed, release) alone.

    Parameters
    ----------
    cluster : MockCluster
        The cluster. Its index selects the block of source ids of its stars, so that no two clusters
        share an id; no Gaia source has bit 34 of its running number set.
    isochrone : DataFrame
        Isochrone points of the cluster's age and one metallicity.
    extinction : ExtinctionGrid
        Extinction in G, BP and RP.
    by : Observatory
        The release that observes.
    seed : int
        Seed of every random draw.
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
    """Return Gaia-like ids: the HEALPix pixel of order 12, and a running number in the low bits."""
    return (coarser(healpix_29, SOURCE_ID_ORDER) << SOURCE_ID_BITS) | number
