"""Every source once: the last line of defence against a mirror that has some twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocspark.errors import InputError


def check_unique(source_id: NDArray[np.int64], cluster: str) -> None:
    """Check that no source of a cluster's cone was found twice.

    Parameters
    ----------
    source_id : array, shape (n,)
        Sorted.
    cluster : str

    Raises
    ------
    InputError
        Naming the first that was.
    """
    twice = np.flatnonzero(source_id[1:] == source_id[:-1])
    if len(twice):
        raise InputError(
            f"mirror.path: source_id {source_id[twice[0]]} is there more than once (seen in the "
            f"cone of {cluster}); expected every source once: no copy of a file, no margin "
            "catalogue, no overlapping partitions (jobs/verify_mirror.py finds them)"
        )
