"""What readers of single files promise beyond what a build shows."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table

from ocspark.build import bulk, ingest
from ocspark.build.bulk import list_bulk
from ocspark.build.formats import read_tables
from ocspark.build.wanted import Fault, WantedColumns, wanted_columns
from ocspark.errors import InputError
from ocspark.release import load_release
from ocspark.tables.source_columns import BY_NAME
from tests.helpers.bulk import make_sources
from tests.helpers.cluster_tables import two_tables

NEEDED = WantedColumns({"source_id": pa.int64(), "ra": pa.float64(), "dec": pa.float64()}, False)
ALL = WantedColumns(NEEDED.columns, True)


def read(path: Path, wanted: WantedColumns) -> pa.Table:
    return pa.concat_tables(
        t for file in list_bulk(str(path)).files for t in read_tables(file, wanted)
    )


def test_plain_csv_types_are_told_by_all_its_rows(tmp_path: Path):
    lines = [f"{i},{i / 7},1.5,{'' if i < 90_000 else 2.5},null" for i in range(100_000)]
    text = "source_id,ra,dec,late,never\n" + "\n".join(lines)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode(), 1))
    table = read(tmp_path / "t.csv.gz", ALL)
    assert [str(field.type) for field in table.schema] == [
        *("int64", "double", "double", "double", "null")
    ]
    assert table["late"].null_count == 90_000 and table.num_rows == 100_000
    assert read(tmp_path / "t.csv.gz", NEEDED).column_names == ["source_id", "ra", "dec"]


def test_strings_that_say_null_in_quotes_are_strings(tmp_path: Path):
    (tmp_path / "t.csv").write_text('source_id,ra,dec,name\n1,2,3,"null"\n2,3,4,null\n')
    assert read(tmp_path / "t.csv", ALL)["name"].to_pylist() == ["null", None]


def test_needed_columns_are_found_in_other_letter_case(tmp_path: Path):
    pd.DataFrame({"SOURCE_ID": [1], "ra": [2.0], "DEC": [3.0], "X": [4]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert read(tmp_path / "t.csv", ALL).column_names == ["source_id", "ra", "dec", "X"]
    with pytest.raises(Fault, match="column parallax is missing"):
        read(tmp_path / "t.csv", WantedColumns({"parallax": pa.float64()}, False))


def test_an_ecsv_column_of_an_unknown_type_is_a_fault(tmp_path: Path):
    head = (
        "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: ra, datatype: complex64}\n"
    )
    (tmp_path / "t.csv").write_text(head + "ra\n1\n")
    with pytest.raises(Fault):
        read(tmp_path / "t.csv", WantedColumns({"ra": pa.float64()}, False))


@pytest.mark.parametrize("keep", [0, 5, -10])
def test_a_cut_parquet_file_is_a_fault(tmp_path: Path, keep: int):
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"source_id": [1], "ra": [2.0], "dec": [3.0]}), file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(Fault):
        read(file, NEEDED)


def test_large_parquet_files_are_shared_by_row_groups(tmp_path: Path, monkeypatch):
    table = pa.table({"source_id": range(1000), "ra": [1.0] * 1000, "dec": [2.0] * 1000})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    monkeypatch.setattr(bulk, "SPLIT_BYTES", 2500)
    pieces = list_bulk(str(tmp_path)).files
    ranges = [piece.row_groups for piece in pieces]
    assert len(ranges) > 2 and ranges[0][0] == 0 and ranges[-1][1] == 10
    assert all(a[1] == b[0] for a, b in pairwise(ranges))
    assert len({piece.key for piece in pieces}) == len(pieces)
    assert read(tmp_path, NEEDED).equals(table)


def test_files_not_in_the_md5_list_are_named(tmp_path: Path):
    for name in ("a.csv", "b.csv", "sub/c.csv", "_hidden.csv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ra\n1\n")
    (tmp_path / "_MD5SUM.txt").write_text(f"{'0' * 32}  a.csv\n{'1' * 32} *gone.csv\n")
    found = list_bulk(str(tmp_path))
    assert [(file.name, file.md5) for file in found.files] == [
        *(("a.csv", "0" * 32), ("b.csv", None), ("sub/c.csv", None))
    ]
    assert (found.absent, found.unlisted) == (["gone.csv"], ["b.csv", "sub/c.csv"])
    (tmp_path / "_MD5SUM.txt").write_text("what is this\n")
    with pytest.raises(InputError, match=r"_MD5SUM.txt: line 1"):
        list_bulk(str(tmp_path))


def test_staged_tables_are_cut_at_their_limit(monkeypatch):
    monkeypatch.setattr(ingest, "STAGED_ROWS", 10)
    numbers = pa.table({"n": range(37)})
    pieces = [numbers.slice(0, 3), numbers.slice(3, 25), numbers.slice(28, 0), numbers.slice(28)]
    cut = list(ingest._chunks(iter(pieces)))
    assert [table.num_rows for table in cut] == [10, 10, 10, 7]
    assert pa.concat_tables(cut).equals(numbers)


def test_ecsv_as_astropy_writes_it_is_streamed_with_units_and_gaps(tmp_path: Path, monkeypatch):
    table = Table({"source_id": [1, 2, 3], "ra": MaskedColumn([1.5, 2, 3], mask=[0, 1, 0])})
    table["dec"] = [1.0, 2.0, 3.0] * units.deg
    table["dec"].info.description = "declination"
    table["name"] = MaskedColumn(["a b", "c", "d"], mask=[0, 0, 1])
    table["n"] = MaskedColumn(np.array([1, 2, 3], "i2"), mask=[1, 0, 0])
    table.write(tmp_path / "t.ecsv")
    (tmp_path / "t.ecsv.gz").write_bytes(gzip.compress((tmp_path / "t.ecsv").read_bytes()))
    monkeypatch.setattr("ocspark.build.formats._read_astropy", None)  # reads all at once
    for name in ("t.ecsv", "t.ecsv.gz"):
        got = read(tmp_path / name, ALL)
        assert got.to_pydict() == {
            "source_id": [1, 2, 3],
            "ra": [1.5, None, 3.0],
            "dec": [1.0, 2.0, 3.0],
            "name": ["a b", "c", None],
            "n": [None, 2, 3],
        }
        assert got.schema.field("n").type == pa.int16()
        notes = {b"unit": b"deg", b"description": b"declination"}
        assert got.schema.field("dec").metadata == notes


SOURCES = {"source_id": [1, 2, 3], "ra": [1.5, 2.5, 3.5], "dec": [0.5, 0.25, 0.125]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("head", ["", "\ufeff", "# by X\n", "sep=SEP\n"])
def test_separators_are_found_in_the_names(tmp_path: Path, separator: str, head: str):
    text = head.replace("SEP", separator) + pd.DataFrame(SOURCES).to_csv(sep=separator, index=False)
    (tmp_path / "t.tsv").write_text(text)
    assert read(tmp_path / "t.tsv", ALL).to_pydict() == SOURCES


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("source_id,ra,dec\n1,2,3\n".encode("utf-16"), "expected text in UTF-8"),
        (b"source_id,ra,dec\r1,2,3\r", "carriage returns"),
        (b"source_id ra dec\n1 2 3\n", "separated by blanks"),
        (b"source_id;ra;dec\n1;2,5;3\n", "2,5"),
        (b"source_id,ra,dec\n1.0E+18,2,3\n", "1.0E"),
        (b"source_id,ra,dec\n1,2\n", "Expected 3 columns, got 2"),
    ],
)
def test_text_that_is_not_read_is_named(tmp_path: Path, content: bytes, words: str):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(Fault) as caught:
        read(tmp_path / "t.csv", NEEDED)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["fits", "vot"])
def test_of_several_tables_one_is_chosen(tmp_path: Path, kind: str):
    path = two_tables(tmp_path, kind)
    with pytest.raises(Fault, match=r"(?i)2 tables in one file: 1 \(stars.* chosen by --table"):
        read(path, WantedColumns({"source_id": pa.int64()}, False))
    for chosen in ("stars", "1"):
        got = read(path, WantedColumns({"source_id": pa.int64()}, False, table=chosen))
        assert got["source_id"].to_pylist() == list(range(900))


def test_a_table_that_its_server_has_cut_is_a_fault(tmp_path: Path):
    Table(SOURCES).write(tmp_path / "t.vot", format="votable")
    text = (tmp_path / "t.vot").read_text()
    info = '<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>'
    (tmp_path / "t.vot").write_text(text.replace("</RESOURCE>", info))
    with pytest.raises(Fault, match=r"not whole \(QUERY_STATUS OVERFLOW"):
        read(tmp_path / "t.vot", NEEDED)


@pytest.mark.parametrize("kind", ["parquet", "fits", "csv"])
def test_ids_that_have_lost_digits_are_a_fault(tmp_path: Path, kind: str):
    rng = np.random.default_rng(4)
    cells = rng.choice(2**27, 30, replace=False) + 2**26
    whole = (cells.astype(np.int64) << 35) + (rng.integers(0, 2**28, 30) << 7)
    names = {name: name for name in ("ra", "dec", "source_id")}

    def staged(ids: np.ndarray) -> str:
        table = pd.DataFrame({"source_id": ids, "ra": 1.0, "dec": 2.0})
        path = tmp_path / f"t.{kind}"
        if kind == "csv":
            table.to_csv(path, index=False)
        elif kind == "parquet":
            table.to_parquet(path, index=False)
        else:
            Table.from_pandas(table).write(path, overwrite=True)
        for folder in ("items", "staged"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (file,) = list_bulk(str(path)).files
        return ingest.stage_file(ingest.Ingest(str(tmp_path), NEEDED, **names), file)

    assert staged(whole) == ""
    assert "all 30 ids fit a double exactly" in staged(whole.astype(float).astype(np.int64))
    if kind != "csv":  # whose ids are read as integers or not at all
        assert "source_id is double; expected 64-bit integers" in staged(whole.astype(float))


GIVEN = {"ra": "rad", "dec": "arcmin", "parallax": "arcsec", "pmra": "arcsec/yr", "pmdec": "mas/yr"}
DR3 = load_release("dr3")


def with_units(units_of: dict[str, str]) -> tuple[Table, pd.DataFrame]:
    """Return sources in these units, and as they are in Gaia's."""
    truth = make_sources().head(20)[[DR3.columns[name][0] for name in DR3.needed]]
    truth = truth.assign(ra=truth["ra"].astype(float), dec=truth["dec"].astype(float))
    columns = {}
    for name in truth:
        values = truth[name]
        missing = values.isna().to_numpy()
        numbers = values.fillna(0).to_numpy(values.dtype.name.lower())
        column = MaskedColumn(numbers, mask=missing)
        if name in units_of:
            target = units.Unit(BY_NAME[name].unit)
            column = MaskedColumn(
                (numbers * target).to_value(units_of[name]).astype(numbers.dtype), mask=missing
            )
            column.unit = units_of[name]
        columns[name] = column
    return Table(columns), truth


@pytest.mark.parametrize("kind", ["fits", "vot", "ecsv", "parquet"])
def test_sources_in_other_units_are_converted(tmp_path: Path, kind: str):
    table, truth = with_units({**GIVEN, "parallax_error": "mas"})
    formats = {"fits": "fits", "vot": "votable", "ecsv": "ascii.ecsv", "parquet": "parquet"}
    table.write(tmp_path / f"t.{kind}", format=formats[kind])
    got = read(tmp_path / f"t.{kind}", wanted_columns(DR3, False))
    for name in truth:
        column = got[name].to_pandas().to_numpy(dtype=float, na_value=np.nan)
        expected = truth[name].to_numpy(dtype=float, na_value=np.nan)
        np.testing.assert_allclose(column, expected, rtol=1e-13, err_msg=name)
        if name in GIVEN:
            unit = got.schema.field(name).metadata[b"unit"].decode()
            assert units.Unit(unit) == units.Unit(BY_NAME[name].unit)
    assert got.schema.field("parallax_error").type == pa.float32()


@pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")
@pytest.mark.parametrize("kind", ["fits", "ecsv"])
@pytest.mark.parametrize("unit", ["pc", "Mas"])
def test_sources_in_a_unit_that_is_not_known_are_a_fault(tmp_path: Path, kind: str, unit: str):
    table, _ = with_units({})
    table["parallax"].unit = units.Unit(unit, parse_strict="silent")
    table.write(tmp_path / f"t.{kind}")
    with pytest.raises(Fault, match=f"column parallax is in {unit}; expected mas"):
        read(tmp_path / f"t.{kind}", wanted_columns(DR3, False))


CASES = Path(__file__).parents[2] / "../shared/data/cases"


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/data/cases")
def test_the_case_of_sources_in_arcseconds():
    got = read(CASES / "11_sources_with_units.fits", wanted_columns(DR3, False))
    assert got["parallax"].to_pandas().median() == pytest.approx(1.1, abs=0.2)
    assert got["pmra"].to_pandas().median() == pytest.approx(-0.9, abs=0.2)


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path):
    for number in range(2):
        rows = "".join(f"{10_000 + i},2.5,{number}.5\n" for i in range(6000))
        (tmp_path / f"{'ab'[number]}.csv").write_text(f"source_id,ra,dec\n{rows}")
    for name in ("d.csv", "e.csv"):
        (tmp_path / name).write_text("source_id,ra,dec\n")  # no rows, so none is there twice
    assert len(list_bulk(str(tmp_path)).files) == 4
    (tmp_path / "c.csv").write_text((tmp_path / "a.csv").read_text())
    with pytest.raises(InputError, match=r"c\.csv: has the same content as a\.csv; expected every"):
        list_bulk(str(tmp_path))
    (tmp_path / "c.csv").unlink()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress((tmp_path / "b.csv").read_bytes()))
    with pytest.raises(InputError, match=r"b\.csv: is there packed as well, as b\.csv\.gz"):
        list_bulk(str(tmp_path))
