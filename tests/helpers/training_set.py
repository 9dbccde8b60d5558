"""A small made-up training set on disk, and the published trainer's form of the same instances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ocspark.training.instances import draw_instances
from ocspark.training.training_set import standardisation

FEATURES = ("f_r", "f_pm", "f_plx", "f_c", "f_g")
KEYS = (-77, 12, 900, 4000)  # sorted, as loading sorts them


def write_training_set(folder: Path, seed: int = 1, n_members: int = 20):
    """Clusters with members about 0 and non-members about it wider; the last is validation.

    Returns the raw rows of each cluster: members (m, 5), non-members (n, 5), its features (3,),
    and the instances drawn.
    """
    rng = np.random.default_rng(seed)
    tables, rows, raw = [], [], []
    for i, key in enumerate(KEYS):
        members = rng.normal(0.0, 1.0, (n_members, 5))
        non_members = rng.normal(2.0, 5.0, (n_members * 11, 5))
        cluster = np.array([0.1 * i, 8.0 + 0.3 * i, 1.0 + 0.5 * i])
        ids = np.arange(1, 1 + n_members) * 1000, np.arange(1, 1 + len(non_members)) * 1000 + 1
        drawn = draw_instances(
            42, key, *ids, duplicates=2, non_members_per_instance=5, support_size=10
        )
        n = drawn.is_member.sum()
        values = np.concatenate((members[drawn.star[:n]], non_members[drawn.star[n:]]))
        columns = {
            "cluster_key": np.full(len(values), key),
            "source_id": np.concatenate((ids[0][drawn.star[:n]], ids[1][drawn.star[n:]])),
            "copy": drawn.copy.astype(np.int32),
            "is_member": drawn.is_member,
            **dict(zip(FEATURES, values.T, strict=True)),
            "support": pa.array(drawn.support.tolist(), pa.list_(pa.int32())),
        }
        tables.append(pa.table(columns))
        split = "validation" if i == len(KEYS) - 1 else "training"
        rows.append((key, split, *cluster))
        raw.append((members, non_members, cluster, drawn))
    cones = [np.concatenate(r[:2]) for r in raw]
    constants = standardisation(
        np.array([c.mean(axis=0) for c in cones]),
        np.array([c.var(axis=0) for c in cones]),
        np.array([r[2] for r in raw]),
    )
    instances = pa.concat_tables(tables)
    instances = instances.take(rng.permutation(len(instances)))  # files come in any order
    (folder / "instances").mkdir(parents=True)
    (folder / "clusters").mkdir()
    for part in range(2):
        half = len(instances) // 2
        some = instances.slice(part * half, None if part else half)
        pq.write_table(some, folder / "instances" / f"{part}.parquet")
    names = ("cluster_key", "split", "a0", "log_age", "parallax")
    pq.write_table(
        pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))),
        folder / "clusters" / "0.parquet",
    )
    card = {
        "source_features": list(FEATURES),
        "cluster_features": ["a0", "age", "parallax"],
        "standardisation": constants.as_dict(),
        "rules": {"support_size": 10},
        "parts": {
            "training": {"clusters": ["A", "B", "C"], "n_clusters": 3},
            "validation": {"clusters": ["D"], "n_clusters": 1},
        },
        "inputs": {"clusters": "c", "members": "m", "mirror": "g"},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return raw, constants
