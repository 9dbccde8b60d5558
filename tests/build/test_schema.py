"""What one header tells of a release, in every format, for the surprises that one may hold."""

from __future__ import annotations

import gzip
import re
import runpy
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits, votable
from astropy.table import Table

from ocspark.build.schema import compare_schema, compare_schemas
from ocspark.errors import InputError
from ocspark.mock.mirror import mirror_schema
from ocspark.mock.observatory import Observatory
from ocspark.release import load_release
from tests.helpers.bulk import make_sources, write_bulk
from tests.helpers.toyrun import ROOT

SCHEMA = mirror_schema(Observatory.from_release(load_release("dr4")))


def empty(schema: pa.Schema, path: Path) -> str:
    pq.write_table(schema.empty_table(), path)
    return str(path)


def test_a_file_as_described_has_nothing_to_say(tmp_path: Path) -> None:
    report = compare_schema(empty(SCHEMA, tmp_path / "a.parquet"))
    assert report.release.name == "dr4" and report.faults == [] and report.renamed == []
    assert list(report.lines())[-1].startswith("ok ")


def changed(name: str, field: pa.Field | None) -> pa.Schema:
    fields = [field if f.name == name else f for f in SCHEMA]
    return pa.schema([f for f in fields if f is not None])


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            changed("phot_g_n_obs", pa.field("phot_g_n_transits", pa.int16())),
            "phot_g_n_obs, for errors of magnitudes .*; like it: phot_g_n_transits",
        ),
        (changed("pmra_pmdec_corr", None), "pmra_pmdec_corr, for sampling"),
        (
            changed("tentative_parallax_bias", pa.field("parallax_zero_point", pa.float64())),
            r"parallax_bias \(tentative_parallax_bias\), for the parallax zero point",
        ),
        (changed("source_id", pa.field("source_id", pa.uint64())), "source_id is uint64; expected"),
        (changed("ra", pa.field("ra", pa.float32())), "ra is float; expected double"),
        (SCHEMA.append(pa.field("Parallax", pa.float64())), "parallax and Parallax"),
    ],
)
def test_a_surprise_is_named(tmp_path: Path, schema: pa.Schema, words: str) -> None:
    report = compare_schema(empty(schema, tmp_path / "a.parquet"), "dr4")
    assert len(report.faults) == 1
    assert re.search(words, report.faults[0]), report.faults


def test_capitals_and_columns_that_nothing_needs_are_no_faults(tmp_path: Path) -> None:
    fields = [f.with_name(f.name.upper()) for f in SCHEMA if f.name != "ecl_lat"]
    report = compare_schema(empty(pa.schema(fields), tmp_path / "a.parquet"), "dr4")
    assert report.faults == [] and len(report.renamed) == len(fields) - 1  # but the index
    assert report.unused[0].startswith("ecl_lat; no calculation needs it")


def test_formats_tell_the_same_columns(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            **{c: [1.5] for c in load_release("dr3").needed},
            "source_id": [1],
            "solution": [31],
            "extra": ["x"],
        }
    ).rename(columns={n: c[0] for n, c in load_release("dr3").columns.items()})
    table = Table.from_pandas(rows)
    table.write(tmp_path / "a.vot", format="votable")
    table.write(tmp_path / "a.fits")
    table.write(tmp_path / "a.ecsv")
    (tmp_path / "a.ecsv.gz").write_bytes(gzip.compress((tmp_path / "a.ecsv").read_bytes()))
    rows.to_csv(tmp_path / "a.csv", index=False)
    rows.to_parquet(tmp_path / "a.parquet", index=False)
    for name in ("a.vot", "a.fits", "a.ecsv", "a.ecsv.gz", "a.csv", "a.parquet"):
        report = compare_schema(str(tmp_path / name))
        assert report.release.name == "dr3" and report.faults == [], name
        assert report.unexpected == ["extra"] and report.n_columns == len(rows.columns), name


def rows_of_dr3() -> Table:
    release = load_release("dr3")
    columns = {release.columns[name][0]: [1.5] for name in release.needed}
    ids = {"source_id": [1], "astrometric_params_solved": [31]}
    return Table({**columns, **ids})


@pytest.mark.parametrize("kind", ["votable", "fits", "ecsv", "parquet"])
def test_units_are_told(tmp_path: Path, kind: str) -> None:
    table, path = rows_of_dr3(), tmp_path / f"a.{kind}"
    table["ra"].unit, table["parallax"].unit, table["pmra"].unit = "deg", "arcsec", "mag"
    table.write(path, format={"ecsv": "ascii.ecsv"}.get(kind, kind))
    report = compare_schema(str(path))
    assert report.n_units == 3
    assert report.converted == ["parallax is in arcsec; a build converts it to mas"]
    assert report.faults == ["pmra is in mag; expected mas/yr"]
    assert {"unit", "UNIT"} <= {line.split()[0] for line in report.lines()}


@pytest.mark.parametrize("kind", ["vot", "fits"])
def test_each_table_of_a_file_is_described(tmp_path: Path, kind: str) -> None:
    gaia, other, path = rows_of_dr3(), Table({"name": ["x"] * 5000}), tmp_path / f"a.{kind}"
    gaia.meta["EXTNAME"], other.meta["EXTNAME"] = "gaia", "notes"
    if kind == "fits":
        units = [fits.PrimaryHDU(), *map(fits.table_to_hdu, (other, gaia))]
        fits.HDUList(units).writeto(path)
    else:
        document, more = votable.from_table(other), votable.from_table(gaia)
        document.resources[0].tables[0].name = "notes"
        more.resources[0].tables[0].name = "gaia"
        document.resources.append(more.resources[0])
        document.to_xml(str(path))
    notes, stars = compare_schemas(str(path), "dr3")
    assert notes.path.endswith(f"a.{kind}, table 1 (notes)") and len(notes.missing) > 10
    assert stars.path.endswith(f"a.{kind}, table 2 (gaia)") and stars.faults == []
    assert compare_schema(str(path)).path == stars.path


def test_no_row_is_read(tmp_path: Path) -> None:
    """What comes after the header may be anything."""
    write_bulk(tmp_path / "bulk", make_sources(100), 1)
    file = next((tmp_path / "bulk").glob("*.csv.gz"))
    head = gzip.decompress(file.read_bytes()).split(b"\n")
    last = next(i for i, line in enumerate(head) if not line.startswith(b"#"))
    file.write_bytes(gzip.compress(b"\n".join(head[: last + 1]) + b"\nno,rows\n"))
    assert compare_schema(str(tmp_path / "bulk")).faults == []


@pytest.mark.parametrize("path", ["nowhere", "empty", "empty/none.parquet"])
def test_nothing_to_read_is_one_line(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    if path.endswith(".parquet"):
        (tmp_path / path).write_bytes(b"PAR")
    with pytest.raises(InputError):
        compare_schema(str(tmp_path / path))


def test_the_job_prints_a_line_a_column_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = empty(changed("pmra", None), tmp_path / "a.parquet")
    codes = []
    for arguments in ([path, "--release", "dr4"], [empty(SCHEMA, tmp_path / "b.parquet")]):
        monkeypatch.setattr(sys, "argv", ["schema.py", *arguments])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "jobs/schema.py"), run_name="__main__")
        codes.append(stop.value.code)
    said = capsys.readouterr()
    assert codes == [2, 0]
    assert "MISSING    pmra, for every calculation" in said.out
    assert said.err.count("ocspark: ") == 1 and "1 columns are not as dr4 needs them" in said.err
