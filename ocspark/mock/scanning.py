"""Model how Gaia's scanning law varies over the sky: observations, precision, correlations.

The model is smooth: functions of ecliptic latitude, times waves on the sphere that are the same in
every mock. Numbers marked "tuned" were adjusted to some sixty real EDR3 fields; their values differ
far more from field to field than within a field of a degree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocspark.mock.frame import OBLIQUITY_DEG, Array

#: Observations in G against |ecliptic latitude| [deg], relative to the sky's mean (tuned).
_LATITUDE = (0.0, 12.0, 20.0, 30.0, 38.0, 44.0, 48.0, 54.0, 60.0, 70.0, 90.0)
_DEPTH = (0.65, 0.60, 0.80, 0.95, 1.20, 1.90, 1.55, 1.25, 1.12, 0.97, 0.95)
#: log10 of astrometric errors at the ecliptic, and their decrease with sin² latitude (tuned).
ERROR_OFFSET, ERROR_FALL = 0.03, 0.26
#: Waves on the sphere: how many, the range of their wave numbers, and the amplitudes of what they
#: modulate (tuned).
_N_WAVES, _WAVE_NUMBER = 6, (4.0, 14.0)
DEPTH_SPREAD, RATIO_SPREAD = 0.25, 0.06
CORRELATION_MEAN, CORRELATION_SPREAD = (0.04, 0.07, -0.08), (0.16, 0.16, 0.20)


@dataclass(frozen=True)
class ScanningEffects:
    """Observations of positions on the sky.

    Attributes
    ----------
    ecl_lat : array, shape (n,)
        Ecliptic latitude [deg].
    depth : array, shape (n,)
        Number of observations, relative to the sky's mean.
    log_error : array, shape (n,)
        log10 of astrometric errors, relative to the sky's median.
    log_ratio : array, shape (2, n)
        log10 of the errors of pmra and pmdec over the parallax error, relative to the sky's mean.
    correlation : array, shape (3, n)
        Mean correlations of (parallax, pmra), (parallax, pmdec), (pmra, pmdec).
    """

    ecl_lat: Array
    depth: Array
    log_error: Array
    log_ratio: Array
    correlation: Array


def scanning_effects(ra_deg: Array, dec_deg: Array) -> ScanningEffects:
    """Return how ICRS positions [deg], shape (n,), were observed."""
    ra, dec, tilt = np.radians(ra_deg), np.radians(dec_deg), np.radians(OBLIQUITY_DEG)
    unit = np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)))
    sine = np.clip(unit[2] * np.cos(tilt) - unit[1] * np.sin(tilt), -1.0, 1.0)
    latitude = np.degrees(np.arcsin(sine))
    waves = [np.cos(k[0] * unit[0] + k[1] * unit[1] + k[2] * unit[2] + k[3]) for k in _WAVES]
    depth, ratio_ra, ratio_dec, *correlation = np.einsum("ij,jn->in", _WEIGHTS, np.stack(waves))
    return ScanningEffects(
        ecl_lat=latitude,
        depth=np.interp(np.abs(latitude), _LATITUDE, _DEPTH) * np.exp(DEPTH_SPREAD * depth),
        log_error=ERROR_OFFSET - ERROR_FALL * sine**2 - 0.15 * DEPTH_SPREAD * depth / np.log(10.0),
        log_ratio=RATIO_SPREAD * np.stack((ratio_ra, ratio_dec)),
        correlation=np.array(CORRELATION_MEAN)[:, None]
        + np.array(CORRELATION_SPREAD)[:, None] * np.stack(correlation),
    )


def _waves() -> tuple[Array, Array]:
    """Return wave vectors with phases, (n_waves, 4), and unit-variance mixtures, (6, n_waves)."""
    rng = np.random.Generator(np.random.Philox(key=2016))
    direction = rng.standard_normal((_N_WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    vectors = direction * np.geomspace(*_WAVE_NUMBER, _N_WAVES)[:, None]
    phase = rng.uniform(0.0, 2.0 * np.pi, (_N_WAVES, 1))
    weights = rng.standard_normal((6, _N_WAVES))
    return (
        np.hstack((vectors, phase)),
        weights * np.sqrt(2.0) / np.linalg.norm(weights, axis=1, keepdims=True),
    )


_WAVES, _WEIGHTS = _waves()
