"""Random draws that depend on (seed, cluster, source_id, sample) and nothing else.

SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195) as a counter-based generator:
the key of a star is a hash of seed, cluster and source_id; draw number j of sample s is the
finaliser applied to key + (s · 2²⁰ + j) · golden gamma. Whole arrays are drawn at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_DRAWS_PER_SAMPLE_LOG2 = 20
#: Draws 0 to 4 of a sample are its normals; its support set takes those from here on.
SUPPORT_DRAW = 16


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the finaliser to `x` in place and return it."""
    shifted = np.empty_like(x)
    for shift, factor in ((30, _MIX1), (27, _MIX2)):
        np.right_shift(x, np.uint64(shift), out=shifted)
        x ^= shifted
        x *= factor
    np.right_shift(x, np.uint64(31), out=shifted)
    x ^= shifted
    return x


def star_keys(seed: int, cluster_key: int, source_id: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the key of each star in a cluster, shape (n,)."""
    with np.errstate(over="ignore"):
        key = _mix(np.array([seed % 2**64], dtype=np.uint64) + _GAMMA)
        key = _mix(key + np.array([cluster_key % 2**64], dtype=np.uint64))
        return _mix(key + np.asarray(source_id, dtype=np.int64).view(np.uint64))


def uniforms(
    keys: NDArray[np.uint64], samples: NDArray[np.int64], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return uniform deviates in the open interval (0, 1).

    Parameters
    ----------
    keys : array, shape (n,)
        From `star_keys`.
    samples : array, shape (s,) or (n, s)
        Sample numbers, from 0: the same of every star, or each star's own.
    draws : array, shape (d,)
        Draw numbers within a sample, below 2²⁰.

    Returns
    -------
    array, shape (n, s, d)
        Odd multiples of 2⁻⁵³, so that 0 and 1 do not occur. In memory all of a draw lie together.
    """
    out = np.empty((len(draws), len(keys), samples.shape[-1]))
    with np.errstate(over="ignore"):
        start = keys[:, None] + (samples << _DRAWS_PER_SAMPLE_LOG2).astype(np.uint64) * _GAMMA
        for deviates, step in zip(out, draws.astype(np.uint64) * _GAMMA, strict=True):
            bits = _mix(start + step)
            bits >>= np.uint64(12)
            deviates[...] = bits
            deviates += 0.5
            deviates *= 2.0**-52
    return np.moveaxis(out, 0, -1)


def normals(
    keys: NDArray[np.uint64], samples: NDArray[np.int64], n_draws: int
) -> NDArray[np.float64]:
    """Return standard normal deviates, shape (n, s, n_draws), by inversion of the first draws."""
    from scipy.special import ndtri  # here, since only tasks that draw need scipy

    return np.asarray(ndtri(uniforms(keys, samples, np.arange(n_draws, dtype=np.int64))))


def subsets(
    keys: NDArray[np.uint64], samples: NDArray[np.int64], n_items: int, size: int
) -> NDArray[np.int32]:
    """Return random subsets of range(n_items) without replacement, every subset equally likely.

    Floyd's algorithm (Bentley & Floyd 1987, doi:10.1145/30401.315746), all rows at once.

    Returns
    -------
    array, shape (n, s, size)
    """
    if size > n_items:
        raise ValueError(f"a subset of {size} cannot be drawn from {n_items} items")
    draws = uniforms(keys, samples, SUPPORT_DRAW + np.arange(size, dtype=np.int64))
    chosen = np.empty((size, *draws.shape[:2]), dtype=np.int32)
    for i, last in enumerate(range(n_items - size, n_items)):
        pick = (draws[..., i] * (last + 1)).astype(np.int32)
        for earlier in chosen[:i]:
            np.copyto(pick, last, where=earlier == pick)
        chosen[i] = pick
    return np.moveaxis(chosen, 0, -1)
