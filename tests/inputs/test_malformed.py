"""Malformed files of every kind: one line that names the file and what is wrong in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from ocspark.errors import InputError
from ocspark.inputs.catalogues import read_catalogue
from ocspark.inputs.clusters import read_clusters
from ocspark.inputs.members import read_members
from ocspark.names import cluster_key
from tests.helpers.cluster_tables import LIST, THREE, write

MANY = pd.concat([THREE.assign(cluster=[f"C {i} {j}" for j in range(3)]) for i in range(300)])


def as_clusters(path: str) -> object:
    return read_clusters(path, {})


def as_members(path: str) -> object:
    return read_members(path, {}, frozenset())


def as_catalogue(path: str) -> object:
    return read_catalogue(path, "--input")


READERS = {"clusters": (as_clusters, MANY), "members": (as_members, LIST)}


def told(read: Callable[[str], object], path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        read(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    assert len(message) < 500
    return message


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["fits", "vot", "parquet", "csv.gz"])
@pytest.mark.parametrize("reader", READERS)
def test_a_file_cut_short_anywhere(tmp_path, reader, kind, share):
    read, table = READERS[reader]
    path = Path(write(table, tmp_path, kind))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "cannot be read as a" in told(read, path)


@pytest.mark.parametrize(
    ("kind", "words"), [("csv", "row 900 has"), ("ecsv", "inconsistent with data columns")]
)
@pytest.mark.parametrize("reader", READERS)
def test_a_text_file_cut_short_in_a_row(tmp_path, reader, kind, words):
    """At the end of a row, or in its last number, nobody can tell."""
    read, table = READERS[reader]
    path = Path(write(table, tmp_path, kind))
    path.write_text(path.read_text().rstrip("\n0123456789.")[:-1])
    assert words in told(read, path)


def damaged(old: str, new: str, kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = Path(write(THREE, folder, kind))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return path

    return make


def written(content: str, kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / f"clusters.{kind}").write_bytes(content.encode("latin-1"))
        return folder / f"clusters.{kind}"

    return make


CASES = {
    "VOTable with a wrong tag": (damaged("</TR>", "</TX>", "vot"), "mismatched tag"),
    "VOTable that is a web page": (
        written('<?xml version="1.0"?><html><body>404</body></html>', "vot"),
        "not appear to be a VOTABLE",
    ),
    "ECSV without its first line": (damaged("%ECSV", "ESCV", "ecsv"), "ECSV header"),
    "ECSV with a broken column": (damaged("datatype:", "datatypo:", "ecsv"), "datatype"),
    "ECSV of an unknown type": (damaged("float64", "float99", "ecsv"), "float99"),
    "ECSV with broken YAML": (damaged("# - {", "# - {{", "ecsv"), "cannot be read"),
    "ECSV with text for a number": (damaged("132.846", "north", "ecsv"), "column 'ra'"),
    "CSV with text for a number": (
        damaged("132.846", "north", "csv"),
        "column ra, row 1: expected",
    ),
    "CSV without columns": (written("\n\n", "csv"), "no columns"),
    "CSV with an open quote": (written('cluster,ra\n"NGC 1,10\n', "csv"), "row 1: quotation marks"),
    "CSV with too long rows": (written("cluster,ra\nNGC 1,10,20,30\n", "csv"), "header"),
    "CSV of other columns": (written("a,b\n1,2\n", "csv"), "columns cluster, ra, dec"),
    "CSV that is UTF-16, cut": (written("\xff\xfec\x00l", "csv"), "is not UTF-16"),
    "CSV of another encoding": (written("cluster,ra\nR\xf6ser 1,5\n", "csv"), "line 2: byte 0xf6"),
    "CSV without a name": (
        damaged("Blanco 1", "nan", "csv"),
        "column cluster, row 2: expected a name",
    ),
    "a name twice": (damaged("Blanco 1", "NGC 2682", "csv"), "'NGC 2682'"),
    "FITS without a table": (written("SIMPLE  =                    T", "fits"), "cannot be read"),
    "Parquet of text": (written("PAR1 and no more", "parquet"), "cannot be read"),
}


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
@pytest.mark.parametrize("read", [as_clusters, as_catalogue])
@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file(tmp_path, case, read):
    make, words = CASES[case]
    assert words in told(read, make(tmp_path))


@pytest.mark.parametrize("kind", ["fits", "vot", "parquet"])
@pytest.mark.parametrize("name", ["clusters.csv", "clusters.txt", "clusters"])
def test_a_table_is_read_for_what_it_is_under_another_kinds_name(tmp_path, kind, name):
    Path(write(THREE, tmp_path, kind)).rename(tmp_path / name)
    got = read_clusters(str(tmp_path / name), {}).table
    assert got["cluster"].tolist() == THREE["cluster"].tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n<!DOCTYPE HTML>\n<html><body>404</body></html>", "it is a web page"),
        (b"PK\x03\x04\x14\x00", "it is an Excel workbook or another ZIP archive"),
        (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "vot", "xlsx"])
def test_what_is_no_table_is_named(tmp_path, content, words, kind):
    (tmp_path / f"clusters.{kind}").write_bytes(content)
    assert words in told(as_clusters, tmp_path / f"clusters.{kind}")


@pytest.mark.parametrize("kind", ["vot", "ecsv", "fits"])
def test_units_are_converted_or_refused(tmp_path, kind):
    formats = {"ecsv": "ascii.ecsv", "fits": "fits", "vot": "votable"}
    table = Table.from_pandas(THREE)
    table["distance"] = table["distance"] / 1000
    table["pmra"] = table["pmra"] / 1000
    table["distance"].unit, table["pmra"].unit, table["dec"].unit = "kpc", "arcsec/yr", "deg"
    table.write(tmp_path / f"good.{kind}", format=formats[kind])
    got = read_clusters(str(tmp_path / f"good.{kind}"), {}).table
    np.testing.assert_allclose(got["distance"], THREE["distance"], rtol=1e-14)
    np.testing.assert_allclose(got["pmra"], THREE["pmra"], rtol=1e-14)
    np.testing.assert_array_equal(got["dec"], THREE["dec"])
    table["distance"].unit = "mag"
    table.write(tmp_path / f"bad.{kind}", format=formats[kind])
    assert "column distance is in mag; expected pc" in told(as_clusters, tmp_path / f"bad.{kind}")


def test_a_spark_table_that_is_not_there(spark):
    for read in (as_clusters, as_members):
        message = told(read, "table:nowhere.such_clusters")
        assert "no table that this Spark session can read" in message


def test_a_spark_table_keeps_ids_exact_and_names_what_is_wrong(spark):
    big = 6917528997577384321
    rows = spark.createDataFrame(
        [("A 1", big, 1.0), ("A 1", None, 0.5)],
        "cluster string, source_id long, probability double",
    )
    rows.createOrReplaceTempView("malformed_list")
    assert "row 2 has none" in told(as_members, "table:malformed_list")
    rows.where("source_id is not null").createOrReplaceTempView("exact_list")
    got = read_members("table:exact_list", {}, frozenset({cluster_key("A_1")}))
    assert got.table["source_id"].tolist() == [big]
