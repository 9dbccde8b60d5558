"""Cone searches of all clusters as one distributed join (method §1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.mirror.layout import MirrorFile
from ocspark.mirror.read import HEALPIX
from ocspark.settings import SearchSettings
from ocspark.sky.cover import MAX_ORDER, cone_cells, cover_order, overlapping


@dataclass(frozen=True)
class Cones:
    """The cones of some clusters and the HEALPix cells they touch.

    Attributes
    ----------
    table : DataFrame
        A row per cone: cluster_key, cone_ra, cone_dec [rad], cone_radius [rad], radius_deg,
        radius_bounded, cone_parallax, parallax_limit [mas], cone_pmra, cone_pmdec, pm_limit
        [mas/yr].
    order : int
        HEALPix order of the cells.
    cone, cell : arrays, shape (m,)
        Row of `table` and nested cell of each pair.
    """

    table: pd.DataFrame
    order: int
    cone: NDArray[np.int64]
    cell: NDArray[np.int64]

    def only(self, cluster_keys: Sequence[int]) -> Cones:
        """Return the cones of some clusters."""
        keep = self.table["cluster_key"].isin(cluster_keys).to_numpy()
        pairs = keep[self.cone]
        renumber = np.cumsum(keep) - 1
        table = self.table[keep].reset_index(drop=True)
        return Cones(table, self.order, renumber[self.cone[pairs]], self.cell[pairs])

    def cells_of(self, files: Sequence[MirrorFile]) -> pa.Table:
        """Return (cell, cluster_key) pairs that lie on the pixels of some mirror files."""
        pick = np.ones(len(self.cell), dtype=bool)
        pixels = [(f.order, f.pixel) for f in files if f.order is not None and f.pixel is not None]
        if len(pixels) == len(files):
            orders, indices = np.array(pixels, dtype=np.int64).reshape(-1, 2).T
            pick = overlapping(self.order, self.cell, orders, indices)
        keys = self.table["cluster_key"].to_numpy()[self.cone[pick]]
        return pa.table({"cell": self.cell[pick], "cluster_key": keys})


def make_cones(clusters: pd.DataFrame, search: SearchSettings) -> Cones:
    """Return the cones and cuts of clusters.

    Parameters
    ----------
    clusters : DataFrame
        Canonical cluster table, every value present.
    search : SearchSettings
        Radius [pc] (50 pc / d, in rad, bounded by max_radius_deg) and number of dispersions.
    """
    radius = search.radius_pc / clusters["distance"].to_numpy()
    bound = np.radians(search.max_radius_deg)
    dispersion = np.sqrt((clusters["pmra_dispersion"] ** 2 + clusters["pmdec_dispersion"] ** 2) / 2)
    table = pd.DataFrame(
        {
            "cluster_key": clusters["cluster_key"].to_numpy(),
            "cone_ra": np.radians(clusters["ra"].to_numpy()),
            "cone_dec": np.radians(clusters["dec"].to_numpy()),
            "cone_radius": np.minimum(radius, bound),
            "radius_deg": np.degrees(np.minimum(radius, bound)),
            "radius_bounded": radius > bound,
            "cone_parallax": clusters["parallax"].to_numpy(),
            "parallax_limit": search.sigmas * clusters["parallax_dispersion"].to_numpy(),
            "cone_pmra": clusters["pmra"].to_numpy(),
            "cone_pmdec": clusters["pmdec"].to_numpy(),
            "pm_limit": search.sigmas * dispersion.to_numpy(),
        }
    )
    radius_deg = table["radius_deg"].to_numpy()
    order = cover_order(radius_deg)
    cone, cell = cone_cells(
        clusters["ra"].to_numpy(), clusters["dec"].to_numpy(), radius_deg, order
    )
    return Cones(table, order, cone, cell)


def search_cones(
    spark: SparkSession, sources: DataFrame, cones: Cones, files: Sequence[MirrorFile]
) -> DataFrame:
    """Pair sources with the clusters whose cone, parallax and proper-motion cuts they pass.

    A broadcast equi-join on the HEALPix cell, a broadcast join with the cuts, then the cuts; no
    shuffle. Bounds are inclusive.

    Parameters
    ----------
    spark : SparkSession
    sources : DataFrame
        From `read_sources`, of `files`.
    cones : Cones
    files : sequence of MirrorFile
        Only cells on their pixels are shipped.

    Returns
    -------
    DataFrame
        cluster_key and the columns of `sources` but the HEALPix index; a source appears once
        for every cluster whose cone it is in.
    """
    cells = spark.createDataFrame(cones.cells_of(files))
    cuts = cones.table.drop(columns=["radius_deg", "radius_bounded"])
    shift = 2 * (MAX_ORDER - cones.order)
    cell = F.shiftright(F.col(HEALPIX), shift).alias("cell")
    columns = [c for c in sources.columns if c != HEALPIX]
    return (
        sources.select(*columns, cell)
        .join(F.broadcast(cells), "cell")
        .join(F.broadcast(spark.createDataFrame(pa.Table.from_pandas(cuts))), "cluster_key")
        .where(F.abs(F.col("parallax") - F.col("cone_parallax")) <= F.col("parallax_limit"))
        .where(_motion_separation() <= F.col("pm_limit"))
        .where(_separation_rad() <= F.col("cone_radius"))
        .select("cluster_key", *columns)
    )


def _motion_separation() -> Column:
    x, y = F.col("pmra") - F.col("cone_pmra"), F.col("pmdec") - F.col("cone_pmdec")
    return F.sqrt(x * x + y * y)


def _separation_rad() -> Column:
    """Return the haversine of `ocspark.sky.sphere.separation_rad`."""
    ra, dec = F.radians("ra"), F.radians("dec")
    sin_dec = F.sin((dec - F.col("cone_dec")) / 2)
    sin_ra = F.sin((ra - F.col("cone_ra")) / 2)
    chord = sin_dec * sin_dec + F.cos(dec) * F.cos("cone_dec") * sin_ra * sin_ra
    return 2 * F.asin(F.sqrt(F.least(chord, F.lit(1.0))))
