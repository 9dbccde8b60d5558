"""Verification passes what is right and names each planted fault, and only what it breaks."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark.build.findings import FileToCheck
from ocspark.build.verify_file import check_file
from ocspark.build.verify_mirror import verify_mirror
from ocspark.build.verify_report import Report, report_lines
from ocspark.errors import InputError
from ocspark.mock.observatory import Observatory
from ocspark.mock.observe import observe
from ocspark.mock.planted import source_id
from ocspark.release import load_release
from ocspark.settings import conf_path
from ocspark.sky.healpix import index_29
from tests.helpers.hats import write_hats
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT

ORDER = 1
DR3 = load_release("dr3")
SHARED = Path(__file__).parents[2] / "../shared/data/gaia"


@pytest.fixture(scope="module")
def sound(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HATS catalogue of the toy sky, written by ocspark."""
    path = tmp_path_factory.mktemp("sound") / "hats"
    write_hats(toy.sources, path, ORDER, folders=True, row_group_rows=100)
    return path


@pytest.fixture
def mirror(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(sound, tmp_path / "hats"))


def files_of(mirror: Path) -> list[Path]:
    """Its data files, the one with the most rows first."""
    found = (mirror / "dataset").rglob("*.parquet")
    return sorted(found, key=lambda f: (-pq.read_metadata(f).num_rows, str(f)))


def edit(file: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a file's rows; types and columns stay unless `change` adds or drops some."""
    table = pq.ParquetFile(file).read()
    frame = change(table.to_pandas())
    fields = [
        table.schema.field(c) if c in table.column_names else pa.field(c, pa.float64())
        for c in frame
    ]
    pq.write_table(pa.Table.from_pandas(frame, pa.schema(fields), preserve_index=False), file)


def setting(column: str, value: Any, row: int = 3) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, column] = value(frame.loc[row]) if callable(value) else value
        return frame

    return change


def check_of(report: Report, name: str) -> Any:
    return next(check for check in report.checks if check.name == name)


def verify(mirror: Path, spark: SparkSession, expected: str = "any") -> Report:
    return verify_mirror(str(mirror), "dr3", expected, spark)


def test_a_sound_mirror_passes_every_check(toy: Toy, sound: Path, spark: SparkSession) -> None:
    report = verify(sound, spark, str(len(toy.sources)))
    assert report.passed and report.failed == []
    assert {check.status for check in report.checks} == {"passed"}
    assert report.rows == len(toy.sources) and report.files == len(files_of(sound))
    fractions = {column.name: column.null_fraction for column in report.columns}
    assert fractions["nu_eff_used_in_astrometry"] == pytest.approx(
        toy.sources["nu_eff_used_in_astrometry"].isna().mean()
    )
    assert fractions["parallax"] == 0.0
    needed = [column.name for column in report.columns if column.needed]
    assert set(needed) == {DR3.columns[name][0] for name in DR3.needed}
    assert [column.name for column in report.columns if not column.needed] == ["_healpix_29"]


# one pixel's file is spoilt; what fails, and a word of the example
def unlisted_file(mirror: Path) -> None:
    whole = files_of(mirror)[0]
    (whole.parents[1] / "Npix=47").mkdir()
    shutil.copy(whole, whole.parents[1] / "Npix=47" / "stray.parquet")


def missing_file(mirror: Path) -> None:
    shutil.rmtree(files_of(mirror)[-1].parent)


def parent_listed(mirror: Path) -> None:
    """A parent pixel, with a row of its child, beside the child that keeps the row."""
    child = files_of(mirror)[0]
    pixel = int(child.parent.name[5:]) >> 2
    folder = mirror / "dataset/Norder=0/Dir=0" / f"Npix={pixel}"
    folder.mkdir(parents=True)
    pq.write_table(pq.ParquetFile(child).read().slice(0, 1), folder / "part.parquet")
    info = mirror / "partition_info.csv"
    info.write_text(info.read_text() + f"0,{pixel},1\n")


def truncated(mirror: Path) -> None:
    file = files_of(mirror)[0]
    file.write_bytes(file.read_bytes()[:-50])


def flipped_bit(mirror: Path) -> None:
    """One bit of a page, which only its checksum tells."""
    file = files_of(mirror)[0]
    column = pq.read_metadata(file).row_group(1).column(3)
    content = bytearray(file.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 2] ^= 1
    file.write_bytes(bytes(content))


def lost_row(mirror: Path) -> None:
    edit(files_of(mirror)[0], lambda t: t.drop(index=5))


def wrong_properties(mirror: Path) -> None:
    for name in ("properties", "hats.properties"):
        text = (mirror / name).read_text()
        (mirror / name).write_text(text.replace("hats_nrows=", "hats_nrows=1"))


def wrong_partition_info(mirror: Path) -> None:
    table = pd.read_csv(mirror / "partition_info.csv")
    table.loc[0, "num_rows"] += 1
    table.to_csv(mirror / "partition_info.csv", index=False)


def dropped_column(mirror: Path) -> None:
    for file in files_of(mirror):
        edit(file, lambda t: t.drop(columns="pmdec_error"))
    schema = pq.read_schema(files_of(mirror)[0])
    pq.write_metadata(schema, mirror / "dataset/_common_metadata")


def single_precision_ra(mirror: Path) -> None:
    for file in files_of(mirror):
        table = pq.ParquetFile(file).read()
        at = table.column_names.index("ra")
        pq.write_table(table.set_column(at, "ra", table["ra"].cast("float32")), file)
    pq.write_metadata(pq.read_schema(files_of(mirror)[0]), mirror / "dataset/_common_metadata")


def one_file_with_another_type(mirror: Path) -> None:
    file = files_of(mirror)[1]
    table = pq.ParquetFile(file).read()
    at = table.column_names.index("pmra")
    pq.write_table(table.set_column(at, "pmra", table["pmra"].cast("float32")), file)


def no_common_metadata(mirror: Path) -> None:
    (mirror / "dataset/_common_metadata").unlink()


def moved_row(mirror: Path) -> None:
    """A row, index and all, in another pixel's file; in its place by the index."""
    one, other = files_of(mirror)[:2]
    row = pq.ParquetFile(one).read().to_pandas().iloc[[0]]
    edit(one, lambda t: t.iloc[1:])
    edit(other, lambda t: pd.concat([t, row]).sort_values("_healpix_29"))
    info = pd.read_csv(mirror / "partition_info.csv").set_index("Npix")
    info.loc[int(one.parent.name[5:]), "num_rows"] -= 1
    info.loc[int(other.parent.name[5:]), "num_rows"] += 1
    info.reset_index()[["Norder", "Npix", "num_rows"]].to_csv(
        mirror / "partition_info.csv", index=False
    )


def wrong_index(mirror: Path) -> None:
    # between its neighbours, so that the order holds
    edit(files_of(mirror)[0], lambda t: setting("_healpix_29", t["_healpix_29"][4])(t))


def swapped_rows(mirror: Path) -> None:
    def swap(table: pd.DataFrame) -> pd.DataFrame:
        order = np.arange(len(table))
        order[[2, 300]] = order[[300, 2]]
        return table.iloc[order]

    edit(files_of(mirror)[0], swap)


def foreign_id(mirror: Path) -> None:
    # two level-12 cells on, 1.7 arcmin away at least
    edit(
        files_of(mirror)[0],
        setting("source_id", lambda r: (far_cell(r.ra, r.dec) << 35) + 99),
    )


def far_cell(ra: float, dec: float) -> int:
    near = healpy.query_disc(
        4096, healpy.ang2vec(ra, dec, lonlat=True), np.radians(240 / 3600), nest=True
    )
    inner = healpy.query_disc(
        4096, healpy.ang2vec(ra, dec, lonlat=True), np.radians(200 / 3600), nest=True
    )
    return int(next(cell for cell in near if cell not in inner))


def repeated_id(mirror: Path) -> None:
    """The id of a star given to another in the same level-12 cell."""

    def repeat(table: pd.DataFrame) -> pd.DataFrame:
        cell = table["source_id"].to_numpy() >> 35
        first = int(np.flatnonzero(np.diff(cell) == 0)[0])
        table.loc[first + 1, "source_id"] = table["source_id"][first]
        return table

    edit(files_of(mirror)[0], repeat)


def row_in_two_files(mirror: Path) -> None:
    file = files_of(mirror)[0]
    table = pq.ParquetFile(file).read().slice(0, 2)
    pq.write_table(table, file.with_name("again.parquet"))


def no_position(mirror: Path) -> None:
    edit(files_of(mirror)[0], setting("dec", np.nan))


def impossible_position(mirror: Path) -> None:
    edit(files_of(mirror)[0], setting("dec", 91.0))


def half_a_solution(mirror: Path) -> None:
    edit(files_of(mirror)[0], setting("pmra_error", np.nan))


def positions_only(mirror: Path) -> None:
    edit(files_of(mirror)[0], setting("astrometric_params_solved", 3))


def empty_column(mirror: Path) -> None:
    for file in files_of(mirror):
        edit(file, lambda t: t.assign(phot_rp_mean_mag=np.nan))


FAULTS: dict[str, tuple[Callable[[Path], None], set[str], str]] = {
    "file not listed": (unlisted_file, {"files_listed"}, "Npix=47/stray.parquet"),
    "listed file missing": (missing_file, {"files_present", "row_count_recorded"}, "Npix="),
    "parent and child listed": (
        parent_listed,
        {"pixels_disjoint", "row_count_recorded", "source_id_unique"},
        "lies in Norder=0",
    ),
    "truncated file": (truncated, {"files_readable", "row_count_recorded"}, ".parquet"),
    "flipped bit": (flipped_bit, {"files_readable", "row_count_recorded"}, ".parquet"),
    "lost row": (lost_row, {"row_count_recorded"}, "hats_nrows says"),
    "wrong hats_nrows": (wrong_properties, {"row_count_recorded"}, "hats_nrows says 1"),
    "wrong num_rows": (wrong_partition_info, {"row_count_recorded"}, "partition_info.csv says"),
    "column missing": (dropped_column, {"columns"}, "pmdec_error is missing"),
    "ra in single precision": (single_precision_ra, {"columns"}, "ra is float; expected double"),
    "types differ": (one_file_with_another_type, {"columns_alike"}, "pmra is float; elsewhere"),
    "no common schema": (no_common_metadata, {"columns_alike"}, "_common_metadata"),
    "row in another pixel": (moved_row, {"pixel"}, "source_id"),
    "wrong index": (wrong_index, {"healpix_index"}, "index"),
    "rows out of order": (swapped_rows, {"sorted"}, "after a greater one"),
    "id of another place": (foreign_id, {"source_id_position"}, "source_id"),
    "id twice": (repeated_id, {"source_id_unique"}, "source_id"),
    "rows in two files": (
        row_in_two_files,
        {"source_id_unique", "row_count_recorded"},
        "again.parquet",
    ),
    "no position": (no_position, {"keys", "null_fractions"}, "dec nan"),
    "impossible position": (impossible_position, {"keys"}, "dec 91"),
    "half a solution": (
        half_a_solution,
        {"solution"},
        "pmra_error is missing, with astrometric_params_solved 31",
    ),
    "other solution": (
        positions_only,
        {"solution"},
        "parallax is there, with astrometric_params_solved 3",
    ),
    "empty column": (empty_column, {"null_fractions"}, "phot_rp_mean_mag: all"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(
    mirror: Path, spark: SparkSession, fault: str
) -> None:
    plant, checks, words = FAULTS[fault]
    plant(mirror)
    report = verify(mirror, spark)
    assert not report.passed
    assert set(report.failed) == checks
    examples = [text for name in checks for text in check_of(report, name).examples]
    assert any(words in text for text in examples), examples
    assert all(check_of(report, name).counts["faults"] > 0 for name in checks)


def test_the_number_of_rows_is_held_against_the_release_or_the_given_one(
    toy: Toy, sound: Path, spark: SparkSession
) -> None:
    n = len(toy.sources)
    assert verify(sound, spark, str(n + 1)).failed == ["row_count"]
    whole = verify_mirror(str(sound), "dr3", None, spark)
    # a whole release must also lack values as often as the release does
    assert whole.failed == ["row_count", "null_fractions"]
    assert "1811709771" in check_of(whole, "row_count").examples[0]
    assert any("the release has 18.97" in e for e in check_of(whole, "null_fractions").examples)


@pytest.mark.parametrize(("announced", "met"), [(1.009, True), (0.992, True), (1.02, False)])
def test_a_draft_release_has_about_as_many_rows_as_announced(
    toy: Toy, sound: Path, spark: SparkSession, tmp_path: Path, announced: float, met: bool
) -> None:
    tree = yaml.safe_load(conf_path("releases", "dr3.yaml").read_text())
    rows = round(announced * len(toy.sources))
    tree |= {"draft": True, "expected_rows": rows, "null_fractions": {}}
    (tmp_path / "draft.yaml").write_text(yaml.safe_dump(tree))
    report = verify_mirror(str(sound), str(tmp_path / "draft.yaml"), None, spark)
    assert report.failed == ([] if met else ["row_count"])
    if not met:
        assert f"expected about {rows}" in check_of(report, "row_count").examples[0]


@pytest.mark.parametrize(
    ("code", "there", "faults"),
    [
        (3, "", 0),
        (31, "parallax pmra pmdec", 0),
        (95, "parallax pmra pmdec", 0),
        (27, "pmra pmdec", 0),  # a proper motion without a parallax
        (10271, "parallax pmra pmdec", 0),  # and more that was fitted
        (27, "parallax pmra pmdec", 1),
        (31, "pmra pmdec", 1),
        (3, "parallax pmra pmdec", 1),
        (None, "parallax", 1),
    ],
)
def test_codes_of_dr4_say_what_a_source_has(
    toy: Toy, tmp_path: Path, code: int | None, there: str, faults: int
) -> None:
    columns = load_release("dr4").columns
    row = toy.sources[["source_id", "ra", "dec"]].iloc[:1]
    row = row.assign(astrometric_params=pd.array([code], dtype="Int16"))
    for name in ("parallax", "pmra", "pmdec"):
        row[name] = row[f"{name}_error"] = 1.0 if name in there.split() else np.nan
    for pair in (("parallax", "pmra"), ("parallax", "pmdec"), ("pmra", "pmdec")):
        row[f"{pair[0]}_{pair[1]}_corr"] = 0.1 if set(pair) <= set(there.split()) else np.nan
    row.to_parquet(tmp_path / "star.parquet", index=False)
    found = check_file(FileToCheck(str(tmp_path / "star.parquet"), None, columns, None))
    assert found.error is None and found.faults.get("solution", 0) == faults


def test_many_faults_are_all_counted_and_ten_are_shown(mirror: Path, spark: SparkSession) -> None:
    edit(
        files_of(mirror)[0], lambda t: t.assign(_healpix_29=t["_healpix_29"].iloc[::-1].to_numpy())
    )
    report = verify(mirror, spark)
    rows = pq.read_metadata(files_of(mirror)[0]).num_rows
    assert check_of(report, "sorted").counts["faults"] == rows - 1
    assert len(check_of(report, "sorted").examples) == 10


def test_an_id_of_a_neighbouring_cell_passes(mirror: Path, spark: SparkSession) -> None:
    def neighbour(row: pd.Series) -> int:
        cells = healpy.get_all_neighbours(4096, row.ra, row.dec, nest=True, lonlat=True)
        return (int(cells[cells >= 0][0]) << 35) + 99

    edit(files_of(mirror)[0], setting("source_id", neighbour))
    assert verify(mirror, spark).passed


def test_a_plain_directory_is_checked_as_far_as_it_has_a_layout(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    report = verify(toy.folder / "plain", spark, str(len(toy.sources)))
    assert report.passed
    assert {c.name for c in report.checks if c.status == "not applicable"} == {
        "files_listed",
        "files_present",
        "pixels_disjoint",
        "pixel",
        "healpix_index",
        "sorted",
    }
    shutil.copytree(toy.folder / "plain", tmp_path / "plain")
    shutil.copy(tmp_path / "plain/part-0.parquet", tmp_path / "plain/part-9.parquet")
    again = verify(tmp_path / "plain", spark, str(len(toy.sources)))
    assert again.failed == ["row_count", "source_id_unique"]
    copied = len(toy.sources.iloc[::4])
    assert check_of(again, "source_id_unique").counts == {"faults": copied, "repeated_ids": copied}


@pytest.mark.parametrize(
    ("path", "expected", "words"),
    [
        ("nowhere", "any", "nowhere: no such directory"),
        ("table:gaia", "any", "expected a HATS catalogue"),
        (".", "many", "--expected-rows"),
    ],
)
def test_what_cannot_be_verified_is_refused(
    tmp_path: Path, spark: SparkSession, path: str, expected: str, words: str
) -> None:
    where = path if ":" in path else str(tmp_path / path)
    with pytest.raises(InputError, match=words):
        verify_mirror(where, "dr3", expected, spark)


def run_job(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["verify_mirror.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/verify_mirror.py"), run_name="__main__")
    return int(stop.value.code or 0)


def test_the_job_writes_the_report_and_exits_with_2_on_a_fault(
    mirror: Path,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "new" / "report.json"
    arguments = ["--mirror", str(mirror), "--expected-rows", "any", "--report", str(file)]
    assert run_job(monkeypatch, *arguments) == 0
    sound = Report.model_validate(json.loads(file.read_text()))
    assert sound.passed
    captured = capsys.readouterr()
    assert "ocspark: " not in (captured.out + captured.err).replace("[ocspark] ", "")
    for line in report_lines(sound):
        assert line in captured.out

    with monkeypatch.context() as patch:  # it is not read again while its files are the same
        patch.delattr("ocspark.build.verify_mirror._check_files")
        assert run_job(monkeypatch, *arguments) == 0
    assert f"has passed all {len(sound.checks)} checks" in capsys.readouterr().out
    assert Report.model_validate(json.loads(file.read_text())) == sound

    swapped_rows(mirror)
    assert run_job(monkeypatch, *arguments) == 2
    assert Report.model_validate(json.loads(file.read_text())).failed == ["sorted"]
    captured = capsys.readouterr()
    lines = [x for x in (captured.out + captured.err).splitlines() if x.startswith("ocspark: ")]
    assert len(lines) == 1
    assert "1 of 18 checks failed (sorted)" in lines[0] and str(file) in lines[0]


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/gaia")
def test_real_sources_agree_with_their_ids(spark: SparkSession, tmp_path: Path) -> None:
    cones = pd.read_parquet(SHARED / "edr3_cones.parquet").drop(columns="cone")
    cones.to_parquet(tmp_path / "cones.parquet", index=False)
    report = verify(tmp_path, spark, str(len(cones)))
    assert report.passed, report_lines(report)


def dr4_mirror(path: Path, **changes: Any) -> str:
    """Write 4,000 sources in DR4's columns, whose bias is DR3's recipe; then change some."""
    by = Observatory.from_release(load_release("dr4"))
    rng = np.random.default_rng(8)
    n = 4000
    true = {name: rng.normal(0, 3, n) for name in ("pmra", "pmdec")}
    true |= {"ra": rng.uniform(0, 360, n), "dec": rng.uniform(-80, 80, n)}
    true |= {"parallax": rng.exponential(0.5, n), "g": rng.uniform(10, 18, n)}
    true |= {"bp": true["g"] + 0.4, "rp": true["g"] - 0.6}
    true["healpix_29"] = index_29(true["ra"], true["dec"])
    seen = observe(true, by, rng)
    seen["source_id"] = source_id(seen["_healpix_29"], np.arange(n))
    seen |= {name: change(seen[name]) for name, change in changes.items()}
    table = pa.table({k: pa.array(v, from_pandas=True) for k, v in by.native_columns(seen).items()})
    path.mkdir()
    pq.write_table(table, path / "a.parquet")
    return str(path)


def values_of(report: Report) -> dict[str, tuple[str, bool]]:
    return {v.name.partition(" (")[0]: (v.found, v.passed) for v in report.values}


def test_the_values_of_dr4_are_told_in_a_table(spark: SparkSession, tmp_path: Path) -> None:
    report = verify_mirror(dr4_mirror(tmp_path / "m"), "dr4", "any", spark)
    assert report.passed, report.failed
    values = values_of(report)
    assert values["ref_epoch [yr]"] == ("2017.5", True)
    assert values["rank correlation of parallax_bias and DR3's recipe"] == ("1.00", True)
    assert float(values["parallaxes without parallax_bias"][0].rstrip("%")) < 5
    for name, (found, _) in values.items():
        assert any(name in line and found in line for line in report_lines(report))


@pytest.mark.parametrize(
    ("changes", "fails"),
    [
        ({"ref_epoch": lambda v: v - 1.5}, "ref_epoch [yr]"),
        ({"phot_g_n_obs": lambda v: v // 9}, "median phot_g_n_obs"),  # transits, not observations
        ({"parallax_bias": lambda v: -v}, "rank correlation of parallax_bias and DR3's recipe"),
        ({"parallax_bias": lambda v: 1000 * v}, "median parallax_bias [mas]"),  # in µas
        (
            {"parallax_bias": lambda v: np.where(np.arange(len(v)) % 3, np.nan, v)},
            "parallaxes without parallax_bias",
        ),
    ],
)
def test_a_value_of_another_meaning_is_found(
    spark: SparkSession, tmp_path: Path, changes: dict[str, Any], fails: str
) -> None:
    report = verify_mirror(dr4_mirror(tmp_path / "m", **changes), "dr4", "any", spark)
    assert report.failed == ["values"]
    assert [name for name, (_, passed) in values_of(report).items() if not passed] == [fails]


def test_a_base_pixel_that_is_not_there_is_missed(spark: SparkSession, tmp_path: Path) -> None:
    path = Path(dr4_mirror(tmp_path / "m")) / "a.parquet"
    table = pq.read_table(path)
    base = healpy.ang2pix(
        1, table["ra"].to_numpy(), table["dec"].to_numpy(), nest=True, lonlat=True
    )
    pq.write_table(table.filter(pa.array(base != 5)), path)
    report = verify_mirror(str(path.parent), "dr4", "4000", spark)
    assert report.failed == ["row_count"]
    assert f"{(base != 5).sum()} rows; expected 4000" in check_of(report, "row_count").examples[0]


def test_a_code_that_no_description_lists_is_found(spark: SparkSession, tmp_path: Path) -> None:
    path = dr4_mirror(tmp_path / "m", solution=lambda v: np.where(v == 31, 31 + 2**14, v))
    report = verify_mirror(path, "dr4", "any", spark)
    assert report.failed == ["solution_codes"]
    assert "code 16415 in" in check_of(report, "solution_codes").examples[0]
