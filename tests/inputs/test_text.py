"""Tables of text as people have them: read right whatever their separator, marks and encoding."""

from __future__ import annotations

import bz2
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from ocspark.inputs.content import TableFault
from ocspark.inputs.text import read_text_table

TABLE = pd.DataFrame(
    {
        "cluster": ["NGC 2423", "My #1", "Röser 3", "a,b;c|d"],
        "ra": [114.299, 0.1 + 0.2, 1.5e-7, 359.99999999999994],
        "n": [1, -2, 3, 9007199254740993],
        "a0": [0.25, np.nan, 1.0, np.nan],
    }
)


def read(text: str | bytes) -> pd.DataFrame:
    return read_text_table(text if isinstance(text, bytes) else text.encode())


def assert_same(got: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(got, TABLE, check_exact=True)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_found(separator, ends):
    table = TABLE.replace(np.nan, "null")
    # 2 is csv.QUOTE_NONNUMERIC
    text = table.to_csv(index=False, sep=separator, lineterminator=ends, quoting=2)
    assert_same(read(text))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings_are_found(encoding):
    assert_same(read(TABLE.to_csv(index=False).encode(encoding)))


@pytest.mark.parametrize("mark", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_line_that_names_the_separator_is_believed(mark):
    got = read(f"{mark}\ncluster;ra,dec\nA;1.5\n")
    assert got.columns.tolist() == ["cluster", "ra,dec"]
    assert got.iloc[0].tolist() == ["A", 1.5]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_decimal_commas_are_read_where_no_number_has_a_point(separator):
    table = TABLE.assign(ra=[114.299, -0.05, 1.5, 20.0], n=[1, 2, 3, 4])
    got = read(table.to_csv(index=False, sep=separator, decimal=","))
    pd.testing.assert_frame_equal(got, table, check_exact=True)


@pytest.mark.parametrize(
    "column", [["1,045", "2,310"], ["1,5", "2.5"], ["1.045,5", "2.045,5"], ["1,234,567", "0,5"]]
)
def test_commas_that_may_be_for_thousands_are_no_numbers(column):
    got = read("n;x\n" + "".join(f"1;{value}\n" for value in column))
    assert got["x"].tolist() == column


def test_a_comma_in_text_beside_numbers_with_points_stays_one():
    got = read("ra;refs\n1.5;12,15\n2.5;3\n")
    assert got["refs"].tolist() == ["12,15", "3"]


VIZIER = """#
#   VizieR Astronomical Server vizier.cds.unistra.fr
#RESOURCE=yCat_36400001
#Column\tCluster\t(A17)\tCluster name\t[ucd=meta.id;meta.main]

Cluster\tRA_ICRS\tplx\tN
 \tdeg\tmas\t
-----------------\t--------\t-----\t--
ASCC 10          \t 51.8700\t+1.50\t 7
ASCC 11          \t +3.2100\t     \t12

#END#
"""


def test_vizier_s_units_and_dashes_are_no_rows():
    got = read(VIZIER)
    assert got["Cluster"].tolist() == ["ASCC 10", "ASCC 11"]
    assert got["RA_ICRS"].tolist() == [51.87, 3.21]
    assert got["plx"].iloc[0] == 1.5 and np.isnan(got["plx"].iloc[1])
    assert got["N"].tolist() == [7, 12]
    assert got.attrs["units"] == {"RA_ICRS": "deg", "plx": "mas"}
    assert read(VIZIER.replace("\t", ";")).equals(got)


def test_units_of_an_ecsv_header_count_in_a_csv_file_too(tmp_path):
    table = Table({"cluster": ["A 1"], "distance": [0.9], "n": [1]})
    table["distance"].unit = "kpc"
    buffer = io.StringIO()
    table.write(buffer, format="ascii.ecsv", delimiter=",")
    got = read(buffer.getvalue())
    assert got.attrs["units"] == {"distance": "kpc"} and got["cluster"].tolist() == ["A 1"]
    with pytest.raises(TableFault, match="ECSV header cannot be read"):
        read(buffer.getvalue().replace("datatype:", "datatypo:"))


def test_what_vizier_has_cut_and_two_of_its_tables_are_refused():
    for line in ("#INFO\tWarning=truncated result (maxtup=50)", "#++ Truncated result (maxtup=50)"):
        with pytest.raises(TableFault, match=r"server has cut the table .*maxtup=50"):
            read(f"{line}\n{VIZIER}")
        with pytest.raises(TableFault, match="server has cut the table"):
            read(f"{VIZIER}{line}\n")
    with pytest.raises(TableFault, match="2 tables in one file"):
        read(VIZIER + "\n".join(VIZIER.split("\n")[5:]))


@pytest.mark.parametrize("head", ["# cluster,ra", "#cluster,ra", "# by X\n#\n# cluster,ra"])
def test_a_header_line_that_begins_with_a_comment_sign_is_one(head):
    got = read(f"{head}\nA,1.5\nB,2.5\n")
    assert got.to_dict("list") == {"cluster": ["A", "B"], "ra": [1.5, 2.5]}


def test_a_comment_sign_inside_a_field_is_text_and_one_before_a_row_is_refused():
    got = read('cluster,ra\nMy #1,1\n"#2",2\n# a comment\n')
    assert got["cluster"].tolist() == ["My #1", "#2"]
    with pytest.raises(TableFault, match="line 3: begins with # and has the fields of a row"):
        read("cluster,ra\nA,1\n#2,2\n")


@pytest.mark.parametrize("row", ["C,5", "C,5,6,7", "C"])
def test_a_row_with_more_or_fewer_fields_is_named(row):
    n = row.count(",") + 1
    with pytest.raises(TableFault, match=rf"row 2 has {n} fields, the header has 3: '{row}'"):
        read(f"cluster,ra,dec\nA,1,2\n{row}\nD,3,4\n")


def test_blanks_that_separate_cannot_hide_a_missing_value():
    with pytest.raises(TableFault, match="row 2 has 2 fields, the header has 3"):
        read("cluster ra dec\nA 1 2\nB 3\n")


def test_rows_of_separators_alone_at_the_end_are_none():
    assert read("cluster,ra\nA,1\n,\n,\n").to_dict("list") == {"cluster": ["A"], "ra": [1]}


def test_a_column_without_a_name_has_that_of_pandas():
    got = read(",ra\nA 1,2.5\n")
    assert got.to_dict("list") == {"Unnamed: 0": ["A 1"], "ra": [2.5]}


def test_fields_in_quotation_marks_after_blanks_and_with_line_breaks_are_whole():
    got = read('cluster, ra, note\n"A, 1", 2, "x ""y"", z"\n "B", 3, "two\nlines"\n')
    assert got["cluster"].tolist() == ["A, 1", "B"]
    assert got["note"].tolist() == ['x "y", z', "two\nlines"]


def test_numbers_of_more_digits_than_a_double_holds_stay_text():
    big = "3030442582338182016"
    assert read(f"id\n{big}\n").at[0, "id"] == int(big)
    assert read(f"id,b\n{big},1\n,2\n")["id"].tolist() == [int(big), None]
    for text in ("3.03044E+18", f"{big}.0", "99999999999999999999"):
        assert read(f"id\n{text}\n1\n")["id"].tolist() == [text, "1"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_content_is_known_by_what_it_is_not_by_its_name(tmp_path, pack):
    from ocspark.inputs.files import read_table

    path = tmp_path / "clusters.csv"
    path.write_bytes(pack(TABLE.to_csv(index=False).encode()))
    assert_same(read_table(path, "clusters.path"))
    (tmp_path / "plain.csv.gz").write_text(TABLE.to_csv(index=False))
    assert_same(read_table(tmp_path / "plain.csv.gz", "clusters.path"))


def test_the_nearest_double_to_a_decimal_is_read():
    rng = np.random.default_rng(5)
    values = rng.normal(size=20_000) * 10.0 ** rng.integers(-12, 12, 20_000)
    got = read("x\n" + "\n".join(map(repr, values.tolist())) + "\n")
    np.testing.assert_array_equal(got["x"], values)
