"""Cluster tables: every format gives the same table; everything malformed is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, read_clusters
from ocspark.names import cluster_key

CG20 = Path(__file__).parents[2] / "../shared/data/catalogues/cg20.csv"
FORMATS = ["csv", "csv.gz", "parquet", "ecsv", "fits", "vot"]
ROW = {
    "cluster": "NGC_2682",
    "ra": 132.846,
    "dec": 11.814,
    "pmra": -10.986,
    "pmdec": -2.964,
    "pmra_dispersion": 0.193,
    "pmdec_dispersion": 0.201,
    "parallax": 1.135,
    "parallax_dispersion": 0.051,
    "log_age": 9.63,
    "a0": 0.07,
    "distance": 889.0,
}


def rows(*changes: dict) -> pd.DataFrame:
    """A table with one row per set of changes to M 67."""
    return pd.DataFrame([{**ROW, **change} for change in changes])


THREE = rows({}, {"cluster": "Blanco 1", "ra": 0.853, "distance": 240.0}, {"cluster": "ASCC_10"})


def write(table: pd.DataFrame, folder: Path, kind: str = "csv", name: str = "clusters") -> str:
    path = folder / f"{name}.{kind}"
    if kind.startswith("csv"):
        table.to_csv(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path, index=False)
    else:
        formats = {"ecsv": "ascii.ecsv", "fits": "fits", "vot": "votable"}
        Table.from_pandas(table).write(path, format=formats[kind])
    return str(path)


def read(table: pd.DataFrame, folder: Path, columns=None, names=None):
    return read_clusters(write(table, folder), columns or {}, names)


def refused(table: pd.DataFrame | str, folder: Path, *words: str, columns=None, names=None) -> None:
    path = table if isinstance(table, str) else write(table, folder)
    with pytest.raises(InputError) as caught:
        read_clusters(path, columns or {}, names)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_table(tmp_path, kind):
    table = rows({}, {"cluster": "Blanco_1", "ra": 0.853, "log_age": np.nan})
    got = read_clusters(write(table, tmp_path, kind), {}).table
    assert got["cluster"].tolist() == ["NGC_2682", "Blanco_1"]
    assert got["missing"].tolist() == ["", "log_age"]
    for name in CLUSTER_COLUMNS[1:]:
        assert got[name].dtype == np.float64
        np.testing.assert_allclose(got[name], table[name], rtol=1e-15)
    assert got["cluster_key"].tolist() == [cluster_key("NGC 2682"), cluster_key("Blanco 1")]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_column_map_works_in_every_format(tmp_path, kind):
    names = {"cluster": "Name", "ra": "RA_ICRS", "log_age": "logAge", "distance": "Dist"}
    table = THREE.rename(columns=names).assign(extra="x")
    got = read_clusters(write(table, tmp_path, kind), names).table
    assert got["distance"].tolist() == [889.0, 240.0, 889.0]
    assert "extra" not in got


def test_integer_and_float32_columns_become_float64(tmp_path):
    table = rows({"distance": 889}).astype({"ra": np.float32, "distance": np.int32})
    got = read_clusters(write(table, tmp_path, "parquet"), {}).table
    assert got["distance"].dtype == got["ra"].dtype == np.float64
    assert got.at[0, "distance"] == 889.0


@pytest.mark.parametrize("kind", FORMATS)
def test_a_uri_is_read_like_a_path(tmp_path, kind):
    got = read_clusters(f"file://{write(THREE, tmp_path, kind)}", {}).table
    assert got["cluster"].tolist() == THREE["cluster"].tolist()


def test_a_directory_of_parquet_files_is_one_table(tmp_path):
    folder = tmp_path / "clusters"
    folder.mkdir()
    write(THREE.iloc[:1], folder, "parquet", "a")
    write(THREE.iloc[1:], folder, "parquet", "b")
    assert len(read_clusters(str(folder), {}).table) == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [(-0.666, 359.334), (0.0, 0.0), (360.0, 0.0), (359.5, 359.5), (360.25, 0.25), (-180.0, 180.0)],
)
def test_ra_is_wrapped(tmp_path, given, expected):
    got = read(rows({"ra": given}), tmp_path).table.at[0, "ra"]
    assert got == pytest.approx(expected, abs=1e-9)
    assert 0.0 <= got < 360.0


def test_a_tiny_negative_ra_does_not_become_360(tmp_path):
    assert 0.0 <= read(rows({"ra": -1e-15}), tmp_path).table.at[0, "ra"] < 360.0


def test_what_a_cluster_lacks_is_listed(tmp_path):
    table = read(
        rows({"log_age": None, "a0": None, "distance": None}, {"cluster": "B"}), tmp_path
    ).table
    assert table["missing"].tolist() == ["log_age, a0, distance", ""]


@pytest.mark.parametrize("blank", ["", " ", "--", "nan", "NaN", "null", "None"])
def test_blanks_of_any_spelling_are_missing_values(tmp_path, blank):
    table = rows({}, {"cluster": "B", "a0": blank}).astype({"a0": object})
    assert read(table, tmp_path).table["missing"].tolist() == ["", "a0"]


@pytest.mark.parametrize(
    "name", ["NGC 2682", "NGC_2682", " NGC 2682 ", "NGC  2682", "NGC__2682", "NGC _2682"]
)
def test_blanks_and_underscores_in_names_are_alike(tmp_path, name):
    got = read(THREE, tmp_path, names=[name]).table
    assert got["cluster"].tolist() == ["NGC_2682"]
    assert cluster_key(name) == cluster_key("NGC_2682")


def test_other_names_have_other_keys_that_fit_64_bits():
    names = [f"{prefix}_{i}" for prefix in ("NGC", "UBC", "ngc", "IC") for i in range(3000)]
    keys = [cluster_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert min(keys) >= -(2**63)
    assert max(keys) < 2**63
    assert min(keys) < 0 < max(keys)


def test_a_choice_keeps_the_tables_order_and_all_keys(tmp_path):
    got = read(THREE, tmp_path, names=["ASCC 10", "NGC 2682", "ASCC_10"])
    assert got.table["cluster"].tolist() == ["NGC_2682", "ASCC_10"]
    assert got.all_keys == {cluster_key(n) for n in THREE["cluster"]}


def test_identical_rows_are_dropped_and_counted(tmp_path):
    table = rows(
        {"a0": np.nan}, {"cluster": "B"}, {"a0": np.nan, "cluster": "NGC 2682"}, {"cluster": "B"}
    )
    got = read(table, tmp_path)
    assert got.table["cluster"].tolist() == ["NGC_2682", "B"]
    assert got.n_identical == 2


@pytest.mark.parametrize("change", [{"parallax": 1.2}, {"a0": np.nan}, {"ra": 132.8461}])
def test_a_name_twice_with_different_values_is_refused(tmp_path, change):
    table = rows({}, {"cluster": "B"}, {"cluster": "NGC 2682", **change})
    refused(table, tmp_path, "clusters.csv", "NGC 2682", "twice")


def test_nothing_is_counted_identical_in_a_clean_table(tmp_path):
    assert read(THREE, tmp_path).n_identical == 0


@pytest.mark.parametrize("column", CLUSTER_COLUMNS)
def test_a_missing_column_is_named(tmp_path, column):
    refused(THREE.drop(columns=column), tmp_path, "clusters.csv", column, "missing")


def test_a_mapped_column_that_is_not_there_is_named_with_what_it_was_for(tmp_path):
    refused(THREE, tmp_path, "clusters.csv", "RAJ2000", "ra", columns={"ra": "RAJ2000"})


def test_an_unknown_canonical_name_in_the_map_is_refused(tmp_path):
    refused(
        THREE, tmp_path, "clusters.columns", "right_ascension", columns={"right_ascension": "ra"}
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("dec", 90.001),
        ("dec", -91.0),
        ("ra", 1000.0),
        ("distance", 0.0),
        ("distance", -5.0),
        ("log_age", 4e8),
        ("log_age", 0.4),
        ("a0", -0.1),
        ("pmra_dispersion", -0.2),
        ("pmdec_dispersion", -0.2),
        ("parallax_dispersion", -1.0),
    ],
)
def test_an_impossible_value_is_named_with_its_cluster(tmp_path, column, value):
    table = rows({"cluster": "Good"}, {"cluster": "Bad one", column: value})
    refused(table, tmp_path, "clusters.csv", "Bad one", column, "expected")


@pytest.mark.parametrize("value", [90.0, -90.0])
def test_the_poles_are_allowed(tmp_path, value):
    assert read(rows({"dec": value}), tmp_path).table.at[0, "dec"] == value


@pytest.mark.parametrize("value", ["old", "1,5", "inf", "-inf", "0x10", "12:34:56"])
def test_what_is_not_a_number_is_named_with_its_row(tmp_path, value):
    table = rows({}, {"cluster": "B", "parallax": value}).astype({"parallax": object})
    refused(table, tmp_path, "clusters.csv", "parallax", "row 2", "number")


@pytest.mark.parametrize("kind", ["parquet", "vot"])
def test_text_in_a_numeric_column_is_refused_in_other_formats(tmp_path, kind):
    table = rows({"parallax": "large"})
    refused(write(table, tmp_path, kind), tmp_path, "parallax", "large")


def test_columns_of_a_votable_go_by_their_names_not_their_xml_ids(tmp_path):
    path = Path(write(THREE, tmp_path, "vot"))
    field = 'ID="pmra" datatype="double" name="pmra"'
    assert field in path.read_text()
    renamed = 'ID="pmRA_" datatype="double" name="pmRA*"'
    path.write_text(path.read_text().replace(field, renamed))
    got = read_clusters(str(path), {"pmra": "pmRA*"})
    assert got.table["pmra"].tolist() == THREE["pmra"].tolist()


@pytest.mark.parametrize("name", ["", "   ", None])
def test_a_row_without_a_name_is_refused(tmp_path, name):
    refused(rows({}, {"cluster": name}), tmp_path, "clusters.csv", "cluster", "row 2")


def test_a_chosen_name_that_is_not_there_is_named(tmp_path):
    refused(THREE, tmp_path, "clusters.names", "NGC_9999", names=["NGC_2682", "NGC_9999"])


def test_an_empty_choice_is_refused(tmp_path):
    refused(THREE, tmp_path, "clusters.names", names=[])


def test_a_table_without_rows_is_refused(tmp_path):
    refused(THREE.iloc[:0], tmp_path, "clusters.csv", "no rows")


@pytest.mark.parametrize(
    "file", ["clusters.csv", "clusters.parquet", "clusters.fits", "clusters.ecsv", "clusters.vot"]
)
def test_an_empty_file_is_refused(tmp_path, file):
    (tmp_path / file).write_bytes(b"")
    refused(str(tmp_path / file), tmp_path, "clusters.path", file)


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.parametrize("kind", ["parquet", "fits", "csv.gz"])
def test_a_truncated_file_is_refused(tmp_path, kind):
    path = Path(write(pd.concat([THREE] * 200), tmp_path, kind))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(str(path), tmp_path, "clusters.path", path.name)


@pytest.mark.parametrize("kind", ["parquet", "fits", "vot", "ecsv"])
def test_a_file_of_another_kind_under_that_name_is_refused(tmp_path, kind):
    path = tmp_path / f"clusters.{kind}"
    path.write_text("these are\nnot the droids\n")
    refused(str(path), tmp_path, f"clusters.{kind}")


def test_a_file_that_is_not_there_or_of_an_unknown_kind_is_named(tmp_path):
    refused(str(tmp_path / "nowhere.csv"), tmp_path, "clusters.path", "nowhere.csv", "no such file")
    (tmp_path / "clusters.xlsx").write_bytes(b"PK")
    refused(str(tmp_path / "clusters.xlsx"), tmp_path, "clusters.path", "clusters.xlsx", "CSV")


@pytest.mark.skipif(not CG20.exists(), reason="needs ../shared/data/catalogues/cg20.csv")
def test_cantat_gaudin_2020_is_read_with_its_column_map():
    columns = {
        "cluster": "oc",
        "pmra_dispersion": "sigpmra",
        "pmdec_dispersion": "sigpmdec",
        "parallax": "par",
        "parallax_dispersion": "sigpar",
        "log_age": "ageNN",
        "a0": "avNN",
        "distance": "dist",
    }
    got = read_clusters(str(CG20), columns)
    assert len(got.table) == 2017
    assert (got.table["missing"] == "").sum() == 2017 - 150
    assert got.table["ra"].between(0, 360, inclusive="left").all()
    first = got.table.set_index("cluster").loc["ASCC_10"]
    assert (first["ra"], first["log_age"], first["distance"]) == (51.87, 8.42, 660.0)
