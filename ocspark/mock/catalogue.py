"""Generate any cell or cluster of a mock catalogue, in any order, from its parameters alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import healpy
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.inputs.isochrones import default_grid, default_isochrones
from ocspark.mock import frame
from ocspark.mock.clusters import MockCluster, listed_cluster, plant_clusters
from ocspark.mock.dust import Dust, ExtinctionGrid
from ocspark.mock.frame import Array, Columns
from ocspark.mock.galaxy import GalacticField
from ocspark.mock.observatory import Observatory
from ocspark.mock.observe import observe
from ocspark.mock.parameters import MockParameters
from ocspark.mock.planted import PlantedCluster, plant, source_id
from ocspark.mock.populations import POPULATIONS
from ocspark.mock.rng import keyed_generator
from ocspark.mock.stars import LuminosityFunction
from ocspark.release import load_release
from ocspark.sky.healpix import HealpixPixel, coarser

#: Clusters that a worker keeps in memory, since the next cell may hold stars of them too.
_SHARED_CLUSTERS = 64
#: HEALPix order of the pixels in which the clusters of a cell are looked up.
_LOOKUP_ORDER = 5


@dataclass(frozen=True)
class MockCatalogue:
    """Everything that a worker needs to generate any part of the catalogue.

    Attributes
    ----------
    seed : int
        Seed of every random draw.
    field : GalacticField
        Discs, bulge and halo.
    clusters : list of MockCluster
        The planted clusters.
    isochrones : mapping of float to DataFrame
        Isochrone points of solar metallicity by the log age [dex] of a planted cluster.
    observatory : Observatory
        The release that observes.
    expected : array, shape (n_pixels,)
        Expected field stars in each pixel of the model.
    clusters_of_pixel : mapping of int to tuple of int
        Indices of the clusters that may have a star in a pixel of `_LOOKUP_ORDER`.
    """

    seed: int
    field: GalacticField
    clusters: list[MockCluster]
    isochrones: Mapping[float, pd.DataFrame]
    observatory: Observatory
    expected: NDArray[np.float64]
    clusters_of_pixel: Mapping[int, tuple[int, ...]]
    _recent: dict[int, PlantedCluster] = dataclass_field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls,
        n_sources: float,
        seed: int,
        observatory: Observatory,
        clusters: Callable[[Array, Dust], list[MockCluster]],
    ) -> MockCatalogue:
        """Set up a catalogue of at least `n_sources` field stars, and clusters besides.

        Parameters
        ----------
        n_sources : float
            Least number of field stars.
        seed : int
            Seed of every random draw.
        observatory : Observatory
            The release that observes.
        clusters : callable
            Returns the clusters to plant, given the log ages [dex] that have an isochrone, and
            the dust.
        """
        # five standard deviations above the wanted number, so that the Poisson draw reaches it
        wanted = n_sources + 5.0 * np.sqrt(n_sources)
        field, expected = build_field(seed).normalised(wanted)
        by_age = {float(age): points for age, points in default_isochrones().groupby("log_age")}  # type: ignore[arg-type]
        planted = clusters(np.array(sorted(by_age)), field.dust)
        return cls(
            seed=seed,
            field=field,
            clusters=planted,
            isochrones={age: by_age[age] for age in {c.log_age for c in planted}},
            observatory=observatory,
            expected=expected,
            clusters_of_pixel=_pixels_of(planted),
        )

    def cell(self, pixel: HealpixPixel) -> Columns:
        """Return the sources of a cell sorted by ``_healpix_29``, field and clusters together.

        Parameters
        ----------
        pixel : HealpixPixel
            The cell.

        Returns
        -------
        dict of arrays, shape (n,)
            The columns of `Observatory.names`.
        """
        true = self.field.cell(pixel)
        rng = keyed_generator(self.seed, "field errors", pixel.order, pixel.pixel)
        sources = observe(true, self.observatory, rng)
        sources["source_id"] = source_id(sources["_healpix_29"], np.arange(len(true["ra"])))
        parts = [sources]
        for index in self._clusters_in(pixel):
            planted = self._shared_cluster(index).sources
            inside = pixel.holds(planted["_healpix_29"])
            if inside.any():
                parts.append({name: values[inside] for name, values in planted.items()})
        if len(parts) == 1:
            return sources
        joined = {name: np.concatenate([part[name] for part in parts]) for name in sources}
        by_pixel = np.lexsort((joined["source_id"], joined["_healpix_29"]))
        return {name: values[by_pixel] for name, values in joined.items()}

    def _clusters_in(self, cell: HealpixPixel) -> list[int]:
        """Return the clusters that may have a star in a cell, in order of their numbers."""
        first = coarser(cell.first, _LOOKUP_ORDER)
        last = coarser(cell.end - 1, _LOOKUP_ORDER)
        found = (self.clusters_of_pixel.get(pixel, ()) for pixel in range(first, last + 1))
        return sorted({index for indices in found for index in indices})

    def _shared_cluster(self, index: int) -> PlantedCluster:
        """Return a planted cluster; recent ones are kept, since neighbouring cells share them."""
        if index not in self._recent:
            if len(self._recent) >= _SHARED_CLUSTERS:
                self._recent.pop(next(iter(self._recent)))
            self._recent[index] = self.cluster(index)
        return self._recent[index]

    def cluster(self, index: int) -> PlantedCluster:
        """Return the planted cluster of an index, with its stars."""
        cluster = self.clusters[index]
        isochrone = self.isochrones[cluster.log_age]
        return plant(cluster, isochrone, self.field.extinction, self.observatory, self.seed)


def build_catalogue(parameters: MockParameters, table: pd.DataFrame | None = None) -> MockCatalogue:
    """Set up the catalogue that parameters describe.

    Parameters
    ----------
    parameters : MockParameters
        Size, seed and release.
    table : DataFrame, optional
        Clusters to plant, in canonical columns without missing values. By default clusters are
        drawn.
    """

    def clusters(log_ages: Array, dust: Dust) -> list[MockCluster]:
        if table is None:
            return plant_clusters(parameters.clusters, parameters.seed, log_ages, dust)
        rows = table.to_dict("records")
        return [listed_cluster(r, i, parameters.seed, log_ages) for i, r in enumerate(rows)]  # type: ignore[arg-type]

    observatory = Observatory.from_release(load_release(parameters.release))
    return MockCatalogue.build(parameters.sources, parameters.seed, observatory, clusters)


def build_field(seed: int) -> GalacticField:
    """Return the field of all populations, not yet normalised to a number of sources."""
    grid = default_grid()
    luminosity = tuple(
        LuminosityFunction.from_isochrones(grid, p.log_age_range, p.metallicities)
        for p in POPULATIONS
    )
    return GalacticField(seed, luminosity, ExtinctionGrid.build(), Dust.build(seed))


def _pixels_of(clusters: list[MockCluster]) -> dict[int, tuple[int, ...]]:
    """Return the indices of the clusters in each pixel of `_LOOKUP_ORDER`."""
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
