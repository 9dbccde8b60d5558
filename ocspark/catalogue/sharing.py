"""Share stars between the clusters that claim them, and sum up each cluster's posteriors.

This is done in every run and for all clusters. Claims depend on one cluster alone and are copied
from an earlier run, but shares also depend on the other clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.catalogue.posterior import posterior_columns
from ocspark.posterior.checks import MOVED_OFF, is_moved_off
from ocspark.posterior.settings import PosteriorSettings
from ocspark.posterior.sharing import share_stars
from ocspark.posterior.totals import sum_up
from ocspark.sky.sphere import separation_rad
from ocspark.store.files import TableFile, TableWriters
from ocspark.store.pieces import read_rows_of_clusters
from ocspark.tables.arrow import columns_of
from ocspark.tables.candidates import CANDIDATES, POSTERIOR
from ocspark.tables.fields import struct
from ocspark.tables.member_rule import POSTERIOR as BY_POSTERIOR
from ocspark.tables.member_rule import VOTES as BY_VOTES
from ocspark.tables.posterior import CLAIMS, TOTALS

#: Folder of the pieces that the step writes: totals by cluster.
TOTAL_PIECES = "_pieces_totals"

#: Factor on limits, to allow for rounding.
_A_LITTLE_MORE = 1.0 + 1e-9
_TOTAL_SCHEMA = to_arrow_schema(struct(TOTALS))
_NAMES = [field.name for field in POSTERIOR]
_READ = [
    field
    for field in CANDIDATES
    if field.name in ("cluster", "source_id", "f_r", "phot_g_mean_mag", "probability", *_NAMES)
]


@dataclass(frozen=True)
class Claimant:
    """A cluster whose candidates may be shared with others.

    Attributes
    ----------
    key : int
        Key of the cluster.
    candidates : TableFile
        File with its candidates.
    fit : mapping
        Its row of `FITS`.
    others : frozenset of int
        Clusters with a posterior that may claim the same stars.
    claims : tuple of str
        Files with its claims and those of `others`.
    """

    key: int
    candidates: TableFile
    fit: Mapping[str, Any]
    others: frozenset[int]
    claims: tuple[str, ...]


@dataclass(frozen=True)
class ShareStars:
    """Share the stars of a few clusters: the function that a task calls.

    Attributes
    ----------
    root : str
        Folder of the run.
    settings : PosteriorSettings
        Settings of the posterior.
    """

    root: str
    settings: PosteriorSettings

    def __call__(self, clusters: Sequence[Claimant], writers: TableWriters) -> dict[str, Any]:
        """Write candidates again if their shares have changed, and totals of all clusters."""
        n_rewritten = 0
        claims = self._read_claims(clusters)
        for cluster in clusters:
            rows = read_rows_of_clusters(
                self.root, [cluster.candidates.name], [cluster.key], _READ, ["source_id"]
            )
            columns = posterior_columns(rows, *_shared(cluster, claims))
            if any(not rows[name].combine_chunks().equals(columns[name]) for name in _NAMES):
                n_rewritten += 1
                self._rewrite(cluster, columns, writers)
            totals = self._sum_up(cluster, rows, columns["posterior"])
            writers.add(TOTAL_PIECES, pa.Table.from_pylist([totals], _TOTAL_SCHEMA).to_batches()[0])
        return {"rewritten": n_rewritten}

    def _read_claims(self, clusters: Sequence[Claimant]) -> dict[str, NDArray[Any]]:
        """Return the claims of some clusters and their neighbours, by cluster and source_id."""
        names = sorted({name for cluster in clusters for name in cluster.claims})
        keys = {key for cluster in clusters for key in (cluster.key, *cluster.others)}
        claims = read_rows_of_clusters(self.root, names, keys, CLAIMS, ["source_id"])
        return columns_of(claims, [field.name for field in CLAIMS])

    def _rewrite(
        self, cluster: Claimant, columns: Mapping[str, pa.Array], writers: TableWriters
    ) -> None:
        """Write a cluster's candidates again, with some columns replaced."""
        filesystem, inner = storage.resolve(storage.join(self.root, cluster.candidates.name))
        table = storage.retry(lambda: pq.read_table(inner, filesystem=filesystem))
        for name in _NAMES:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(name), columns[name])
        stem = cluster.candidates.name.split("/")[1].rsplit("-", 1)[0]
        writers.write("candidates", stem, table, cluster.candidates.counts)

    def _sum_up(self, cluster: Claimant, rows: pa.Table, posterior: pa.Array) -> dict[str, Any]:
        """Return the cluster's row of `TOTALS`."""
        fit, settings = cluster.fit, self.settings
        row = {
            "cluster_key": cluster.key,
            "members_by": BY_VOTES,
            "posterior_flags": fit["posterior_flags"],
        }
        if fit["posterior_reason"] is not None:
            return row
        totals = sum_up(
            posterior.to_numpy(zero_copy_only=False),
            rows["probability"].to_numpy(),
            rows["phot_g_mean_mag"].to_numpy(),
        )
        flags = [flag for flag in fit["posterior_flags"].split("; ") if flag not in ("", MOVED_OFF)]
        if is_moved_off(fit["posterior_offset_sum"], totals.expected_members, settings):
            return {**row, **vars(totals), "posterior_flags": "; ".join([MOVED_OFF, *flags])}
        row |= {"members_by": BY_POSTERIOR, "posterior_flags": "; ".join(flags)}
        return {**row, **vars(totals)}


def _shared(
    cluster: Claimant, claims: Mapping[str, NDArray[Any]]
) -> tuple[float | None, dict[str, NDArray[Any]]]:
    """Return the radius of a cluster's posterior, and its claims after sharing."""
    if cluster.fit["posterior_reason"] is not None:
        return None, {}
    near = np.isin(claims["cluster_key"], [cluster.key, *cluster.others])
    mine = claims["cluster_key"] == cluster.key
    # rows of a star are sorted by key, so that all clusters add them up in the same order
    related = near & np.isin(claims["source_id"], claims["source_id"][mine])
    names = ("q", "q_low", "q_high")
    shared = share_stars(*(claims[name][related] for name in ("source_id", *names)))
    own = {name: q[mine[related]] for name, q in zip(names, shared, strict=True)}
    return float(cluster.fit["posterior_radius_pc"]), {
        "source_id": claims["source_id"][mine],
        **own,
    }


def neighbours(cones: pd.DataFrame) -> dict[int, frozenset[int]]:
    """Return for each cluster, by key, the clusters that may have stars in common with it.

    A star in two cones is inside both radii and both cuts in proper motion and parallax, so two
    cones must overlap in all three.

    Parameters
    ----------
    cones : DataFrame
        A `CONES` table.
    """
    keys = cones["cluster_key"].to_numpy()
    ra, dec, radius = (cones[name].to_numpy() for name in ("ra", "dec", "radius_rad"))
    pmra, pmdec, parallax = (cones[name].to_numpy() for name in ("pmra", "pmdec", "parallax"))
    pm_limit, plx_limit = (cones[name].to_numpy() for name in ("pm_limit", "parallax_limit"))
    found = {}
    for i, key in enumerate(keys):
        near = separation_rad(ra, dec, ra[i], dec[i]) <= (radius + radius[i]) * _A_LITTLE_MORE
        near &= np.hypot(pmra - pmra[i], pmdec - pmdec[i]) <= (
            (pm_limit + pm_limit[i]) * _A_LITTLE_MORE
        )
        near &= np.abs(parallax - parallax[i]) <= (plx_limit + plx_limit[i]) * _A_LITTLE_MORE
        near[i] = False
        found[int(key)] = frozenset(keys[near].tolist())
    return found
