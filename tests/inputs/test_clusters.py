"""Cluster tables: every format gives the same table; everything malformed is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn, Table
from astropy.units import Unit

from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, read_clusters
from ocspark.inputs.write import write_table
from ocspark.names import cluster_key
from ocspark.tables.catalogues import CLUSTER_VALUES
from ocspark.tables.fields import STRING, Field
from tests.helpers.cluster_tables import THREE, rows, write

CG20 = Path(__file__).parents[2] / "../shared/data/catalogues/cg20.csv"
FIELDS = [
    Field("cluster", STRING, "", ""),
    *(f for group in CLUSTER_VALUES[:6] for f in group),
]
FORMATS = ["csv", "csv.gz", "parquet", "ecsv", "fits", "vot"]


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
    assert got["fault"].tolist() == ["", "the cluster table has no log_age"]
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
    [(-0.666, 359.334), (0.0, 0.0), (360.0, 0.0), (359.5, 359.5), (-180.0, 180.0)],
)
def test_ra_is_wrapped(tmp_path, given, expected):
    got = read(rows({"ra": given}), tmp_path).table.at[0, "ra"]
    assert got == pytest.approx(expected, abs=1e-9)
    assert 0.0 <= got < 360.0


@pytest.mark.parametrize("given", [360.25, 400.0, -180.5])
def test_an_ra_that_no_convention_has_is_refused(tmp_path, given):
    with pytest.raises(InputError, match=rf"ra is {given:g}; expected degrees within \[-180, 360"):
        read(rows({"ra": given}), tmp_path)


def test_a_tiny_negative_ra_does_not_become_360(tmp_path):
    assert 0.0 <= read(rows({"ra": -1e-15}), tmp_path).table.at[0, "ra"] < 360.0


def test_what_a_cluster_lacks_is_listed(tmp_path):
    table = read(
        rows({"log_age": None, "a0": None, "distance": None}, {"cluster": "B"}), tmp_path
    ).table
    assert table["fault"].tolist() == ["the cluster table has no log_age, a0, distance", ""]


@pytest.mark.parametrize("blank", ["", " ", "--", "nan", "NaN", "null", "None"])
def test_blanks_of_any_spelling_are_missing_values(tmp_path, blank):
    table = rows({}, {"cluster": "B", "a0": blank}).astype({"a0": object})
    assert read(table, tmp_path).table["fault"].tolist() == ["", "the cluster table has no a0"]


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


@pytest.mark.parametrize("kind", ["parquet", "vot", "fits"])
def test_numbers_as_text_become_the_nearest_doubles(tmp_path, kind):
    values = np.random.default_rng(3).uniform(0, 360, 200)
    table = rows(*[{"cluster": f"C {i}", "ra": ra} for i, ra in enumerate(values.tolist())])
    path = write(table.assign(ra=[repr(ra) for ra in values.tolist()]), tmp_path, kind)
    np.testing.assert_array_equal(read_clusters(path, {}).table["ra"], values)


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
    assert (got.table["fault"] == "").sum() == 2017 - 150
    assert got.table["ra"].between(0, 360, inclusive="left").all()
    first = got.table.set_index("cluster").loc["ASCC_10"]
    assert (first["ra"], first["log_age"], first["distance"]) == (51.87, 8.42, 660.0)


UNITS = {
    "ra": ("rad", np.pi / 180),
    "dec": ("rad", np.pi / 180),
    "pmra": ("arcsec/yr", 1e-3),
    "parallax": ("arcsec", 1e-3),
    "parallax_dispersion": ("uas", 1e3),
    "distance": ("kpc", 1e-3),
}


@pytest.mark.parametrize("kind", ["ecsv", "fits", "vot", "parquet"])
def test_every_format_that_tells_units_is_converted(tmp_path, kind):
    table = Table.from_pandas(THREE.iloc[:1])
    for name, (unit, factor) in UNITS.items():
        table[name] = table[name] * factor
        table[name].unit = unit
    table["log_age"] = 10 ** table["log_age"] / 1e6
    table["log_age"].unit = "Myr"
    formats = {"ecsv": "ascii.ecsv", "fits": "fits", "vot": "votable", "parquet": "parquet"}
    path = tmp_path / f"clusters.{kind}"
    table.write(path, format=formats[kind])
    got = read_clusters(str(path), {}).table
    for name in CLUSTER_COLUMNS[1:]:
        np.testing.assert_allclose(got[name], THREE[name][:1], rtol=1e-13)


def test_what_astropy_masks_in_parquet_is_missing(tmp_path):
    table = Table.from_pandas(THREE)
    table["log_age"] = MaskedColumn(table["log_age"], mask=[0, 1, 0])
    table.write(tmp_path / "clusters.parquet")
    got = read_clusters(str(tmp_path / "clusters.parquet"), {}).table
    assert got["fault"].tolist() == ["", "the cluster table has no log_age", ""]


def test_what_is_written_here_as_parquet_is_read_in_its_units(tmp_path):
    fields = [f if f.name != "distance" else f._replace(unit="kpc") for f in FIELDS]
    write_table(THREE, fields, str(tmp_path / "clusters.parquet"))
    got = read_clusters(str(tmp_path / "clusters.parquet"), {}).table
    np.testing.assert_allclose(got["distance"], 1000 * THREE["distance"])
    assert got["log_age"].tolist() == THREE["log_age"].tolist()


@pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")
@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.W50")
@pytest.mark.parametrize("kind", ["ecsv", "fits", "vot"])
def test_a_unit_that_is_not_known_is_refused(tmp_path, kind):
    table = Table.from_pandas(THREE)
    table["distance"].unit = Unit("Kpc", parse_strict="silent")
    formats = {"ecsv": "ascii.ecsv", "fits": "fits", "vot": "votable"}
    path = tmp_path / f"clusters.{kind}"
    table.write(path, format=formats[kind])
    refused(str(path), tmp_path, path.name, "column distance is in Kpc; expected pc")


@pytest.mark.parametrize(
    ("column", "value", "hint"),
    [
        ("log_age", 4e8, "an age in yr? then 8.60"),
        ("log_age", 400, "an age in Myr? then 8.60"),
        ("log_age", 0.4, "an age in Gyr? then 8.60"),
        ("pmra", -999, "nothing where a value is missing"),
        ("parallax", 9999, "nothing where a value is missing"),
        ("a0", 99.99, "nothing where a value is missing"),
        ("pmdec_dispersion", 99.99, "nothing where a value is missing"),
        ("distance", -9999, "nothing where a value is missing"),
        ("ra", -99.9, "nothing where a value is missing"),
        ("dec", 132.8, ""),
    ],
)
def test_what_a_value_may_stand_for_is_said(tmp_path, column, value, hint):
    refused(rows({"cluster": "Bad one", column: value}), tmp_path, "Bad one", column, hint)


def test_an_exchange_of_ra_and_dec_is_guessed(tmp_path):
    refused(rows({"ra": 11.8, "dec": 132.8}), tmp_path, "dec", "are ra and dec exchanged?")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"distance": 0.889}, "distance of 0.889 pc does not go with its parallax of 1.135 mas"),
        ({"distance": 0.889}, "(881 pc); is it in kpc?"),
        ({"parallax": 0.001135}, "is the parallax in arcsec?"),
        ({"parallax": 3.0}, "distance of 889 pc does not go with its parallax of 3 mas (333 pc)"),
        ({"parallax_dispersion": 0.0}, "parallax_dispersion is 0"),
        ({"pmra_dispersion": 0, "pmdec_dispersion": 0}, "dispersions of motion are 0"),
    ],
)
def test_a_cluster_whose_values_do_not_go_together_is_told_apart(tmp_path, change, words):
    got = read(rows({}, {"cluster": "Odd", **change}), tmp_path).table["fault"]
    assert got[0] == "" and words in got[1]


@pytest.mark.parametrize(
    "change",
    [
        {"parallax": 0.02, "distance": 12604.0},  # Saurer 1 or so: errors exceed the parallax
        {"parallax": -0.05, "distance": 8000.0},
        {"parallax": 1.135, "distance": 700.0},
        {"pmra_dispersion": 0.0},
    ],
)
def test_values_that_differ_as_catalogues_do_go_together(tmp_path, change):
    assert read(rows(change), tmp_path).table["fault"].tolist() == [""]


def over_the_sky(kind: str) -> pd.DataFrame:
    ra, dec = np.arange(12) * 30.0, np.linspace(-70, 70, 12)
    factors = {"hours": (1 / 15, 1.0), "radians": (np.pi / 180, np.pi / 180), "degrees": (1, 1)}
    a, b = factors[kind]
    changes = zip(ra * a, dec * b, strict=True)
    return rows(*({"cluster": f"C{x}", "ra": x, "dec": y} for x, y in changes))


@pytest.mark.parametrize("kind", ["hours", "radians"])
def test_positions_all_over_the_sky_in_hours_or_radians_are_refused(tmp_path, kind):
    refused(over_the_sky(kind), tmp_path, "clusters.csv", "column ra", f"{kind}?; expected degrees")


def test_positions_are_taken_as_they_are_where_they_may_be_degrees(tmp_path):
    assert len(read(over_the_sky("degrees"), tmp_path).table) == 12
    few = over_the_sky("hours").iloc[:9]
    assert len(read(few, tmp_path).table) == 9
    told = Table.from_pandas(over_the_sky("hours"))
    told["ra"].unit = "deg"
    told.write(tmp_path / "told.ecsv", format="ascii.ecsv")
    assert len(read_clusters(str(tmp_path / "told.ecsv"), {}).table) == 12
