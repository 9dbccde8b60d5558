"""Define what the mixture is fitted to: the candidates of one cluster, and the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocspark.physics.isochrone import ApparentPoints
from ocspark.posterior.windows import half_widths
from ocspark.sky.sphere import tangent_plane_rad

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """All candidates of one cluster, sorted by source_id; every array has shape (n,).

    Names and units are those of a run's candidates table. Missing numbers are NaN.

    Attributes
    ----------
    source_id : array of int64
        Identifiers, ascending.
    pmra, pmdec, parallax, pmra_error, pmdec_error, parallax_error : arrays
        Proper motions [mas/yr] and zero-point corrected parallaxes [mas] with their errors.
    parallax_pmra_corr, parallax_pmdec_corr, pmra_pmdec_corr : arrays
        Gaia's correlations; a missing one counts as 0.
    phot_g_mean_mag, g_rp, g_rp_error : arrays
        G, C = G − G_RP and the error of C [mag].
    xi, eta : arrays
        Offsets east and north from the cluster's centre [pc]; see `offsets_pc`.
    probability : array
        Votes: fraction of a star's Monte Carlo samples that the network calls member.
    is_training_member : array of bool
        Whether each is a training member.
    """

    source_id: NDArray[np.int64]
    pmra: Floats
    pmdec: Floats
    parallax: Floats
    pmra_error: Floats
    pmdec_error: Floats
    parallax_error: Floats
    parallax_pmra_corr: Floats
    parallax_pmdec_corr: Floats
    pmra_pmdec_corr: Floats
    phot_g_mean_mag: Floats
    g_rp: Floats
    g_rp_error: Floats
    xi: Floats
    eta: Floats
    probability: Floats
    is_training_member: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check shapes and order.

        Raises
        ------
        ValueError
            If a column's length differs, or source_id is not ascending.
        """
        n = len(self.source_id)
        for column in fields(self):
            if getattr(self, column.name).shape != (n,):
                raise ValueError(f"candidates: {column.name} does not have one value per source_id")
        if n and not np.all(np.diff(self.source_id) > 0):
            raise ValueError("candidates: source_id does not rise; sort the rows by it")


@dataclass(frozen=True)
class ClusterToFit:
    """One cluster as its training members and the cluster table describe it.

    Attributes
    ----------
    key : int
        Stable hash of the cluster's name, by which random numbers are keyed.
    pmra, pmdec, parallax : float
        Means of the training members [mas/yr, mas].
    delta_pm, delta_plx_plus, delta_plx_minus : float
        Δμ [mas/yr] and Δϖ± [mas] of the candidate conditions; Δϖ− may be infinite.
    pmra_dispersion, pmdec_dispersion, parallax_dispersion : float
        Dispersions in the cluster table [mas/yr, mas]; the cone is cut at ten of them.
    isochrone : ApparentPoints
        Apparent isochrone of the cluster, with initial masses.
    covered_radius_pc : float
        R: radius of the largest disc about the centre that the mirror covers [pc].
    """

    key: int
    pmra: float
    pmdec: float
    parallax: float
    delta_pm: float
    delta_plx_plus: float
    delta_plx_minus: float
    pmra_dispersion: float
    pmdec_dispersion: float
    parallax_dispersion: float
    isochrone: ApparentPoints
    covered_radius_pc: float


def offsets_pc(
    ra_deg: Floats, dec_deg: Floats, ra0_deg: float, dec0_deg: float, distance_pc: float
) -> tuple[Floats, Floats]:
    """Return offsets (ξ, η) east and north of a centre [pc], shape (n,) each.

    The projection is azimuthal equidistant, so that √(ξ² + η²) is the projected radius f_R = d·θ.

    Parameters
    ----------
    ra_deg, dec_deg : arrays, shape (n,)
        Positions [deg].
    ra0_deg, dec0_deg : float
        Centre [deg].
    distance_pc : float
        Distance d of the cluster [pc].
    """
    east, north = tangent_plane_rad(ra_deg, dec_deg, ra0_deg, dec0_deg)
    return distance_pc * east, distance_pc * north


def candidates_of(
    columns: Mapping[str, NDArray[Any]], ra0_deg: float, dec0_deg: float, distance_pc: float
) -> Candidates:
    """Return the `Candidates` of a cluster from its rows of a candidates table.

    Parameters
    ----------
    columns : mapping of arrays, shape (n,)
        The columns of `Candidates`, with ra and dec [deg] in place of xi and eta.
    ra0_deg, dec0_deg, distance_pc : float
        Centre [deg] and distance [pc] of the cluster.
    """
    xi, eta = offsets_pc(columns["ra"], columns["dec"], ra0_deg, dec0_deg, distance_pc)
    kept = {"source_id": np.int64, "is_training_member": np.bool_}
    known = {**columns, "xi": xi, "eta": eta}
    return Candidates(
        **{f.name: np.asarray(known[f.name], kept.get(f.name, float)) for f in fields(Candidates)}
    )


@dataclass(frozen=True)
class RelativeStars:
    """Candidates relative to their cluster; the last axis of all arrays is that of the stars.

    Attributes
    ----------
    offset, error : arrays, shape (3, n)
        Differences from the cluster's mean (Δα, Δδ [mas/yr], Δϖ [mas]) and their errors.
    correlation : array, shape (3, n)
        Correlations of (α, δ), (α, ϖ) and (δ, ϖ).
    half_width : array, shape (3, n)
        Half-widths (a, b, W) of each star's window (`windows.half_widths`).
    g_mag, colour, colour_error : arrays, shape (n,)
        G, C and the error of C [mag].
    position : array, shape (2, n)
        (ξ, η) [pc].
    votes : array, shape (n,)
        Votes.
    is_training : array of bool, shape (n,)
        Whether each is a training member.
    """

    offset: Floats
    error: Floats
    correlation: Floats
    half_width: Floats
    g_mag: Floats
    colour: Floats
    colour_error: Floats
    position: Floats
    votes: Floats
    is_training: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of stars."""
        return len(self.g_mag)

    def take(self, rows: NDArray[np.int64]) -> RelativeStars:
        """Return the stars of some rows."""
        return RelativeStars(*(np.take(getattr(self, f.name), rows, axis=-1) for f in fields(self)))

    @cached_property
    def radius(self) -> Floats:
        """Projected radius [pc], shape (n,)."""
        return np.hypot(*self.position)

    @cached_property
    def scaled(self) -> Floats:
        """Offsets in units of the window (u, w, v), shape (3, n); v within [−1, 1]."""
        scaled = self.offset / self.half_width
        np.clip(scaled[2], -1.0, 1.0, out=scaled[2])
        return scaled

    @cached_property
    def window(self) -> Floats:
        """S = a·b·W of each star [(mas/yr)² mas], shape (n,)."""
        return np.prod(self.half_width, axis=0)


def relative_stars(
    candidates: Candidates, cluster: ClusterToFit
) -> tuple[RelativeStars, NDArray[np.int64]]:
    """Return the stars that the mixture is fitted to, and their rows among the candidates.

    They are those with finite values within R.
    """
    measured = np.stack(
        [
            candidates.pmra - cluster.pmra,
            candidates.pmdec - cluster.pmdec,
            candidates.parallax - cluster.parallax,
        ]
    )
    error = np.stack([candidates.pmra_error, candidates.pmdec_error, candidates.parallax_error])
    correlation = np.nan_to_num(
        np.stack(
            [
                candidates.pmra_pmdec_corr,
                candidates.parallax_pmra_corr,
                candidates.parallax_pmdec_corr,
            ]
        )
    )
    stars = RelativeStars(
        offset=measured,
        error=error,
        correlation=correlation,
        half_width=half_widths(
            error,
            cluster.delta_pm,
            (cluster.delta_plx_plus, cluster.delta_plx_minus),
            (cluster.pmra_dispersion, cluster.pmdec_dispersion, cluster.parallax_dispersion),
        ),
        g_mag=candidates.phot_g_mean_mag,
        colour=candidates.g_rp,
        colour_error=candidates.g_rp_error,
        position=np.stack([candidates.xi, candidates.eta]),
        votes=candidates.probability,
        is_training=candidates.is_training_member,
    )
    rows = np.flatnonzero(is_measured(candidates) & (stars.radius <= cluster.covered_radius_pc))
    return stars.take(rows), rows


#: Values that a star must have to get a posterior.
_NEEDED = (
    "pmra pmdec parallax pmra_error pmdec_error parallax_error "
    "phot_g_mean_mag g_rp g_rp_error xi eta probability"
).split()


def is_measured(candidates: Candidates) -> NDArray[np.bool_]:
    """Return which candidates have all values that the mixture needs, shape (n,)."""
    return np.all([np.isfinite(getattr(candidates, name)) for name in _NEEDED], axis=0)
