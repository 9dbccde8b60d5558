"""Neighbourhood tables of any size: only the pairs of the ids in question are brought along."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.catalogue.request import open_request
from ocspark.errors import InputError
from ocspark.inputs.neighbourhood import read_pairs
from ocspark.settings import make_settings
from tests.helpers.toy import Toy

BIG = 6917528997577384321  # a Gaia id that no float holds


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    ids = BIG + rng.permutation(5000)[:3000]
    table = {
        "dr3_source_id": ids,
        "dr4_source_id": ids[::-1] + 7,
        "angular_distance": rng.random(3000) * 100,
        "magnitude_difference": np.where(rng.random(3000) < 0.1, np.nan, rng.normal(size=3000)),
    }
    return pd.DataFrame(table)


def write(pairs: pd.DataFrame, folder: Path) -> str:
    """A folder of files, with the names of a bulk download."""
    folder.mkdir()
    for number in range(5):
        pairs[number::5].to_parquet(folder / f"neighbours_{number}.parquet", index=False)
    (folder / "_MD5SUM.txt").write_text("of files beside it")
    return str(folder)


@pytest.fixture
def table(spark: SparkSession, pairs: pd.DataFrame) -> Iterator[str]:
    spark.createDataFrame(pairs).createOrReplaceTempView("neighbours")
    yield "table:neighbours"
    spark.catalog.dropTempView("neighbours")


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder", "table"])
def test_pairs_of_the_wanted_ids_and_no_others_are_read(
    pairs: pd.DataFrame, table: str, tmp_path: Path, kind: str
) -> None:
    path = table
    if kind == "folder":
        path = write(pairs, tmp_path / "folder")
    elif kind != "table":
        path = str(tmp_path / f"pairs.{kind}")
        pairs.to_csv(path, index=False) if kind == "csv" else pairs.to_parquet(path, index=False)
    wanted = np.concatenate([pairs["dr3_source_id"].to_numpy()[100:180], [5, BIG - 1]])
    got = read_pairs(path, np.repeat(wanted, 2)).sort_values("old", ignore_index=True)
    expected = pairs[pairs["dr3_source_id"].isin(wanted)].sort_values("dr3_source_id")
    assert len(got) == 80
    for name, column in zip(("old", "new", "distance", "size"), pairs, strict=True):
        np.testing.assert_allclose(got[name], expected[column], rtol=1e-14)
        assert name in ("distance", "size") or got[name].tolist() == expected[column].tolist()


def test_a_folder_with_something_else_in_it_or_ids_of_another_kind_is_refused(
    pairs: pd.DataFrame, tmp_path: Path
) -> None:
    folder = write(pairs, tmp_path / "folder")
    wanted = pairs["dr3_source_id"].to_numpy()[:3]
    (tmp_path / "folder" / "neighbours_9.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"members\.neighbourhood: .*folder.*: cannot be read"):
        read_pairs(folder, wanted)
    text = tmp_path / "text.parquet"
    pairs.astype({"dr3_source_id": str}).to_parquet(text, index=False)
    with pytest.raises(InputError, match="column dr3_source_id: expected 64-bit integers, got"):
        read_pairs(str(text), wanted)


def test_a_table_that_is_not_there_is_named(spark: SparkSession) -> None:
    with pytest.raises(InputError, match=r"members\.neighbourhood: table:no_such: no table"):
        read_pairs("table:no_such", np.array([1]))


def test_its_content_counts_in_a_run_and_its_place_does_not(
    toy: Toy, pairs: pd.DataFrame, spark: SparkSession, tmp_path: Path
) -> None:
    ids = toy.members["source_id"].drop_duplicates()
    own = pd.DataFrame({"old_source_id": ids, "source_id": ids})
    own = own.assign(angular_distance=0.0, magnitude_difference=0.0)

    def content(path: str) -> str:
        settings = make_settings(toy.settings(members={"neighbourhood": path}))
        return str(open_request(settings, spark).fingerprint["neighbourhood"])

    folder = write(own, tmp_path / "one")
    shutil.copytree(folder, tmp_path / "moved")
    farther = own.assign(angular_distance=own.index == own.index[-1])
    assert content(folder) == content(str(tmp_path / "moved"))
    assert content(folder) != content(write(farther, tmp_path / "other"))
    renamed = own.rename(columns={"angular_distance": "angular_distance_mas"})
    tables = {"own": own, "turned": own[::-1], "farther": farther, "renamed": renamed}
    contents = []
    for name, rows in tables.items():
        spark.createDataFrame(rows).createOrReplaceTempView(name)
        contents.append(content(f"table:{name}"))
    assert contents[0] == contents[1] and len(set(contents)) == 3


def test_columns_in_capitals_are_those_of_the_archive(tmp_path: Path, pairs: pd.DataFrame) -> None:
    capitals = pairs.rename(columns={"dr4_source_id": "source_id"}).rename(columns=str.upper)
    capitals.to_parquet(tmp_path / "a.parquet", index=False)
    found = read_pairs(str(tmp_path / "a.parquet"), pairs["dr3_source_id"].to_numpy()[:5])
    expected = pairs.set_index("dr3_source_id")["dr4_source_id"]
    assert found.set_index("old")["new"].to_dict() == expected.iloc[:5].to_dict()
