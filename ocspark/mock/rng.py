"""Make random generators that depend on a key alone, never on what was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return the random generator of a key such as ``(seed, "cluster", 17)``.

    Parameters
    ----------
    *key : int or str
        Parts of the key; equal keys give equal numbers on any machine.
    """
    text = "|".join(str(part) for part in key)
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
