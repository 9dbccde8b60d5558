"""Read a training set as tensors, from which batches are taken by index."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from ocspark import storage
from ocspark.deepsets.weights import CLUSTER_FEATURES, SOURCE_FEATURES
from ocspark.errors import InputError

#: Tables of a training set, and its data card, which is written last.
INSTANCES, CLUSTERS, CARD = "instances", "clusters", "card.json"


@dataclass(frozen=True)
class Standardisation:
    """Means and standard deviations of source features, shape (5,), and cluster features, (3,)."""

    source_mean: NDArray[np.float64]
    source_std: NDArray[np.float64]
    cluster_mean: NDArray[np.float64]
    cluster_std: NDArray[np.float64]

    def as_dict(self) -> dict[str, list[float]]:
        """Return the four arrays as lists, for JSON."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, lists: Mapping[str, list[float]]) -> Standardisation:
        """Return the standardisation from the lists of `as_dict`."""
        return cls(**{name: np.array(lists[name], dtype=float) for name in cls.__annotations__})


def standardisation(
    means: NDArray[np.float64], variances: NDArray[np.float64], clusters: NDArray[np.float64]
) -> Standardisation:
    """Return the standardisation over clusters, each with the same weight (method §9).

    Parameters
    ----------
    means, variances : arrays, shape (c, 5)
        Means and variances (ddof 0) of the source features over each cluster's candidates and
        non-members.
    clusters : array, shape (c, 3)
        A0 [mag], log age [dex], ϖ_c [mas].
    """
    mean = means.mean(axis=0)
    variance = (variances + (means - mean) ** 2).mean(axis=0)
    return Standardisation(mean, np.sqrt(variance), clusters.mean(axis=0), clusters.std(axis=0))


@dataclass(frozen=True)
class TrainingSet:
    """Standardised instances of some clusters.

    Attributes
    ----------
    star : Tensor, shape (n, 5)
        Features of the stars to classify.
    support : Tensor of int32, shape (n, k)
        Support sets, as rows of `member`.
    cluster : Tensor of int32, shape (n,)
        Clusters, as rows of `cluster_features`.
    label : Tensor of int64, shape (n,)
        1 for a member.
    member : Tensor, shape (m, 5)
        Features of all members of all clusters.
    cluster_features : Tensor, shape (c, 3)
        Features of the clusters.
    """

    star: Tensor
    support: Tensor
    cluster: Tensor
    label: Tensor
    member: Tensor
    cluster_features: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return stars with their cluster (b, 8), support sets (b, k, 5) and labels (b,)."""
        cluster = self.cluster_features.index_select(0, self.cluster[rows])
        star = torch.cat((self.star[rows], cluster), dim=1)
        support = self.support[rows]
        members = self.member.index_select(0, support.reshape(-1))
        return star, members.view(*support.shape, 5), self.label[rows]

    def to(self, device: torch.device) -> TrainingSet:
        """Return the set with all tensors on a device."""
        return TrainingSet(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def only(self, rows: Tensor) -> TrainingSet:
        """Return the set of some instances; members and clusters stay all."""
        parts = {name: getattr(self, name)[rows] for name in ("star", "support", "cluster")}
        return TrainingSet(
            **parts,
            label=self.label[rows],
            member=self.member,
            cluster_features=self.cluster_features,
        )


@dataclass(frozen=True)
class LoadedSet:
    """A training set read from its folder: both parts, standardisation, data card, fingerprint."""

    training: TrainingSet
    validation: TrainingSet
    constants: Standardisation
    card: dict[str, Any]
    sha256: str


def load_training_set(path: str) -> LoadedSet:
    """Read a training set; rows are sorted, so that the order of files does not matter.

    Parameters
    ----------
    path : str
        Folder of the set.

    Raises
    ------
    InputError
        If the folder holds no finished training set, or one with other features.
    """
    card_path = storage.join(path, CARD)
    if not storage.is_file(card_path):
        raise InputError(f"set_path: {path}: has no {CARD}; expected a finished training set")
    try:
        card = storage.read_json(card_path)
        constants = Standardisation.from_dict(card["standardisation"])
        features = (tuple(card["source_features"]), tuple(card["cluster_features"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"set_path: {card_path}: is not a training set's card: {error!r}"
        ) from None
    if features != (SOURCE_FEATURES, CLUSTER_FEATURES):
        raise InputError(
            f"set_path: {card_path}: features are {features}; expected "
            f"{SOURCE_FEATURES}, {CLUSTER_FEATURES}"
        )
    clusters = _read(path, CLUSTERS).filter(pa.compute.field("split") != "").sort_by("cluster_key")
    keys = clusters["cluster_key"].to_numpy()
    validation = clusters["split"].to_numpy() == "validation"
    values = np.column_stack([clusters[c].to_numpy() for c in ("a0", "log_age", "parallax")])
    whole, order = _tensors(_read(path, INSTANCES), keys, values, constants)
    held_out = torch.from_numpy(validation)[whole.cluster.long()]
    digest = hashlib.sha256(order.tobytes())
    for tensor in vars(whole).values():
        digest.update(tensor.numpy().tobytes())
    return LoadedSet(
        training=whole.only(torch.nonzero(~held_out)[:, 0]),
        validation=whole.only(torch.nonzero(held_out)[:, 0]),
        constants=constants,
        card=card,
        sha256=digest.hexdigest(),
    )


def _read(path: str, table: str) -> pa.Table:
    filesystem, inner = storage.resolve(storage.join(path, table))
    return pq.read_table(inner, filesystem=filesystem)


def _tensors(
    table: pa.Table,
    keys: NDArray[np.int64],
    clusters: NDArray[np.float64],
    constants: Standardisation,
) -> tuple[TrainingSet, NDArray[np.int64]]:
    """Return the set, and the source_id of its instances in order."""
    key, source, copy = (table[c].to_numpy() for c in ("cluster_key", "source_id", "copy"))
    member = table["is_member"].to_numpy()
    order = np.lexsort((copy, source, ~member, key))
    features = np.column_stack([table[name].to_numpy() for name in SOURCE_FEATURES])[order]
    support = np.stack(table["support"].to_numpy())[order]
    key, copy, member = key[order], copy[order], member[order]
    features = (features - constants.source_mean) / constants.source_std
    cluster = np.searchsorted(keys, key)
    firsts = member & (copy == 0)  # the members themselves, in order of cluster and source_id
    start = np.searchsorted(cluster[firsts], np.arange(len(keys)))
    scaled = (clusters - constants.cluster_mean) / constants.cluster_std
    return (
        TrainingSet(
            star=torch.from_numpy(features.astype(np.float32)),
            support=torch.from_numpy((support + start[cluster][:, None]).astype(np.int32)),
            cluster=torch.from_numpy(cluster.astype(np.int32)),
            label=torch.from_numpy(member.astype(np.int64)),
            member=torch.from_numpy(features[firsts].astype(np.float32)),
            cluster_features=torch.from_numpy(scaled.astype(np.float32)),
        ),
        source[order],
    )
