"""Clusters of a table are planted where, and as far, old and reddened as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS
from ocspark.mock.catalogue import MockCatalogue, build_catalogue
from ocspark.mock.cluster_table import read_cluster_table
from ocspark.mock.parameters import MockParameters

ROWS = [
    # name, ra, dec, pmra, pmdec, dispersions, parallax, dispersion, log age, A0, distance
    ("Far 1", 120.0, -60.0, -4.0, 3.0, 0.1, 0.1, 0.5, 0.05, 8.1, 1.2, 2000.0),
    ("Near_2", 359.9, 20.0, 20.0, -30.0, 0.9, 0.9, 5.0, 0.2, 7.5, 0.1, 200.0),
    ("Ageless", 10.0, 10.0, 0.0, 0.0, 0.1, 0.1, 1.0, 0.1, None, 0.1, 1000.0),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clusters.csv"
    pd.DataFrame(ROWS, columns=list(CLUSTER_COLUMNS)).to_csv(path, index=False)
    return path


def _catalogue(table: pd.DataFrame) -> MockCatalogue:
    return build_catalogue(MockParameters(5_000, len(table), 7), table)


def test_clusters_are_planted_as_the_table_has_them(file: Path):
    table, _ = read_cluster_table(str(file))
    assert table["cluster"].tolist() == ["Far 1", "Near_2"]  # the third has no age
    catalogue = _catalogue(table)
    for i, row in table.iterrows():
        planted = catalogue.cluster(int(i))
        member = planted.true["is_member"]
        assert planted.row["cluster"] == row["cluster"]
        true = {name: np.median(planted.true[name][member]) for name in ("pmra", "pmdec", "dec")}
        assert true["pmra"] == pytest.approx(row["pmra"], abs=0.1 + 60.0 / row["distance"])
        assert true["pmdec"] == pytest.approx(row["pmdec"], abs=0.1 + 60.0 / row["distance"])
        assert true["dec"] == pytest.approx(row["dec"], abs=60.0 / row["distance"])
        ra = (planted.true["ra"][member] - row["ra"] + 180.0) % 360.0 - 180.0
        assert np.median(ra) == pytest.approx(0.0, abs=60.0 / row["distance"])
        assert np.median(planted.true["distance"][member]) == pytest.approx(
            row["distance"], rel=0.01
        )
        assert catalogue.clusters[int(i)].log_age == pytest.approx(row["log_age"], abs=0.061)
        assert catalogue.clusters[int(i)].a0 == row["a0"]


def test_a_cluster_does_not_depend_on_the_others_of_its_table(file: Path):
    table, _ = read_cluster_table(str(file))
    both, alone = _catalogue(table), _catalogue(table.iloc[1:].reset_index(drop=True))
    one, other = both.cluster(1), alone.cluster(0)
    for name in ("ra", "parallax", "phot_g_mean_mag", "pmra_error"):
        assert np.array_equal(one.sources[name], other.sources[name], equal_nan=True)


def test_columns_are_named_by_a_configuration(tmp_path: Path):
    names = {"cluster": "oc", "log_age": "ageNN", "a0": "avNN", "distance": "dist"}
    frame = pd.DataFrame(ROWS[:2], columns=list(CLUSTER_COLUMNS)).rename(columns=names)
    frame.to_csv(tmp_path / "table.csv", index=False)
    config = tmp_path / "map.yaml"
    lines = "".join(f"    {canonical}: {own}\n" for canonical, own in names.items())
    config.write_text(f"clusters:\n  columns:\n{lines}")
    table, _ = read_cluster_table(str(tmp_path / "table.csv"), str(config))
    assert table["distance"].tolist() == [2000.0, 200.0]
    with pytest.raises(InputError, match=r"clusters\.columns"):
        read_cluster_table(str(tmp_path / "table.csv"), str(tmp_path / "table.csv"))


def test_a_table_without_a_complete_cluster_is_refused(tmp_path: Path):
    pd.DataFrame(ROWS[2:], columns=list(CLUSTER_COLUMNS)).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="no cluster has a value in every column"):
        read_cluster_table(str(tmp_path / "t.csv"))


def test_another_table_is_another_mock(file: Path):
    _, one = read_cluster_table(str(file))
    text = file.read_text().replace("2000.0", "2100.0")
    file.write_text(text)
    assert read_cluster_table(str(file))[1] != one
