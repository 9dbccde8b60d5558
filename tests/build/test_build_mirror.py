"""A mirror built from bulk files holds their rows, whatever happens while it is built."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.build import build_mirror as build
from ocspark.errors import InputError
from ocspark.mirror.layout import list_pieces
from tests.helpers.bulk import (
    MAX_ROWS,
    NEEDED,
    content,
    expected,
    list_md5,
    make,
    make_sources,
    spoil_checksum,
    write_bulk,
)

SOURCES = make_sources()
REAL = Path(__file__).parents[2] / "../shared/data/gaia/bulk"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tasks run in this process, one after another; the list tells which."""
    done: list[str] = []

    def run(_: Any, function: Callable[[Any], str], items: Any, look: Callable[[], None]) -> Any:
        results = []
        for item in items:
            results.append(function(item))
            done.append(getattr(item, "name", "") or item.key)
            look()
        return results

    monkeypatch.setattr(build, "run_tasks", run)
    return done


@pytest.fixture
def bulk(tmp_path: Path) -> Path:
    write_bulk(tmp_path / "bulk", SOURCES)
    return tmp_path / "bulk"


def rows_of(mirror: Path) -> pa.Table:
    tables = [pq.ParquetFile(file.path).read() for file in list_pieces(str(mirror)).files]
    return pa.concat_tables(tables).drop_columns("_healpix_29").sort_by("source_id")


@pytest.mark.parametrize("columns", ["needed", "all"])
def test_all_rows_arrive_with_their_types_and_nulls(
    bulk: Path, tmp_path: Path, spark: SparkSession, columns: str
):
    record = make(bulk, tmp_path / "mirror", spark, columns=columns).record
    names = [c for c in SOURCES if columns == "all" or c in NEEDED]
    assert rows_of(tmp_path / "mirror").equals(expected(SOURCES, names))
    assert record["rows"] == len(SOURCES) and record["columns"] == len(names) + 1
    assert {p.name for p in (tmp_path / "mirror").iterdir()} == {
        *("dataset", "partition_info.csv", "properties", "hats.properties", "ocspark_build.json")
    }


def test_each_row_lies_in_its_pixel_and_in_order(bulk: Path, tmp_path: Path, here):
    make(bulk, tmp_path / "mirror")
    files = list_pieces(str(tmp_path / "mirror")).files
    assert len({f.pixel.order for f in files}) > 2  # crowded and empty sky
    for file in files:
        table = pq.ParquetFile(file.path).read().to_pandas()
        ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
        sky = healpy.ang2pix(1 << 29, ra, dec, nest=True, lonlat=True)
        assert np.array_equal(sky, table["_healpix_29"])
        assert set(sky >> 2 * (29 - file.pixel.order)) == {file.pixel.pixel}
        sort = table[["_healpix_29", "source_id"]]
        assert sort.equals(sort.sort_values(["_healpix_29", "source_id"], ignore_index=True))
        assert len(table) <= MAX_ROWS


def test_rows_without_a_position_are_left_out_and_counted(tmp_path: Path, here, caplog):
    lost = SOURCES.copy()
    lost.loc[3:9, "ra"] = np.nan
    write_bulk(tmp_path / "bulk", lost)
    with caplog.at_level("WARNING", "ocspark"):
        record = make(tmp_path / "bulk", tmp_path / "mirror").record
    assert (record["rows"], record["without_position"]) == (len(lost) - 7, 7)
    assert "7 of 600 rows have no position" in caplog.text


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2000])
    list_md5(file.parent, sorted(file.parent.glob("*.gz")))


def unpacked(change: Callable[[str], str]) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        file.write_bytes(
            gzip.compress(change(gzip.decompress(file.read_bytes()).decode()).encode())
        )
        list_md5(file.parent, sorted(file.parent.glob("*.gz")))

    return spoil


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "checksum": (spoil_checksum, "its MD5 is"),
    "truncated": (truncate, "Truncated compressed stream"),
    "absent": (Path.unlink, "is listed, but not there"),
    "no column": (unpacked(lambda t: t.replace("pseudocolour", "pseudocolor")), "pseudocolour"),
    "no number": (unpacked(lambda t: t.replace("null", "void")), "void"),
    "not a table": (lambda file: file.write_bytes(gzip.compress(b"")), "its MD5 is"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_quarantined_and_only_it_is_read_again(
    bulk: Path, tmp_path: Path, here, fault: str
):
    spoil, reason = FAULTS[fault]
    make(bulk, tmp_path / "undisturbed")
    file = sorted(bulk.glob("*.gz"))[1]
    good, md5 = file.read_bytes(), (bulk / "_MD5SUM.txt").read_text()
    spoil(file)
    mirror = tmp_path / "mirror"
    with pytest.raises(InputError, match="1 of 4 files cannot be used") as error:
        make(bulk, mirror)
    assert "\n" not in str(error.value) and file.name in str(error.value)
    listed = json.loads((mirror / "_ocspark_unfinished/quarantine.json").read_text())
    assert [entry["file"] for entry in listed] == [file.name]
    assert reason in listed[0]["reason"]
    assert not (mirror / "dataset").exists() and not (mirror / "properties").exists()
    with pytest.raises(InputError, match="has not finished"):
        list_pieces(str(mirror))

    file.write_bytes(good)
    (bulk / "_MD5SUM.txt").write_text(md5)
    here.clear()
    make(bulk, mirror)
    assert [name for name in here if name.endswith(".gz")] == [file.name]
    assert content(mirror) == content(tmp_path / "undisturbed")


class Crash(BaseException):
    """What no code catches, as a kill would be."""


def test_a_build_stopped_at_any_write_ends_with_the_same_bytes(
    bulk: Path, tmp_path: Path, here, monkeypatch
):
    left = [10**9]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return function(*arguments)

        return call

    for name in ("open_whole", "remove_file", "remove_directory", "make_directory"):
        monkeypatch.setattr(storage, name, counted(getattr(storage, name)))
    make(bulk, tmp_path / "undisturbed")
    steps = 10**9 - left[0]
    assert steps > 60
    undisturbed = content(tmp_path / "undisturbed")
    for moment in np.random.default_rng(8).choice(steps, 10, replace=False):
        mirror = tmp_path / f"stopped-{moment}"
        left[0] = int(moment)
        with pytest.raises(Crash):
            make(bulk, mirror)
        left[0] = 10**9
        for lock in mirror.glob("_lock"):  # a killed process would be found dead
            lock.unlink()
        make(bulk, mirror)
        assert content(mirror) == undisturbed
        assert not (mirror / "_ocspark_unfinished").exists()


def test_finished_files_are_not_done_again(bulk: Path, tmp_path: Path, here, monkeypatch):
    whole = build.write_pixel

    def fails(*arguments: Any) -> str:
        if len(here) == 7:  # 4 files, 3 pixels
            raise Crash
        return whole(*arguments)

    monkeypatch.setattr(build, "write_pixel", fails)
    with pytest.raises(Crash):
        make(bulk, tmp_path / "mirror")
    before = list(here)
    here.clear()
    monkeypatch.setattr(build, "write_pixel", whole)
    make(bulk, tmp_path / "mirror")
    assert len(before) == 7 and not set(before) & set(here)


def test_an_input_file_that_changed_is_read_again(bulk: Path, tmp_path: Path, here, monkeypatch):
    def no_publishing(*_: Any, **__: Any) -> None:
        raise Crash

    mirror = tmp_path / "mirror"
    with monkeypatch.context() as patch:
        patch.setattr(build, "write_catalogue_metadata", no_publishing)
        with pytest.raises(Crash):
            make(bulk, mirror)
    fewer = SOURCES[SOURCES["source_id"] > SOURCES["source_id"].median()]
    for file in bulk.iterdir():
        file.unlink()
    bulk.rmdir()
    write_bulk(bulk, fewer, 2)
    make(bulk, mirror)
    names = [c for c in SOURCES if c in NEEDED]
    assert rows_of(mirror).equals(expected(fewer, names))
    make(bulk, tmp_path / "fresh")
    assert content(mirror) == content(tmp_path / "fresh")


@pytest.mark.parametrize("state", ["unfinished", "finished"])
@pytest.mark.parametrize("change", [{"max_rows": 61}, {"columns": "all"}])
def test_other_settings_are_refused(
    bulk: Path, tmp_path: Path, here, monkeypatch, change: dict[str, Any], state: str
):
    mirror = tmp_path / "mirror"
    if state == "unfinished":
        broken = sorted(bulk.glob("*.gz"))[0]
        good = broken.read_bytes()
        broken.write_bytes(b"")
        with pytest.raises(InputError):
            make(bulk, mirror)
        broken.write_bytes(good)
    else:
        make(bulk, mirror)
    with pytest.raises(InputError, match=f"{state}.* with {next(iter(change))}"):
        make(bulk, mirror, **change)
    with pytest.raises(InputError, match="with input"):
        make(sorted(bulk.glob("*.gz"))[0], mirror)
    assert make(bulk, mirror).already_finished == (state == "finished")


def test_foreign_folders_and_empty_inputs_are_refused(bulk: Path, tmp_path: Path, here):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    for output, source, reason in (
        (tmp_path / "mine", bulk, "is not empty"),
        (tmp_path / "mine/notes.txt", bulk, "is a file"),
        (tmp_path / "new", tmp_path / "mine", "no table files"),
        (tmp_path / "new", tmp_path / "nothing", "no such file"),
        (bulk / "mirror", bulk, "lies in the input"),
    ):
        with pytest.raises(InputError, match=reason):
            make(source, output)
    assert not (tmp_path / "new").exists() and not (bulk / "mirror").exists()
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="--max-rows 0"):
        make(bulk, tmp_path / "new", max_rows=0)


def test_formats_agree(bulk: Path, tmp_path: Path, here):
    from astropy.table import MaskedColumn, Table

    columns = {}
    for name in SOURCES:
        if name in NEEDED:
            missing = SOURCES[name].isna().to_numpy()
            values = SOURCES[name].fillna(0).to_numpy(SOURCES[name].dtype.name.lower())
            columns[name.upper() if name == "source_id" else name] = MaskedColumn(
                values, mask=missing
            )
    table, plain = Table(columns), SOURCES[[c for c in SOURCES if c in NEEDED]]
    table.write(tmp_path / "sources.fits")
    table.write(tmp_path / "sources.vot", format="votable")
    table.write(tmp_path / "sources.ecsv")
    plain.to_csv(tmp_path / "sources.csv", index=False)
    (tmp_path / "parts").mkdir()
    for number in range(3):
        plain[number::3].to_parquet(tmp_path / f"parts/{number}.parquet", index=False)
    make(bulk, tmp_path / "from-bulk")
    truth = rows_of(tmp_path / "from-bulk")
    sources = ["sources.fits", "sources.vot", "sources.ecsv", "sources.csv", "parts", "from-bulk"]
    for source in sources:
        mirror = tmp_path / f"of-{source}"
        make(tmp_path / source, mirror)
        rows = rows_of(mirror).select(truth.column_names)
        if source == "sources.csv":  # tells no types: wider ones, numbers as close as float32
            assert rows.column("ra").equals(truth.column("ra"))
            rows = rows.cast(truth.schema)
        assert rows.equals(truth), source
    assert content(tmp_path / "of-from-bulk") == content(tmp_path / "from-bulk")


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data/gaia/bulk")
@pytest.mark.parametrize("columns", ["needed", "all"])
def test_real_bulk_files_equal_what_astropy_reads(tmp_path: Path, here, columns: str):
    from astropy.table import Table, vstack

    make(REAL, tmp_path / "mirror", columns=columns, max_rows=300)
    rows = rows_of(tmp_path / "mirror")
    files = sorted(REAL.glob("*.csv.gz"))
    # as ESA's documentation says that these files are to be read
    tables = [
        Table.read(f, format="ascii.ecsv", fill_values=("null", "0"), fill_include_names=None)
        for f in files
    ]
    table = vstack(tables, metadata_conflicts="silent")
    table.sort("source_id")
    assert rows.num_rows == len(table) == 2390
    assert rows.num_columns == (152 if columns == "all" else len(NEEDED))
    for name in rows.column_names:
        mine, theirs = rows.column(name).combine_chunks(), table[name]
        missing = np.ma.getmaskarray(
            np.ma.asarray(theirs.data if hasattr(theirs, "mask") else theirs)
        )
        assert np.array_equal(mine.is_null().to_numpy(zero_copy_only=False), missing), name
        if theirs.dtype.kind in "fib":
            assert mine.type == pa.from_numpy_dtype(theirs.dtype), name
        known = np.asarray(theirs)[~missing]
        assert np.array_equal(mine.drop_null().to_numpy(zero_copy_only=False), known), name


def test_the_mirror_is_valid_hats_and_lsdb_finds_the_same_stars(bulk: Path, tmp_path: Path, here):
    validation = pytest.importorskip("hats.io.validation")
    lsdb = pytest.importorskip("lsdb")
    make(bulk, tmp_path / "mirror", columns="all")
    assert validation.is_valid_catalog(str(tmp_path / "mirror"), strict=True)
    catalogue = lsdb.open_catalog(str(tmp_path / "mirror"))
    ra, dec = (float(SOURCES[name].iloc[0]) for name in ("ra", "dec"))
    found = catalogue.cone_search(ra, dec, radius_arcsec=40 * 3600).compute()
    x, y = np.radians(SOURCES["dec"] - dec) / 2, np.radians(SOURCES["ra"] - ra) / 2
    near = np.sin(x) ** 2 + np.cos(np.radians(SOURCES["dec"])) * np.cos(np.radians(dec)) * (
        np.sin(y) ** 2
    )
    inside = np.degrees(2 * np.arcsin(np.sqrt(near))) <= 40
    assert 10 < inside.sum() < len(SOURCES)
    assert set(found["source_id"]) == set(SOURCES.loc[inside, "source_id"])


def test_a_source_in_two_files_is_refused_with_their_names(tmp_path: Path, here):
    """As where downloads overlap, or a margin lies beside its catalogue."""
    plain = SOURCES[[c for c in SOURCES if c in NEEDED]]
    (tmp_path / "parts").mkdir()
    plain[:200].to_parquet(tmp_path / "parts/first.parquet", index=False)
    plain[199:].to_csv(tmp_path / "parts/second.csv", index=False)
    twice = plain["source_id"].iloc[199]
    words = f"source_id {twice} is there more than once, in first.parquet and second.csv; expected"
    with pytest.raises(InputError, match=words):
        make(tmp_path / "parts", tmp_path / "mirror")
    with pytest.raises(InputError, match="its building has not finished"):
        list_pieces(str(tmp_path / "mirror"))
