"""Make the cones of clusters: centres, cuts and the sky that they cover (method §1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ocspark.selection.match import ConeCuts
from ocspark.sky.cover import Cover, cover_cones

if TYPE_CHECKING:
    import pandas as pd

    from ocspark.settings import SearchSettings


@dataclass(frozen=True)
class Cones:
    """The cones of some clusters and the sky that they cover.

    Attributes
    ----------
    table : DataFrame
        A row per cone: the columns of `ConeCuts`, radius_deg, radius_bounded.
    cover : Cover
        HEALPix ranges that overlap each cone.
    """

    table: pd.DataFrame
    cover: Cover

    @cached_property
    def cuts(self) -> ConeCuts:
        """Centres and cuts as arrays."""
        return ConeCuts(**{f.name: self.table[f.name].to_numpy() for f in fields(ConeCuts)})

    def only(self, cluster_keys: Collection[int]) -> Cones:
        """Return the cones of some clusters, given by key."""
        keep = self.table["cluster_key"].isin(list(cluster_keys)).to_numpy()
        if keep.all():
            return self
        cover = self.cover.take(keep[self.cover.cone])
        renumbered = (np.cumsum(keep) - 1)[cover.cone]
        table = self.table[keep].reset_index(drop=True)
        return Cones(table, Cover(cover.start, cover.end, renumbered, cover.inner))


def make_cones(clusters: pd.DataFrame, search: SearchSettings) -> Cones:
    """Make the cones of clusters from the cluster table.

    Parameters
    ----------
    clusters : DataFrame
        Canonical cluster table, every value present.
    search : SearchSettings
        radius_pc, which over the distance gives the radius [rad], at most max_radius_deg; and
        sigmas, the number of dispersions at which parallax and proper motion are cut.
    """
    import pandas as pd  # here, since tasks get arrays

    radius = search.radius_pc / clusters["distance"].to_numpy()
    bound = np.radians(search.max_radius_deg)
    dispersion = np.sqrt((clusters["pmra_dispersion"] ** 2 + clusters["pmdec_dispersion"] ** 2) / 2)
    same = ("cluster_key", "ra", "dec", "parallax", "pmra", "pmdec")
    table = pd.DataFrame(
        {
            **{name: clusters[name].to_numpy() for name in same},
            "radius_rad": np.minimum(radius, bound),
            "radius_deg": np.degrees(np.minimum(radius, bound)),
            "radius_bounded": radius > bound,
            "parallax_limit": search.sigmas * clusters["parallax_dispersion"].to_numpy(),
            "pm_limit": search.sigmas * dispersion.to_numpy(),
        }
    )
    return cones_of(table)


def cones_of(table: pd.DataFrame) -> Cones:
    """Return the `Cones` of a table of cones, computing the sky that they cover."""
    ra, dec, radius_deg = (table[name].to_numpy() for name in ("ra", "dec", "radius_deg"))
    return Cones(table, cover_cones(ra, dec, radius_deg))
