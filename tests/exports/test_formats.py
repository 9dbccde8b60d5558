"""Files that exports write, opened by readers and validators that are not ours."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.io import ascii, fits, votable
from astropy.io.votable.ucd import parse_ucd
from astropy.table import Table
from astropy.units import Unit

from ocspark.errors import InputError
from ocspark.exports.export import Options, export
from ocspark.exports.fits import write_fits
from ocspark.exports.source import RowFilter, Source, run_table
from ocspark.store.finished_run import FinishedRun, open_run
from ocspark.tables.run_tables import RESULT_TABLES
from ocspark.tables.ucds import UCDS, ucd_of
from tests.helpers.made_run import CLUSTERS, make_run, table_of

FILES = {"votable": "t.vot", "fits": "t.fits", "ecsv": "t.ecsv", "csv": "t.csv", "mrt": "t.mrt"}
#: Many batches in two files.
ROWS, BATCH_ROWS = 12_345, 2_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return make_run(tmp_path_factory.mktemp("run") / "made", ROWS)


@pytest.fixture(scope="module")
def exported(run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ocspark.exports.source.BATCH_ROWS", BATCH_ROWS)
        for kind, name in FILES.items():
            assert export(run, Options(kind, str(folder / name))) == ROWS
            rows = export(run, Options(kind, str(folder / f"clusters_{name}"), table="clusters"))
            assert rows == 5
    return folder


def read_fits(path: Path) -> Table:
    """Truth values as bytes, since astropy makes False of missing ones."""
    with fits.open(path, logical_as_bytes=True, memmap=False) as file:
        file.verify("exception")
        table = Table(file[1].data)
        for column in file[1].columns:
            values = table[column.name]
            if column.format == "L":
                missing = values == b"\0"
                table[column.name] = np.ma.array(values == b"T", mask=missing)
            elif column.null is not None:
                table[column.name] = np.ma.array(values, mask=np.asarray(values) == column.null)
            table[column.name].unit = column.unit
        return table


def read_csv(path: Path) -> Table:
    frame = pd.read_csv(path, float_precision="round_trip", low_memory=False)
    return Table({name: np.ma.array(frame[name], mask=frame[name].isna()) for name in frame})


READERS: dict[str, Callable[[Path], Table]] = {
    "votable": lambda path: votable.parse(path, verify="exception").get_first_table().to_table(),
    "fits": read_fits,
    "ecsv": lambda path: Table.read(path, format="ascii.ecsv"),
    "csv": read_csv,
    "mrt": lambda path: Table.read(path, format="ascii.mrt"),
}


def assert_same(read: Table, written: pa.Table) -> None:
    """Every value to the last bit; what is missing there is missing here, and nothing else."""
    assert read.colnames == written.column_names
    assert len(read) == written.num_rows
    for name in written.column_names:
        ours, theirs = written[name].combine_chunks(), read[name]
        missing = np.asarray(ours.is_null(nan_is_null=True))
        mask = np.ma.getmaskarray(np.ma.asarray(theirs))
        values = np.ma.getdata(np.ma.asarray(theirs))
        if pa.types.is_string(ours.type):
            expected = np.array(["" if v is None else v for v in ours.to_pylist()])
            texts = np.where(mask, "", np.asarray(values).astype(str))
            np.testing.assert_array_equal(texts, expected, err_msg=name)
            continue
        if pa.types.is_floating(ours.type):
            empty = mask | np.isnan(np.asarray(values, dtype=float))
            bits = np.asarray(values, dtype=np.float64)[~missing].view(np.int64)
            expected_bits = ours.to_numpy(zero_copy_only=False)[~missing].view(np.int64)
            np.testing.assert_array_equal(bits, expected_bits, err_msg=name)
        else:
            empty = mask
            expected = ours.drop_null().to_numpy(zero_copy_only=False)
            found = np.asarray(values)[~missing].astype(expected.dtype)
            np.testing.assert_array_equal(found, expected, err_msg=name)
        np.testing.assert_array_equal(empty, missing, err_msg=name)


@pytest.mark.parametrize("kind", FILES)
def test_values_come_back_to_the_last_bit(kind: str, exported: Path, run: FinishedRun) -> None:
    assert_same(READERS[kind](exported / FILES[kind]), table_of(run))


@pytest.mark.parametrize("kind", FILES)
def test_a_table_that_is_mostly_empty_comes_back(
    kind: str, exported: Path, run: FinishedRun
) -> None:
    assert_same(READERS[kind](exported / f"clusters_{FILES[kind]}"), table_of(run, "clusters"))


@pytest.mark.parametrize("table", ["candidates", "clusters"])
@pytest.mark.parametrize("kind", ["votable", "fits", "ecsv", "mrt"])
def test_units_come_back(kind: str, table: str, exported: Path) -> None:
    name = FILES[kind] if table == "candidates" else f"clusters_{FILES[kind]}"
    read = READERS[kind](exported / name)
    for field in RESULT_TABLES[table]:
        unit = read[field.name].unit
        wanted = Unit(field.unit) if field.unit else None
        if field.unit == "dex" and kind == "mrt":
            wanted = Unit("[-]", format="cds")  # CDS writes logarithms in brackets
        assert (unit is None) == (wanted is None), field.name
        if wanted is not None:  # by its name, since the standards do not know dex
            assert unit == wanted or str(unit) == str(wanted), field.name


def test_descriptions_and_ucds_are_there(exported: Path) -> None:
    columns = votable.parse_single_table(exported / "t.vot").fields
    for field, column in zip(RESULT_TABLES["candidates"], columns, strict=True):
        assert column.description == field.description
        assert column.ucd == ucd_of(field)
    header = fits.getheader(exported / "t.fits", 1)
    for number, field in enumerate(RESULT_TABLES["candidates"], 1):
        assert header[f"TUCD{number}"] == ucd_of(field)
        assert header[f"TCOMM{number}"].split()[0] == field.description.split()[0]
    read = Table.read(exported / "t.ecsv", format="ascii.ecsv")
    assert [read[f.name].description for f in RESULT_TABLES["candidates"]] == [
        f.description for f in RESULT_TABLES["candidates"]
    ]


@pytest.mark.parametrize("name", UCDS)
def test_ucds_are_of_the_controlled_vocabulary(name: str) -> None:
    parse_ucd(UCDS[name], check_controlled_vocabulary=True)


@pytest.mark.parametrize("name", ["t.vot", "clusters_t.vot"])
def test_votlint_has_nothing_to_say(name: str, exported: Path) -> None:
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed (Debian: apt-get install stilts)")
    done = subprocess.run(
        ["stilts", "votlint", f"votable={exported / name}"], capture_output=True, text=True
    )
    said = [line for line in done.stdout.splitlines() if "dex" not in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("name", ["t.fits", "clusters_t.fits"])
def test_fitsverify_finds_no_fault(name: str, exported: Path) -> None:
    if shutil.which("fitsverify") is None:
        pytest.skip("fitsverify is not installed (Debian: apt-get install fitsverify)")
    done = subprocess.run(
        ["fitsverify", "-q", str(exported / name)], capture_output=True, text=True
    )
    assert "verification OK" in done.stdout, done.stdout


def test_a_readme_of_its_own_opens_the_data(run: FinishedRun, tmp_path: Path) -> None:
    data, readme = tmp_path / "members.dat", tmp_path / "ReadMe"
    options = Options("mrt", str(data), table="training_members", readme=str(readme))
    assert export(run, options) == 20
    read = ascii.read(str(data), format="cds", readme=str(readme))
    assert_same(read, table_of(run, "training_members"))
    lines = readme.read_text().splitlines()
    (summary,) = [line.split() for line in lines if line.startswith(" members.dat")]
    assert int(summary[1]) == len(data.read_text().splitlines()[0])
    assert int(summary[2]) == 20
    assert max(map(len, lines)) <= 80


def test_machine_readable_columns_stand_where_they_are_said_to(exported: Path) -> None:
    """Byte by byte, without a reader's help."""
    lines = (exported / "t.mrt").read_text().splitlines()
    (place,) = [line for line in lines if " probability " in line]
    start, end = (int(v) for v in place[:9].split("-"))
    first = lines[len(lines) - ROWS]
    assert place.split()[2 if place[4] == "-" else 1].startswith("F") or "F" in place
    assert 0 <= float(first[start - 1 : end]) <= 1
    assert {len(line) for line in lines[-ROWS:]} == {len(first)}


def test_a_cut_takes_the_rows_that_pass(run: FinishedRun, tmp_path: Path) -> None:
    chosen = RowFilter(min_probability=0.4, bright=8.0, faint=17.0)
    rows = export(run, Options("csv", str(tmp_path / "cut.csv"), rows=chosen))
    frame = table_of(run).to_pandas()
    g = frame["phot_g_mean_mag"]
    wanted = frame[(frame["probability"] >= 0.4) & (g >= 8.0) & (g <= 17.0)]
    assert rows == len(wanted)
    read = pd.read_csv(tmp_path / "cut.csv")
    np.testing.assert_array_equal(read["source_id"], wanted["source_id"])


#: Where each kind of file says which members it has.
MEMBERS_TOLD: dict[str, Callable[[Path], str]] = {
    "votable": lambda path: next(
        info.value for info in votable.parse(path).resources[0].infos if info.name == "members"
    ),
    "fits": lambda path: fits.getheader(path, 1)["MEMBERS"],
    "ecsv": lambda path: Table.read(path, format="ascii.ecsv").meta["members"],
    "mrt": lambda path: " ".join(path.read_text().split()),
}


@pytest.mark.parametrize("kind", MEMBERS_TOLD)
@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (RowFilter(members=True), "posterior >= 0.5 (2 clusters), votes >= 0.5 (2 clusters)"),
        (RowFilter(min_posterior=0.8), "posterior >= 0.8"),
        (RowFilter(min_probability=0.8), "votes >= 0.8"),
    ],
)
def test_members_are_told_by_what_the_file_says(
    kind: str, chosen: RowFilter, told: str, run: FinishedRun, tmp_path: Path
) -> None:
    path = tmp_path / FILES[kind]
    rows = export(run, Options(kind, str(path), rows=chosen))
    frame = table_of(run).to_pandas()
    by_posterior = frame["cluster"].isin([CLUSTERS[0], CLUSTERS[2]])
    by_posterior |= chosen.min_posterior is not None
    by_posterior &= chosen.min_probability is None
    value = frame["posterior"].where(by_posterior, frame["probability"])
    wanted = value >= (0.5 if chosen.members else 0.8)
    read = READERS[kind](path)
    assert rows == len(read) == wanted.sum() > 100
    np.testing.assert_array_equal(read["source_id"], frame.loc[wanted, "source_id"])
    by = np.where(by_posterior[wanted], "posterior", "votes")
    np.testing.assert_array_equal(np.asarray(read["members_by"]).astype(str), by)
    assert told in MEMBERS_TOLD[kind](path)


def test_no_rows_make_a_table_without_rows(run: FinishedRun, tmp_path: Path) -> None:
    nothing = RowFilter(faint=0.0)
    for kind, name in FILES.items():
        assert export(run, Options(kind, str(tmp_path / name), rows=nothing)) == 0
        if kind != "mrt":  # astropy reads no machine-readable table without data
            read = READERS[kind](tmp_path / name)
            assert len(read) == 0 and read.colnames == table_of(run).column_names


def with_names(source: Source, name: str) -> Source:
    """A source whose clusters are all called `name`."""

    def batches(columns: object = None, watch: object = None) -> Iterator[pa.RecordBatch]:
        for batch in source.batches(columns, watch):  # type: ignore[arg-type]
            if "cluster" in batch.schema.names:
                place = batch.schema.get_field_index("cluster")
                batch = batch.set_column(place, "cluster", pa.array([name] * batch.num_rows))
            yield batch

    return Source(source.name, source.title, source.fields, batches, source.facts)


def test_names_in_any_script_go_where_they_can(run: FinishedRun, tmp_path: Path) -> None:
    from ocspark.exports.votable import write_votable

    source = with_names(run_table(run, "training_members"), "Παρανάλ 𝛼-1")
    with open(tmp_path / "t.vot", "wb") as stream:
        write_votable(source, stream)
    read = READERS["votable"](tmp_path / "t.vot")
    assert set(read["source_id"]) == set(table_of(run, "training_members")["source_id"].to_pylist())
    assert set(read["cluster"]) == {"Παρανάλ 𝛼-1"}
    with open(tmp_path / "t.fits", "wb") as stream, pytest.raises(InputError, match="not ASCII"):
        write_fits(source, stream)


def test_a_failed_export_leaves_nothing(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: Source, stream: object) -> int:
        stream.write(b"half")  # type: ignore[attr-defined]
        raise OSError("the disk is full")

    monkeypatch.setitem(export.__globals__["_WRITERS"], "csv", broken)
    with pytest.raises(OSError, match="full"):
        export(run, Options("csv", str(tmp_path / "t.csv")))
    assert not list(tmp_path.iterdir())


def test_an_output_is_replaced_only_when_asked(run: FinishedRun, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("precious")
    with pytest.raises(InputError, match="--overwrite"):
        export(run, Options("csv", str(path)))
    assert path.read_text() == "precious"
    export(run, Options("csv", str(path), overwrite=True))
    assert path.read_text().startswith("cluster,")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    for kind in ("hats", "fits"):
        with pytest.raises(InputError):
            export(run, Options(kind, str(folder), overwrite=True))
    assert (folder / "thesis.tex").exists()


def test_runs_and_outputs_may_be_uris(run: FinishedRun, tmp_path: Path) -> None:
    there = open_run(f"file://{run.path}")
    assert (
        export(
            there, Options("csv", f"file://{tmp_path}/t.csv", rows=RowFilter(min_probability=0.9))
        )
        > 0
    )
    export(run, Options("csv", str(tmp_path / "same.csv"), rows=RowFilter(min_probability=0.9)))
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "same.csv").read_bytes()
