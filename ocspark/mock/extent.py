"""How much of a mock is made: all of it, or the files that the cones of some clusters touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.plan import Plan
from ocspark.mock.rng import keyed_generator
from ocspark.names import cluster_key
from ocspark.selection.cone import make_cones
from ocspark.settings import SearchSettings

#: Size of the mirror's files by source expected (measured at the density of DR3, where there are
#: a few per cent more sources than expected).
BYTES_PER_SOURCE = 94


@dataclass(frozen=True)
class Extent:
    """The files and clusters that are made.

    Attributes
    ----------
    plan : Plan
        The files, of a slice only those that are made.
    clusters : list of int
        Numbers of the clusters that the tables beside the mirror have.
    around : list of str
        Their names if this is a slice, none of a whole mock.
    """

    plan: Plan
    clusters: list[int]
    around: list[str]

    @property
    def sources(self) -> int:
        """Field stars to be expected."""
        return int(self.plan.files.rows.sum())

    def describe(self) -> str:
        """Return one line that says what will be made."""
        size = f"{self.sources:,} sources or more in {len(self.plan.files)} files"
        names = ", ".join(self.around[:5]) + (", …" if len(self.around) > 5 else "")
        around = f" around {names}" if self.around else ""
        return (
            f"to be made{around}: {len(self.clusters)} clusters, {size}, "
            f"about {self.sources * BYTES_PER_SOURCE / 1e9:.2g} GB"
        )


def whole(catalogue: MockCatalogue, rows_per_file: int) -> Extent:
    """Return the extent of a mock of the whole sky."""
    plan = Plan.build(catalogue.expected, rows_per_file)
    return Extent(plan, list(range(len(catalogue.clusters))), [])


def slice_around(
    catalogue: MockCatalogue, rows_per_file: int, around: int, min_distance_pc: float
) -> Extent:
    """Return the extent of a slice: the files that some clusters' cones touch.

    The cones are those that a run with the default search draws around the rows of the cluster
    table, so that it finds in the slice what it would find in the whole mock.

    Parameters
    ----------
    catalogue : MockCatalogue
    rows_per_file : int
        As of the whole mock, whose files these are to the byte.
    around : int
        Number of clusters. The catalogue's seed chooses them; those of a smaller number are among
        those of a larger one.
    min_distance_pc : float
        All of them lie farther away.

    Raises
    ------
    InputError
        If too few clusters lie that far away.
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
    plan = Plan.build(catalogue.expected, rows_per_file)
    touched = cover.touches(plan.files.first, plan.files.end)
    return Extent(plan.only(np.flatnonzero(touched)), chosen, table["cluster"].tolist())
