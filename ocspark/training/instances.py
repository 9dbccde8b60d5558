"""Draw the training instances of a cluster: a star to classify, its label, a support set (§3.2).

Every draw depends on (seed, cluster, source_id, copy) alone, so that a training set is the same
under any partitioning. Section and equation numbers in this room are the paper's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocspark.keyed import star_keys, subsets, uniforms

#: Number of the keyed draw that orders stars; support sets use those from keyed.SUPPORT_DRAW on.
_ORDER_DRAW = np.array([8], dtype=np.int64)


class Instances(NamedTuple):
    """The instances of one cluster.

    Attributes
    ----------
    star : array, shape (n,)
        Index among the members where `is_member`, otherwise among the non-members.
    is_member : array of bool, shape (n,)
        Label of the star.
    copy : array, shape (n,)
        0 for a star's first instance, 1 for its second, …
    support : array, shape (n, support_size)
        Indices of the support set among the members; a member is never in its own.
    """

    star: NDArray[np.int64]
    is_member: NDArray[np.bool_]
    copy: NDArray[np.int64]
    support: NDArray[np.int64]


def random_order(
    seed: int, cluster_key: int, source_id: NDArray[np.int64], copy: int = 0
) -> NDArray[np.int64]:
    """Return the indices of stars in a random order.

    Parameters
    ----------
    seed, cluster_key : int
        Key of the draw.
    source_id : array of int64, shape (n,)
        The stars. The order of the ids returned does not depend on the order given.
    copy : int
        Number of the order; each gives another one.
    """
    keys = star_keys(seed, cluster_key, source_id)
    score = uniforms(keys, np.array([copy], dtype=np.int64), _ORDER_DRAW)[:, 0, 0]
    return np.lexsort((source_id, score))


def choose_validation(
    seed: int, cluster_keys: NDArray[np.int64], fraction: float
) -> NDArray[np.bool_]:
    """Return a mask of the clusters for validation: int(fraction · n) of n, chosen by the seed."""
    chosen = np.zeros(len(cluster_keys), dtype=bool)
    chosen[random_order(seed, 0, cluster_keys)[: int(fraction * len(cluster_keys))]] = True
    return chosen


def draw_instances(
    seed: int,
    cluster_key: int,
    member_id: NDArray[np.int64],
    non_member_id: NDArray[np.int64],
    *,
    duplicates: int,
    non_members_per_instance: int,
    support_size: int,
) -> Instances:
    """Draw the instances of one cluster.

    Parameters
    ----------
    seed, cluster_key : int
        Key of the draws.
    member_id, non_member_id : arrays of int64
        Sorted source_id of members and non-members. Non-members may be only the first
        ``duplicates · non_members_per_instance · len(member_id)`` in `random_order`.
    duplicates : int
        Number of instances of each member.
    non_members_per_instance : int
        Number of non-member instances per member instance. Non-members are drawn without
        replacement; once all are used, they are drawn again, in further rounds.
    support_size : int
        Size of a support set, less than the number of members.
    """
    n_members, n_non_members = len(member_id), len(non_member_id)
    wanted = duplicates * non_members_per_instance * n_members
    star, is_member, copy, support = [], [], [], []
    everyone = np.arange(n_members, dtype=np.int64)
    for number in range(duplicates):
        chosen = _supports(seed, cluster_key, member_id, number, n_members - 1, support_size)
        support.append(chosen + (chosen >= everyone[:, None]))  # skips the member itself
        star.append(everyone)
        is_member.append(np.ones(n_members, dtype=bool))
        copy.append(np.full(n_members, number))
    for number in range(-(-wanted // n_non_members)):
        left = wanted - number * n_non_members
        picked = np.sort(random_order(seed, cluster_key, non_member_id, number)[:left])
        ids = non_member_id[picked]
        support.append(_supports(seed, cluster_key, ids, number, n_members, support_size))
        star.append(picked)
        is_member.append(np.zeros(len(picked), dtype=bool))
        copy.append(np.full(len(picked), number))
    return Instances(*(np.concatenate(parts) for parts in (star, is_member, copy, support)))


def _supports(
    seed: int,
    cluster_key: int,
    source_id: NDArray[np.int64],
    number: int,
    n_available: int,
    size: int,
) -> NDArray[np.int64]:
    """Return a support set of each star, as indices below `n_available`."""
    keys = star_keys(seed, cluster_key, source_id)
    drawn = subsets(keys, np.array([number], dtype=np.int64), n_available, size)
    return drawn[:, 0, :].astype(np.int64)
