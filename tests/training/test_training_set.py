"""A training set as tensors: standardisation by hand, batches in the published form, refusals."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ocspark.errors import InputError
from ocspark.training.training_set import load_training_set, standardisation
from tests.helpers.training_set import KEYS, write_training_set


def test_standardisation_weighs_clusters_equally_whatever_their_size():
    rng = np.random.default_rng(3)
    clusters = [rng.normal(i, 1 + i, (n, 5)) for i, n in enumerate((10, 1000, 50))]
    given = rng.normal(0, 1, (3, 3))
    got = standardisation(
        np.array([c.mean(0) for c in clusters]), np.array([c.var(0) for c in clusters]), given
    )
    # the same as drawing a cluster, then a star of it: repeat each to the same total
    equal = np.concatenate([np.repeat(c, 1000 // len(c), axis=0) for c in clusters])
    np.testing.assert_allclose(got.source_mean, equal.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(got.source_std, equal.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(got.cluster_mean, given.mean(axis=0))
    np.testing.assert_allclose(got.cluster_std, given.std(axis=0))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    return folder, *write_training_set(folder)


def test_batches_are_the_instances_of_the_files(made):
    folder, raw, constants = made
    data = load_training_set(str(folder))
    start = 0
    for part, clusters in ((data.training, raw[:3]), (data.validation, raw[3:])):
        expected = []
        for members, non_members, cluster, drawn in clusters:
            scaled = (members - constants.source_mean) / constants.source_std
            others = (non_members - constants.source_mean) / constants.source_std
            own = (cluster - constants.cluster_mean) / constants.cluster_std
            for star, is_member, support in zip(
                drawn.star, drawn.is_member, drawn.support, strict=True
            ):
                x = scaled[star] if is_member else others[star]
                tiled = np.concatenate((x, own))[None].repeat(10, axis=0)
                expected.append((np.concatenate((tiled, scaled[support]), axis=1), int(is_member)))
        star, support, label = part.batch(torch.arange(len(part)))
        got = torch.cat((star[:, None, :].expand(-1, 10, -1), support), dim=2).numpy()
        assert len(got) == len(expected)
        # the loader's order is its own: compare as sets of whole instances
        want = np.stack([x for x, _ in expected]).astype(np.float32)
        order, wanted_order = (np.lexsort(a.reshape(len(a), -1).T[::-1]) for a in (got, want))
        np.testing.assert_array_equal(got[order], want[wanted_order])
        labels = np.array([y for _, y in expected])
        np.testing.assert_array_equal(label.numpy()[order], labels[wanted_order])
        start += len(part)
    assert start == 4 * 20 * 2 * 6


def test_the_order_of_files_and_rows_does_not_matter(made, tmp_path):
    one = load_training_set(str(made[0]))
    write_training_set(tmp_path / "again")
    table = pq.read_table(tmp_path / "again" / "instances")
    for file in (tmp_path / "again" / "instances").iterdir():
        file.unlink()
    shuffled = table.take(np.random.default_rng(9).permutation(len(table)))
    pq.write_table(shuffled, tmp_path / "again" / "instances" / "all.parquet")
    other = load_training_set(str(tmp_path / "again"))
    assert other.sha256 == one.sha256
    for name, tensor in vars(one.training).items():
        assert torch.equal(tensor, getattr(other.training, name))


def test_another_set_has_another_fingerprint(made, tmp_path):
    write_training_set(tmp_path / "other", seed=2)
    assert (
        load_training_set(str(tmp_path / "other")).sha256 != load_training_set(str(made[0])).sha256
    )


def test_training_and_validation_share_no_cluster(made):
    data = load_training_set(str(made[0]))
    assert set(data.training.cluster.tolist()) == {0, 1, 2}
    assert set(data.validation.cluster.tolist()) == {len(KEYS) - 1}


def test_a_folder_without_a_card_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"set_path: .*card\.json"):
        load_training_set(str(tmp_path))


def test_a_set_of_other_features_is_refused(tmp_path):
    write_training_set(tmp_path / "set")
    path = tmp_path / "set" / "card.json"
    card = json.loads(path.read_text())
    card["source_features"].reverse()
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match="features"):
        load_training_set(str(tmp_path / "set"))
