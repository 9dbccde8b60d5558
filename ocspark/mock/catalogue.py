"""The mock catalogue as a function of its parameters: any cell, any cluster, in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import healpy
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.mock import frame
from ocspark.mock.clusters import Cluster, draw_stars, plant_clusters
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.frame import Columns
from ocspark.mock.galaxy import HEALPIX_ORDER, POPULATIONS, Field
from ocspark.mock.members import catalogue_row, list_probabilities
from ocspark.mock.observe import SOURCE_TYPES, observe
from ocspark.mock.rng import keyed_generator
from ocspark.mock.stars import LuminosityFunction
from ocspark.physics.photometry import MagnitudeErrorModel

#: Gaia's source_id: the NESTED pixel at order 12, then 35 bits of its own.
SOURCE_ID_ORDER, SOURCE_ID_BITS = 12, 35
#: In those bits field stars count up from 0 within their cell; cluster i has 2^34 + i·2^16 and on.
_CLUSTER_BIT, _STAR_BITS = 34, 16
MAX_CLUSTERS = 1 << (_CLUSTER_BIT - _STAR_BITS)
#: Clusters kept by a worker because the next cell may have stars of them too.
_SHARED_CLUSTERS = 64
#: Order of the pixels by which a cell's clusters are looked up.
_LOOKUP_ORDER = 5


@dataclass(frozen=True)
class PlantedCluster:
    """The observed stars of a cluster's block, and what is true of them.

    Attributes
    ----------
    sources : dict of arrays, shape (n,)
        Mirror columns; interlopers come last.
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


@dataclass(frozen=True)
class MockCatalogue:
    """Everything that a worker needs to generate any part of the catalogue.

    Attributes
    ----------
    expected : array, shape (n_pixels,)
        Field stars expected in each pixel of the model.
    clusters_of_pixel : mapping of int to tuple of int
        Clusters that may have a star in a pixel of `_LOOKUP_ORDER`.
    """

    seed: int
    field: Field
    clusters: list[Cluster]
    isochrones: Mapping[float, pd.DataFrame]
    errors: MagnitudeErrorModel
    expected: NDArray[np.float64]
    clusters_of_pixel: Mapping[int, tuple[int, ...]]
    _recent: dict[int, PlantedCluster] = dataclass_field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls,
        n_sources: int,
        n_clusters: int,
        seed: int,
        isochrones: pd.DataFrame,
        errors: MagnitudeErrorModel,
    ) -> MockCatalogue:
        """Set up a catalogue of at least `n_sources` field stars, with `n_clusters` on top."""
        luminosity = tuple(
            LuminosityFunction.from_isochrones(isochrones, p.log_age_range) for p in POPULATIONS
        )
        # five standard deviations more than asked for, so that a Poisson draw is not less
        wanted = n_sources + 5.0 * np.sqrt(n_sources)
        stars, expected = Field(seed, luminosity, ExtinctionGrid.build()).normalised(wanted)
        by_age = {float(age): points for age, points in isochrones.groupby("log_age")}  # type: ignore[arg-type]
        clusters = plant_clusters(n_clusters, seed, np.array(sorted(by_age)))
        used = {cluster.log_age for cluster in clusters}
        return cls(
            seed=seed,
            field=stars,
            clusters=clusters,
            isochrones={age: by_age[age] for age in used},
            errors=errors,
            expected=expected,
            clusters_of_pixel=_pixels_of(clusters),
        )

    def cell(self, order: int, pixel: int) -> Columns:
        """Return the sources of a cell sorted by ``_healpix_29``, field and clusters together."""
        true = self.field.cell(pixel, order)
        rng = keyed_generator(self.seed, "field errors", order, pixel)
        sources = observe(true, self.errors, rng)
        sources["source_id"] = _source_id(sources["_healpix_29"], np.arange(len(true["ra"])))
        parts = [sources]
        shift = 2 * (HEALPIX_ORDER - order)
        for index in self._clusters_in(order, pixel):
            planted = self._shared_cluster(index).sources
            inside = planted["_healpix_29"] >> shift == pixel
            if inside.any():
                parts.append({name: values[inside] for name, values in planted.items()})
        if len(parts) == 1:
            return {name: sources[name] for name in SOURCE_TYPES}
        joined = {name: np.concatenate([part[name] for part in parts]) for name in SOURCE_TYPES}
        by_pixel = np.lexsort((joined["source_id"], joined["_healpix_29"]))
        return {name: values[by_pixel] for name, values in joined.items()}

    def _clusters_in(self, order: int, pixel: int) -> list[int]:
        """Return the clusters that may have a star in a cell, in order of their numbers."""
        if order >= _LOOKUP_ORDER:
            return list(self.clusters_of_pixel.get(pixel >> 2 * (order - _LOOKUP_ORDER), ()))
        finer = 4 ** (_LOOKUP_ORDER - order)
        found = (
            self.clusters_of_pixel.get(p, ()) for p in range(pixel * finer, (pixel + 1) * finer)
        )
        return sorted({index for indices in found for index in indices})

    def _shared_cluster(self, index: int) -> PlantedCluster:
        """Return a cluster that neighbouring cells of one worker process share."""
        if index not in self._recent:
            if len(self._recent) >= _SHARED_CLUSTERS:
                self._recent.pop(next(iter(self._recent)))
            self._recent[index] = self.cluster(index)
        return self._recent[index]

    def cluster(self, index: int) -> PlantedCluster:
        """Return a planted cluster; it depends on (seed, index) and the number of clusters."""
        cluster = self.clusters[index]
        rng = keyed_generator(self.seed, "cluster stars", index)
        true = draw_stars(cluster, self.isochrones[cluster.log_age], self.field.extinction, rng)
        sources = observe(true, self.errors, rng)
        first = (1 << _CLUSTER_BIT) + (index << _STAR_BITS)
        number = first + np.arange(len(true["ra"]))
        sources["source_id"] = _source_id(sources["_healpix_29"], number)
        probability = list_probabilities(cluster, true, sources, rng)
        row = catalogue_row(cluster, sources, probability, rng)
        return PlantedCluster(sources, true, probability, row)


def _source_id(healpix_29: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    pixel = healpix_29 >> (2 * (HEALPIX_ORDER - SOURCE_ID_ORDER))
    return (pixel << SOURCE_ID_BITS) | number


def _pixels_of(clusters: list[Cluster]) -> dict[int, tuple[int, ...]]:
    pixels: dict[int, list[int]] = {}
    for cluster in clusters:
        ra, dec, _ = frame.sky_position(cluster.xyz_pc)
        centre = healpy.ang2vec(float(ra), float(dec), lonlat=True)
        covered = healpy.query_disc(
            1 << _LOOKUP_ORDER, centre, cluster.radius_rad, inclusive=True, fact=16, nest=True
        )
        for pixel in covered:
            pixels.setdefault(int(pixel), []).append(cluster.index)
    return {pixel: tuple(indices) for pixel, indices in pixels.items()}
