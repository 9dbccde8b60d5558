"""Compute the posteriors of a cluster's candidates, in the task that writes its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.physics.isochrone import apparent_points
from ocspark.physics.isochrone_grid import IsochroneGrid
from ocspark.posterior.compute import ClusterFit, compute_posterior
from ocspark.posterior.footprint import covered_radius_deg
from ocspark.posterior.profile import half_radius
from ocspark.posterior.settings import PosteriorSettings
from ocspark.posterior.sharing import LEAST_CLAIM
from ocspark.posterior.stars import Candidates, ClusterToFit, candidates_of
from ocspark.posterior.windows import CONE_SIGMAS
from ocspark.release import ExtinctionSource
from ocspark.selection.model import ClusterModel
from ocspark.sky.sphere import separation_rad
from ocspark.store.files import TableWriters
from ocspark.store.pieces import read_rows_of_clusters
from ocspark.tables.arrow import columns_of, to_batch
from ocspark.tables.fields import struct
from ocspark.tables.posterior import CLAIMS, FITS, LUMINOSITY_FUNCTIONS
from ocspark.tables.run import CELLS

Floats = NDArray[np.float64]

#: Tables by cluster: fitted values, stars that it claims, its members by magnitude.
FIT_TABLE, CLAIM_TABLE, LUMINOSITY_TABLE = "_fits", "_claims", "luminosity_functions"
#: Reason that a run without posteriors gives for each cluster.
NOT_WANTED = "posterior.enabled is false"

_FIT_SCHEMA = to_arrow_schema(struct(FITS))
_OF_MODEL = (
    "ra dec distance log_age a0 pmra pmdec parallax delta_pm delta_plx_plus delta_plx_minus"
).split()
_OF_CONE = {
    "ra": "cone_ra",
    "dec": "cone_dec",
    "radius_deg": "radius_deg",
    "pm_limit": "pm_limit",
    "parallax_limit": "parallax_limit",
}


@dataclass(frozen=True)
class PosteriorRules:
    """Everything that posteriors need besides the stars.

    Attributes
    ----------
    settings : PosteriorSettings or None
        None if no posteriors are wanted.
    clusters : mapping
        cluster_key to numbers: those of the model, those of the cone (centre, radius and cuts),
        and the metallicity, NaN for the default.
    isochrones : IsochroneGrid
        Isochrones by age and metallicity.
    extinction : ExtinctionSource
        The release's extinction law and passbands.
    """

    settings: PosteriorSettings | None
    clusters: Mapping[int, Mapping[str, float]]
    isochrones: IsochroneGrid
    extinction: ExtinctionSource


def posterior_rules(
    settings: PosteriorSettings | None,
    models: Mapping[int, ClusterModel],
    cones: pd.DataFrame,
    metallicity: Mapping[int, float],
    isochrones: IsochroneGrid,
    extinction: ExtinctionSource,
) -> PosteriorRules:
    """Return the `PosteriorRules` of the clusters that have a model.

    Parameters
    ----------
    models : mapping
        cluster_key to model.
    cones : DataFrame
        A `CONES` table with these clusters.
    metallicity : mapping
        Metallicity in the cluster table, by cluster_key [dex].
    settings, isochrones, extinction
        As `PosteriorRules` has them.
    """
    of_cone = cones.set_index("cluster_key")[list(_OF_CONE)].rename(columns=_OF_CONE)
    clusters = {
        key: {
            **{name: float(getattr(model, name)) for name in _OF_MODEL},
            **{str(name): float(value) for name, value in of_cone.loc[key].items()},
            "metallicity": metallicity[key],
        }
        for key, model in models.items()
    }
    return PosteriorRules(settings, clusters, isochrones, extinction)


@dataclass(frozen=True)
class ComputePosterior:
    """Compute the posteriors of a cluster's candidates, and write its fit and its claims.

    Attributes
    ----------
    root : str
        Folder of the run.
    rules : PosteriorRules
        What posteriors need besides the stars.
    """

    root: str
    rules: PosteriorRules

    def __call__(
        self, key: int, rows: pa.Table, cells: Sequence[str], writers: TableWriters
    ) -> dict[str, pa.Array]:
        """Write the cluster's fit and claims; return the columns of the posterior.

        Parameters
        ----------
        key : int
            Key of the cluster.
        rows : Table
            Its candidates, sorted by source_id.
        cells : sequence of str
            Files with the counts of all sources by small cell in its cone.
        writers : TableWriters
            Writers of the task.
        """
        settings = self.rules.settings
        if settings is None:
            writers.add(FIT_TABLE, _fit_row(key, NOT_WANTED, None, None, ()))
            return posterior_columns(rows, None, {})
        row = self.rules.clusters[key]
        radius_pc = self._covered_radius_pc(row, key, cells)
        stars = _candidates(rows, row)
        result = compute_posterior(stars, self._cluster(row, key, radius_pc), settings)
        writers.add(FIT_TABLE, _fit_row(key, result.reason, radius_pc, result.fit, result.flags))
        if result.reason is not None:
            return posterior_columns(rows, None, {})
        claimed = np.flatnonzero(result.q >= LEAST_CLAIM)
        claims = {
            "source_id": stars.source_id[claimed],
            "q": result.q[claimed],
            "q_low": result.low[claimed],
            "q_high": result.high[claimed],
        }
        keys = np.full(len(claimed), key, dtype=np.int64)
        writers.add(CLAIM_TABLE, to_batch({"cluster_key": keys, **claims}, CLAIMS))
        if result.fit is not None:
            n = len(result.fit.luminosity_g)
            luminosity = {
                "cluster": np.full(n, rows["cluster"][0].as_py(), dtype=object),
                "phot_g_mean_mag": result.fit.luminosity_g,
                "members_per_mag": result.fit.luminosity,
            }
            writers.add(LUMINOSITY_TABLE, to_batch(luminosity, LUMINOSITY_FUNCTIONS))
        return posterior_columns(rows, radius_pc, claims)

    def _covered_radius_pc(self, row: Mapping[str, float], key: int, cells: Sequence[str]) -> float:
        """Return the covered radius R about the members' mean position, not the cone's centre."""
        counted = read_rows_of_clusters(self.root, cells, [key], CELLS).combine_chunks()
        if not counted.num_rows:
            return 0.0
        offset = separation_rad(
            np.array([row["ra"]]), np.array([row["dec"]]), row["cone_ra"], row["cone_dec"]
        )
        within_cone = row["radius_deg"] - float(np.degrees(offset[0]))
        if within_cone <= 0.0:
            return 0.0
        radius_deg = covered_radius_deg(
            row["ra"],
            row["dec"],
            within_cone,
            int(counted["order"][0].as_py()),
            counted["cell"].to_numpy(),
            counted["n_sources"].to_numpy(),
        )
        return row["distance"] * float(np.radians(radius_deg))

    def _cluster(self, row: Mapping[str, float], key: int, radius_pc: float) -> ClusterToFit:
        rules = self.rules
        isochrone = rules.isochrones.at(row["log_age"], row["metallicity"])
        return ClusterToFit(
            key=key,
            pmra=row["pmra"],
            pmdec=row["pmdec"],
            parallax=row["parallax"],
            delta_pm=row["delta_pm"],
            delta_plx_plus=row["delta_plx_plus"],
            delta_plx_minus=row["delta_plx_minus"],
            # The search cuts at ten of these, whatever search.sigmas is.
            pmra_dispersion=row["pm_limit"] / CONE_SIGMAS,
            pmdec_dispersion=row["pm_limit"] / CONE_SIGMAS,
            parallax_dispersion=row["parallax_limit"] / CONE_SIGMAS,
            isochrone=apparent_points(
                isochrone.points,
                row["distance"],
                row["a0"],
                rules.extinction.law,
                rules.extinction.passbands,
            ),
            covered_radius_pc=radius_pc,
        )


def posterior_columns(
    rows: pa.Table, radius_pc: float | None, claims: Mapping[str, NDArray[Any]]
) -> dict[str, pa.Array]:
    """Return the columns posterior, posterior_low and posterior_high of a cluster's candidates.

    They are null beyond the covered radius, and 0 for stars inside it that are not claimed.

    Parameters
    ----------
    rows : Table
        Candidates with ``source_id`` and ``f_r``, sorted by source_id.
    radius_pc : float or None
        R [pc]; None if the cluster has no posterior.
    claims : mapping of arrays, shape (c,)
        ``source_id`` of claimed rows, with ``q``, ``q_low`` and ``q_high``.
    """
    f_r = rows["f_r"].to_numpy()
    beyond = np.ones(len(f_r), bool) if radius_pc is None else ~(f_r <= radius_pc)
    columns = {}
    for name in ("", "_low", "_high"):
        values = np.where(beyond, np.nan, 0.0)
        if claims:
            place = np.searchsorted(rows["source_id"].to_numpy(), claims["source_id"])
            values[place] = claims[f"q{name}"]
        columns[f"posterior{name}"] = pa.array(values, from_pandas=True)  # NaN is null
    return columns


def _candidates(rows: pa.Table, row: Mapping[str, float]) -> Candidates:
    names = [field.name for field in fields(Candidates) if field.name not in ("xi", "eta")]
    columns = columns_of(rows, ["ra", "dec", *names])
    return candidates_of(columns, row["ra"], row["dec"], row["distance"])


def _fit_row(
    key: int,
    reason: str | None,
    radius_pc: float | None,
    fit: ClusterFit | None,
    flags: Sequence[str],
) -> pa.RecordBatch:
    """Return a cluster's row of `FITS`."""
    row: dict[str, Any] = {
        "cluster_key": key,
        "posterior_reason": reason,
        "posterior_radius_pc": radius_pc,
    }
    if fit is not None and radius_pc is not None:
        weights = np.array(fit.radial_weights)
        row |= {
            "posterior_offset_sum": fit.offset_sum,
            "posterior_recovered": fit.recovered,
            "fitted_pmra": fit.pmra,
            "fitted_pmdec": fit.pmdec,
            "fitted_parallax": fit.parallax,
            "fitted_pm_width": fit.pm_width,
            "fitted_parallax_width": fit.parallax_width,
            "fitted_binary_share": fit.binary_share,
            "fitted_colour_shift_g12": fit.colour_shift[0],
            "fitted_colour_shift_g15": fit.colour_shift[1],
            "fitted_colour_shift_g18": fit.colour_shift[2],
            "fitted_colour_width": fit.colour_width,
            "fitted_half_radius_pc": half_radius(weights, radius_pc),
            "posterior_flags": "; ".join(flags),
            "radial_weights": list(fit.radial_weights),
        }
    return pa.Table.from_pylist([row], _FIT_SCHEMA).to_batches()[0]
