"""Choose the files of a mock to write: all, or those that the cones of some clusters touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.parameters import MockParameters
from ocspark.mock.plan import FilePlan
from ocspark.mock.rng import keyed_generator
from ocspark.names import cluster_key
from ocspark.selection.cones import make_cones
from ocspark.settings import SearchSettings

#: Bytes of the mirror per expected source, measured at the density of DR3 (where a few per cent
#: more sources are written than expected).
BYTES_PER_SOURCE = 94


@dataclass(frozen=True)
class Extent:
    """The files and clusters that are written.

    Attributes
    ----------
    plan : FilePlan
        The files to write.
    clusters : list of int
        Indices of the clusters in the tables beside the mirror.
    around : list of str
        Names of the clusters that a slice is written around; empty for a whole mock.
    """

    plan: FilePlan
    clusters: list[int]
    around: list[str]

    @property
    def sources(self) -> int:
        """Expected number of field stars."""
        return int(self.plan.files.rows.sum())

    def describe(self) -> str:
        """Return a line with the number of clusters, sources and files, and the size."""
        size = f"{self.sources:,} sources or more in {len(self.plan.files)} files"
        names = ", ".join(self.around[:5]) + (", …" if len(self.around) > 5 else "")
        around = f" around {names}" if self.around else ""
        return (
            f"to be written{around}: {len(self.clusters)} clusters, {size}, "
            f"about {self.sources * BYTES_PER_SOURCE / 1e9:.2g} GB"
        )


def extent_of(catalogue: MockCatalogue, parameters: MockParameters) -> Extent:
    """Return the files and clusters of a catalogue that parameters ask for.

    Parameters
    ----------
    catalogue : MockCatalogue
        The whole catalogue.
    parameters : MockParameters
        Rows per file, and the clusters to write files around.

    Raises
    ------
    InputError
        For files smaller than a cell, or too few clusters to write files around.
    """
    rows = parameters.rows_per_partition
    if not parameters.around:
        return whole_sky(catalogue, rows)
    return slice_around(catalogue, rows, parameters.around, parameters.min_distance_pc)


def whole_sky(catalogue: MockCatalogue, rows_per_file: int) -> Extent:
    """Return the extent of a mock of the whole sky, in files of up to `rows_per_file` rows."""
    plan = FilePlan.build(catalogue.expected, rows_per_file)
    return Extent(plan, list(range(len(catalogue.clusters))), [])


def slice_around(
    catalogue: MockCatalogue, rows_per_file: int, around: int, min_distance_pc: float
) -> Extent:
    """Return the extent of a slice: the files that some clusters' cones touch.

    The cones are those of a run with the default search around the rows of the cluster table. Such
    a run finds the same candidates in the slice as in the whole mock.

    Parameters
    ----------
    catalogue : MockCatalogue
        The whole catalogue.
    rows_per_file : int
        Largest expected number of rows in a file. Files of the slice equal those of the whole
        mock to the byte.
    around : int
        Number of clusters. The catalogue's seed chooses them; the clusters of a smaller number are
        among those of a larger one.
    min_distance_pc : float
        Least distance of the clusters [pc].

    Raises
    ------
    InputError
        If too few clusters lie beyond that distance.
    """
    far = [c.index for c in catalogue.clusters if c.distance_pc > min_distance_pc]
    if around > len(far):
        raise InputError(
            f"--around {around}: {len(far)} of {len(catalogue.clusters)} clusters lie beyond "
            f"--min-distance {min_distance_pc:g} pc; expected no more than those"
        )
    order = keyed_generator(catalogue.seed, "around").permutation(len(catalogue.clusters))
    chosen = sorted([index for index in order.tolist() if index in set(far)][:around])
    table = pd.DataFrame([catalogue.cluster(index).row for index in chosen])
    keys = np.array([cluster_key(name) for name in table["cluster"]], dtype=np.int64)
    cover = make_cones(table.assign(cluster_key=keys), SearchSettings()).cover
    plan = FilePlan.build(catalogue.expected, rows_per_file)
    touched = cover.touches(plan.files.first, plan.files.end)
    return Extent(plan.only(np.flatnonzero(touched)), chosen, table["cluster"].tolist())
