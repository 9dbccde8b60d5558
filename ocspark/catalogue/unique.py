"""Check that no source was found twice, as it is in a mirror that has some sources twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocspark.errors import InputError


def check_unique(source_id: NDArray[np.int64], cluster: str) -> None:
    """Check that no source of a cluster's cone was found twice.

    Parameters
    ----------
    source_id : array, shape (n,)
        Identifiers, sorted.
    cluster : str
        Name of the cluster, for the message.

    Raises
    ------
    InputError
        If one was; the message names the first.
    """
    twice = np.flatnonzero(source_id[1:] == source_id[:-1])
    if len(twice):
        raise InputError(
            f"mirror.path: source_id {source_id[twice[0]]} is there more than once (seen in the "
            f"cone of {cluster}); expected every source once: no copy of a file, no margin "
            "catalogue, no overlapping partitions (jobs/verify_mirror.py finds them)"
        )
