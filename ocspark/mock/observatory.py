"""Describe how a data release observes: errors, names and codes of its columns, from its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from pygaia.errors.astrometric import parallax_uncertainty, proper_motion_uncertainty

from ocspark.mock.frame import Array, Columns
from ocspark.physics.photometry import MagnitudeErrorModel
from ocspark.release import Release
from ocspark.tables.source_columns import SOURCE_COLUMNS

#: Gaia's types of the mirror's columns, by canonical name.
SOURCE_TYPES: dict[str, np.dtype] = {
    **{column.name: np.dtype(column.stored) for column in SOURCE_COLUMNS},
    "_healpix_29": np.dtype(np.int64),
}


@dataclass(frozen=True)
class Observatory:
    """Errors, column names and codes in which data releases differ, from the release's file.

    Attributes
    ----------
    errors : MagnitudeErrorModel
        Errors of magnitudes, the same that the main job assumes.
    performance : str
        Name of the release in PyGaia, whose median astrometric errors are used.
    mean_n_obs : float
        Mean number of observations in G.
    codes : mapping of int to int
        The catalogue's code of an astrometric solution with 2, 5 or 6 parameters.
    names : mapping of str to str
        The release's name of each canonical column in its mirror.
    epoch : float
        Reference epoch of positions [Julian year].
    other_codes : mapping of int to float
        Shares of sources with other codes of solutions; see `Release.other_codes`.
    """

    errors: MagnitudeErrorModel
    performance: str
    mean_n_obs: float
    codes: Mapping[int, int]
    names: Mapping[str, str]
    epoch: float
    other_codes: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def from_release(cls, release: Release) -> Observatory:
        """Return the observatory of a release, as its file describes it."""
        source = release.magnitude_errors
        path = str(release.magnitude_errors_path)
        errors = MagnitudeErrorModel.from_csv(path, source.base_n_obs, source.mag_range)
        names = {
            column.name: release.columns[column.name][0]
            for column in SOURCE_COLUMNS
            if column.name in release.columns
            and (column.use != "flux_errors" or "flux_errors" in release.uses)
        }
        return cls(
            errors=errors,
            performance=release.performance.pygaia,
            mean_n_obs=release.performance.mean_n_obs,
            codes=dict(release.solution_codes),
            names={**names, "_healpix_29": "_healpix_29"},
            epoch=release.epoch,
            other_codes=dict(release.other_codes),
        )

    def native_columns(self, sources: Columns) -> Columns:
        """Return sources under the release's own column names."""
        return {native: sources[name] for name, native in self.names.items()}

    def astrometric_errors(self, g_mag: Array) -> Array:
        """Return the sky's median errors of parallax [mas], pmra, pmdec [mas/yr] at G [mag].

        The shape is (3, n) for `g_mag` of shape (n,).
        """
        parallax = parallax_uncertainty(g_mag, release=self.performance)
        pmra, pmdec = proper_motion_uncertainty(g_mag, release=self.performance)
        return np.stack((parallax, pmra, pmdec)) / 1000.0
