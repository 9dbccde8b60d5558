"""Any valid table in any way of writing it is read as it was; a mangled one too, or refused."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, UNITS, read_clusters
from ocspark.inputs.members import read_members
from ocspark.names import cluster_key, normalise_name
from tests.helpers.cluster_tables import THREE

EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: Other units that a column may be written in, to what one of the canonical unit is in them.
OTHER_UNITS = {
    "ra": [("hourangle", 1 / 15), ("arcmin", 60)],
    "dec": [("arcmin", 60), ("rad", np.pi / 180)],
    "pmra": [("arcsec / yr", 1e-3), ("uas / yr", 1e3)],
    "pmra_dispersion": [("arcsec / yr", 1e-3)],
    "parallax": [("arcsec", 1e-3), ("uas", 1e3)],
    "distance": [("kpc", 1e-3), ("Mpc", 1e-6)],
    "a0": [("mmag", 1e3)],
}
#: hourangle is no unit of FITS or VOTable, which say h.
SPELLED = {"hourangle": "h"}


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False).map(lambda x: x + 0.0)  # no -0


def names(special: str) -> st.SearchStrategy[str]:
    letters = st.text("abcXYZ 0123456789_-+.'" + special, min_size=1, max_size=12)
    whole = st.builds("{} {}".format, st.sampled_from(["NGC", "UBC", "vdBergh-Hagen"]), letters)
    return whole.map(normalise_name).map(lambda name: name.replace("_", " "))


@st.composite
def cluster_tables(draw: st.DrawFn, special: str = '#,;|"éß\t') -> pd.DataFrame:
    columns = {
        "ra": number(0, 359.999),
        "dec": number(-90, 90),
        **dict.fromkeys(("pmra", "pmdec"), number(-50, 50)),
        **dict.fromkeys(("pmra_dispersion", "pmdec_dispersion"), number(0.01, 2)),
        "parallax": number(-0.5, 20),
        "parallax_dispersion": number(0.01, 0.3),
        "log_age": st.none() | number(6, 10),
        "a0": st.none() | number(0, 5),
        "distance": st.none() | number(50, 9000),
    }
    listed = draw(st.lists(names(special), min_size=1, max_size=6, unique_by=normalise_name))
    rows = {name: [draw(values) for _ in listed] for name, values in columns.items()}
    rows["ra"][0] = draw(number(30, 359))  # or all might be hours
    rows["a0"][0] = 0.5  # or all commas might be for thousands
    return pd.DataFrame({"cluster": listed, **rows}).astype(dict.fromkeys(columns, float))


def text_writer(
    separator: str = ",",
    encoding: str = "utf-8",
    ends: str = "\n",
    decimal: str = ".",
    head: str = "",
    quoting: int = csv.QUOTE_MINIMAL,
    index: bool = False,
    pack: Callable[[bytes], bytes] = bytes,
) -> Callable[[pd.DataFrame, Path], Path]:
    def write(table: pd.DataFrame, folder: Path) -> Path:
        text = table.to_csv(
            sep=separator,
            lineterminator="\n",
            decimal=decimal,
            quoting=quoting,
            index=index,
            na_rep="null" if separator == " " else "",
        )
        path = folder / "table.csv"
        path.write_bytes(pack((head + text).replace("\n", ends).encode(encoding)))
        return path

    return write


def vizier(table: pd.DataFrame, folder: Path) -> Path:
    cells = [list(table.columns), [UNITS.get(c, "") for c in table], ["---"] * len(table.columns)]
    cells += [["" if pd.isna(v) else str(v) for v in row] for row in table.to_numpy().tolist()]
    lines = ["\t".join(f"{cell} " for cell in row) for row in cells]
    lines[2] = lines[2].replace(" ", "")
    path = folder / "asu.tsv"
    path.write_text("#\n#RESOURCE=yCat\n#Table\tJ/A+A\n\n" + "\n".join(lines) + "\n\n#END#\n")
    return path


def parquet(**options: Any) -> Callable[[pd.DataFrame, Path], Path]:
    def write(table: pd.DataFrame, folder: Path) -> Path:
        path = folder / "table.parquet"
        if options.get("index"):
            table.set_index("cluster").to_parquet(path)
        elif options.get("categories"):
            table.astype({"cluster": "category"}).to_parquet(path)
        else:
            pq.write_table(pa.Table.from_pandas(table, preserve_index=True), path)
        return path

    return write


def astropy_writer(kind: str, **options: Any) -> Callable[[pd.DataFrame, Path], Path]:
    def write(table: pd.DataFrame, folder: Path) -> Path:
        suffix = {"ascii.ecsv": "ecsv", "votable": "vot"}.get(kind, kind)
        path = folder / f"table.{suffix}"
        Table.from_pandas(table).write(path, format=kind, overwrite=True, **options)
        return path

    return write


WRITERS = {
    "csv": text_writer(),
    "quoted": text_writer(quoting=csv.QUOTE_ALL),
    "semicolons, decimal commas": text_writer(";", decimal=",", head="sep=;\n"),
    "tabs, decimal commas, UTF-16": text_writer("\t", "utf-16", decimal=","),
    "bars, old Macintosh": text_writer("|", ends="\r"),
    "blanks": text_writer(" ", quoting=csv.QUOTE_NONNUMERIC),
    "Windows, byte order mark": text_writer(";", "utf-8-sig", ends="\r\n"),
    "index, gzip": text_writer(index=True, pack=gzip.compress),
    "comments, bzip2": text_writer(head="# by X\n#\n\n", pack=bz2.compress),
    "VizieR": vizier,
    "Parquet": parquet(),
    "Parquet with an index": parquet(index=True),
    "Parquet with categories": parquet(categories=True),
    "ECSV": astropy_writer("ascii.ecsv"),
    "ECSV, commas": astropy_writer("ascii.ecsv", delimiter=","),
    "FITS": astropy_writer("fits"),
    "VOTable": astropy_writer("votable"),
    "VOTable, binary": astropy_writer("votable", tabledata_format="binary2"),
}
#: What a way of writing cannot hold in a name.
IMPOSSIBLE = {"FITS": "éß\t", "VizieR": '"\t', "blanks": '"'}


def assert_reads_back(table: pd.DataFrame, source: Any, rtol: float = 0.0) -> None:
    got = read_clusters(source, {}).table
    assert got["cluster"].tolist() == table["cluster"].tolist()
    for name in CLUSTER_COLUMNS[1:]:
        np.testing.assert_allclose(got[name], table[name], rtol=rtol, atol=0, err_msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WRITERS)
@given(data=st.data())
@EXAMPLES
def test_a_cluster_table_reads_back_however_it_is_written(tmp_path, way, data):
    special = "".join(c for c in '#,;|"éß' if c not in IMPOSSIBLE.get(way, ""))
    table = data.draw(cluster_tables(special))
    assert_reads_back(table, str(WRITERS[way](table, tmp_path)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["fits", "votable", "ascii.ecsv", "QTable", "Table", "Parquet"])
@given(table=cluster_tables(""), data=st.data())
@EXAMPLES
def test_a_cluster_table_reads_back_in_any_of_its_units(tmp_path, kind, table, data):
    written = Table.from_pandas(table)
    for name in table.columns[1:]:
        unit, factor = UNITS[name], 1.0
        if data.draw(st.booleans(), label=name):
            unit, factor = data.draw(st.sampled_from(OTHER_UNITS.get(name, [(unit, 1.0)])))
        if kind not in ("QTable", "Table", "Parquet"):
            unit = SPELLED.get(unit, unit)
        written[name] = np.ma.masked_invalid(table[name].to_numpy() * factor)
        if name == "log_age":
            unit = data.draw(st.sampled_from(["dex(yr)", "yr", "Gyr", None]), label="age")
            if unit in ("yr", "Gyr"):
                age = 10.0 ** (table[name].to_numpy() - (9 if unit == "Gyr" else 0))
                written[name] = np.ma.masked_invalid(age)
        if unit is not None and not (kind == "fits" and unit == "dex(yr)"):
            written[name].unit = unit
    if kind in ("fits", "votable", "ascii.ecsv"):
        path = tmp_path / f"units.{ {'fits': 'fits', 'votable': 'vot'}.get(kind, 'ecsv') }"
        written.write(path, format=kind, overwrite=True)
        source: Any = str(path)
    elif kind == "Parquet":
        plain = pa.Table.from_pandas(written.to_pandas(), preserve_index=False)
        fields = [f.with_metadata({"unit": str(written[f.name].unit or "")}) for f in plain.schema]
        pq.write_table(plain.cast(pa.schema(fields)), tmp_path / "units.parquet")
        source = str(tmp_path / "units.parquet")
    else:
        source = QTable(written) if kind == "QTable" else written
    assert_reads_back(table, source, rtol=1e-12)


@st.composite
def member_lists(draw: st.DrawFn) -> pd.DataFrame:
    # few, or chance might make of them what looks like lost digits
    ids = draw(st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=6, unique=True))
    steps = [draw(st.integers(0, 100)) / 100 for _ in ids]
    return pd.DataFrame({"cluster": "NGC 1", "source_id": ids, "probability": steps})


KNOWN = frozenset({cluster_key("NGC 1")})


def assert_lists_alike(table: pd.DataFrame, source: Any) -> None:
    got = read_members(source, {}, KNOWN).table
    expected = table.sort_values("source_id")
    assert got["source_id"].tolist() == expected["source_id"].tolist()
    assert got["probability"].tolist() == expected["probability"].tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WRITERS)
@given(
    table=member_lists(),
    single=st.booleans(),
    id_type=st.sampled_from(["int64", "uint64", "str"]),
)
@EXAMPLES
def test_a_member_list_reads_back_whatever_its_types(tmp_path, way, table, single, id_type):
    if way.startswith("VOTable") and id_type == "uint64":
        id_type = "int64"  # no type of VOTable's
    typed = table.astype({"source_id": id_type})
    if single:
        typed["probability"] = typed["probability"].astype(np.float32)
    assert_lists_alike(table, str(WRITERS[way](typed, tmp_path)))
    assert_lists_alike(table, typed)


# --- mangled -----------------------------------------------------------------------------------


def refused_or(read: Callable[[], Any]) -> Any:
    """What is read, None where it is refused in one line."""
    try:
        return read()
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 700
        return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", [w for w in WRITERS if w not in ("VizieR",)])
@given(table=member_lists(), share=st.floats(0, 1))
@EXAMPLES
def test_a_list_cut_short_anywhere_is_refused_or_has_the_rows_before(tmp_path, way, table, share):
    """Nothing tells that whole rows are missing at the end of a text, or digits of its last."""
    path = WRITERS[way](table, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    got = refused_or(lambda: read_members(str(path), {}, KNOWN).table)
    if got is None:
        return
    if path.suffix in (".csv", ".ecsv"):
        before = table.iloc[: len(got) - 1]
        assert set(before["source_id"]) <= set(got["source_id"])
        assert set(got["source_id"]) <= set(table["source_id"])
    else:
        assert len(got) == len(table)
        assert_lists_alike(table, str(path))


TEXTS = [w for w, write in WRITERS.items() if write.__qualname__.startswith("text_writer")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@given(table=cluster_tables(""), data=st.data())
@EXAMPLES
def test_a_field_too_many_or_too_few_is_refused(tmp_path, separator, table, data):
    path = text_writer(separator)(table, tmp_path)
    lines = path.read_text().splitlines()
    row = data.draw(st.integers(1, len(lines) - 1), label="row")
    place = data.draw(st.integers(1, len(CLUSTER_COLUMNS) - 1), label="place")
    fields = lines[row].split(separator)
    again = data.draw(st.booleans(), label="again")
    fields[place : place + 1] = [fields[place]] * (2 if again else 0)
    lines[row] = separator.join(fields)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf"row {row} has {len(fields)} fields, the header has 12"):
        read_clusters(str(path), {})


JUNK = ["x", "1..2", "--5", "0x10", "1_0", "٣", "1e", "∞", "1 2", "1.5 kpc", "inf", "12:30:00"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", [*TEXTS, "VOTable as text"])
@given(table=cluster_tables(""), data=st.data())
@EXAMPLES
def test_what_is_no_number_is_refused_with_its_row(tmp_path, way, table, data):
    column = data.draw(st.sampled_from(CLUSTER_COLUMNS[1:]), label="column")
    row = data.draw(st.integers(0, len(table) - 1), label="row")
    junk = data.draw(st.sampled_from(JUNK), label="junk")
    assume(not (" " in junk and way == "blanks"))
    mangled = table.astype({column: object})
    mangled.loc[row, column] = junk
    if way == "VOTable as text":
        mangled[column] = [str(value) for value in mangled[column]]
        path = astropy_writer("votable")(mangled, tmp_path)
    else:
        path = WRITERS[way](mangled, tmp_path)
    with pytest.raises(InputError, match=rf"column {column}, row {row + 1}: expected a number"):
        read_clusters(str(path), {})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WRITERS)
@given(
    cells=st.lists(st.integers(2**26, 201_326_591), min_size=12, max_size=30, unique=True),
    low=st.integers(0, 2**28 - 1),
    kind=st.sampled_from(["float64", "float32", "15 digits"]),
)
@settings(EXAMPLES, max_examples=10)
def test_ids_that_have_lost_digits_are_refused(tmp_path, way, cells, low, kind):
    numbers = (low + 7919 * np.arange(len(cells))) % 2**28
    ids = (np.array(cells, dtype=np.int64) << 35) + (numbers << 7)
    if kind == "15 digits":
        lost = ids // 10_000 * 10_000
    else:
        with np.errstate(over="ignore"):
            lost = ids.astype(kind).astype(np.float64).astype(np.int64)
    assume(len(set(lost)) == len(ids) and (lost != ids).any())
    table = pd.DataFrame({"cluster": "NGC 1", "source_id": lost, "probability": 1.0})
    path = WRITERS[way](table, tmp_path)
    with pytest.raises(
        InputError, match=r"column source_id: .*(fit a double|beyond the fifteenth)"
    ):
        read_members(str(path), {}, KNOWN)
    assert_lists_alike(table.assign(source_id=ids), table.assign(source_id=ids))


@pytest.mark.parametrize("unit", ["K", "Kpc", "furlong", "mag", "km/s"])
@pytest.mark.parametrize("kind", ["fits", "vot", "ecsv"])
def test_a_unit_of_another_kind_or_of_none_is_refused(tmp_path, kind, unit):
    path = tmp_path / f"t.{kind}"
    if kind == "fits":
        hdu = fits.table_to_hdu(Table.from_pandas(THREE))
        hdu.header[f"TUNIT{list(THREE).index('distance') + 1}"] = unit
        hdu.writeto(path)
    else:
        table = Table.from_pandas(THREE)
        table["distance"].unit = u.Unit(unit, parse_strict="silent")
        table.write(path, format={"vot": "votable", "ecsv": "ascii.ecsv"}[kind])
    with pytest.raises(InputError, match=r"column distance .*in .*; expected pc"):
        read_clusters(str(path), {})


def test_the_header_alone_is_a_table_without_rows(tmp_path):
    buffer = io.StringIO()
    pd.DataFrame(columns=list(CLUSTER_COLUMNS)).to_csv(buffer, index=False)
    (tmp_path / "t.csv").write_text(buffer.getvalue())
    with pytest.raises(InputError, match="no rows"):
        read_clusters(str(tmp_path / "t.csv"), {})
