"""Searches: files of any layout and tables give the same; little is read; damage is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.passes import MirrorPass
from ocspark.errors import InputError, OutputError
from ocspark.mirror import portions
from ocspark.mirror.columns import carried_name
from ocspark.mirror.footers import CheckedFile, check_files
from ocspark.mirror.layout import list_pieces
from ocspark.mirror.portions import cut_by_counts, cut_by_rows
from ocspark.mirror.read import read_rows
from ocspark.mirror.scan import Scan
from ocspark.release import load_release
from ocspark.selection.cone_search import ConeSearch
from ocspark.selection.cones import Cones
from ocspark.selection.sources_in_cones import SortedSources, batches_in_cones, find_in_cones
from ocspark.selection.table_rows import sort_batches
from ocspark.settings import make_settings
from ocspark.sky.cover import cover_cones
from ocspark.sky.sphere import separation_rad
from ocspark.store.files import TableWriters
from ocspark.store.folder import RunFolder, files_of
from ocspark.tables.run import IN_PARALLAX, NOT_KEPT, cone_fields
from tests.helpers.hats import kept_rows, write_hats
from tests.helpers.session_here import SessionHere, tasks_here
from tests.helpers.toy import Toy

DR3 = load_release("dr3")
#: Columns of the batches of a search, which `iter` hands on as they are.
CONE = cone_fields(DR3.needed)


def search(spark: SparkSession, inputs: RunInputs) -> pd.DataFrame:
    found = ConeSearch(spark, inputs.columns, inputs.cones).in_files(inputs.files, iter, CONE)
    return tidy(found.toPandas())


def tidy(found: pd.DataFrame) -> pd.DataFrame:
    return found.sort_values(["cluster_key", "source_id"]).reset_index(drop=True)


def inputs_of(toy: Toy, mirror: Path | None = None) -> RunInputs:
    changes = {} if mirror is None else {"mirror": {"path": str(mirror)}}
    return read_inputs(make_settings(toy.settings(**changes)))


def brute_force(toy: Toy, inputs: RunInputs) -> pd.DataFrame:
    cones, stars = inputs.cones.table, toy.sources
    rows = []
    for cone in cones.itertuples():
        inside = separation_rad(stars["ra"], stars["dec"], cone.ra, cone.dec) <= cone.radius_rad
        inside &= (stars["parallax"] - cone.parallax).abs() <= cone.parallax_limit
        inside &= np.hypot(stars["pmra"] - cone.pmra, stars["pmdec"] - cone.pmdec) <= cone.pm_limit
        rows.append(
            pd.DataFrame({"cluster_key": cone.cluster_key, "source_id": stars["source_id"][inside]})
        )
    return tidy(pd.concat(rows))


@pytest.fixture(scope="module")
def hats(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy as HATS of order 1, with row groups of a few rows."""
    path = tmp_path_factory.mktemp("search") / "hats"
    write_hats(toy.sources, path, 1, row_group_rows=100)
    return path


def test_files_of_any_layout_and_tables_give_what_brute_force_gives(
    toy: Toy, spark: SparkSession, hats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = inputs_of(toy)
    found = search(spark, plain)
    pd.testing.assert_frame_equal(found[["cluster_key", "source_id"]], brute_force(toy, plain))
    pd.testing.assert_frame_equal(search(spark, inputs_of(toy, hats)), found)

    table = read_rows(spark, plain.files, plain.columns).repartition(3)
    rows = ConeSearch(spark, plain.columns, plain.cones).in_table(table, iter, CONE)
    pd.testing.assert_frame_equal(tidy(rows.toPandas()), found)

    monkeypatch.setattr(portions, "MOST_ROWS", 250)
    pd.testing.assert_frame_equal(search(spark, inputs_of(toy, hats)), found)


def test_only_row_groups_on_a_cone_are_read(toy: Toy, hats: Path) -> None:
    mirror = list_pieces(str(hats))
    cover = cover_cones(np.array([0.02]), np.array([20.0]), np.array([0.3]))
    touched = mirror.touched_by(cover)
    assert 0 < len(touched) < len(mirror.files)
    files = check_files(touched, DR3, mirror.healpix_column)
    read = sum(portion.rows for portion in cut_by_rows(files, names_of(files), cover))
    inside = int(
        (separation_rad(toy.sources["ra"], toy.sources["dec"], 0.02, 20.0) <= np.radians(0.3)).sum()
    )
    assert 50 < inside <= read < sum(f.rows for f in files)


def names_of(files: list[CheckedFile]) -> list[str]:
    return [file.file.path for file in files]


def scan_all(files: list[CheckedFile]) -> pd.DataFrame:
    """Every kept source of some files, read by `Scan` in scrambled order."""
    cover = cover_cones(np.array([0.0]), np.array([0.0]), np.array([180.0]))
    parts = []
    for portion in cut_by_rows(files, names_of(files), cover, 400):
        assert portion.rows <= 400
        for piece in portion.pieces:
            scan = Scan(piece, files[0].columns)
            rows = np.random.default_rng(3).permutation(len(scan.healpix_29))
            stars, lost = scan.sources(rows)
            index = pd.Series(scan.healpix_29[rows])
            parts.append(pd.DataFrame({**stars.columns, "healpix_29": index})[lost == 0])
    return pd.concat(parts).sort_values("source_id").reset_index(drop=True)


@pytest.mark.parametrize("layout", ["plain", "hats"])
def test_scans_and_spark_agree_on_sources_kept_and_their_values(
    toy: Toy, spark: SparkSession, hats: Path, layout: str, tmp_path: Path
) -> None:
    if layout == "plain":  # with gaps of every kind, and unsorted
        stars = toy.sources.sample(frac=1.0, random_state=1).reset_index(drop=True)
        for row, column in enumerate(c for c in stars if c != "source_id"):
            stars.loc[row, column] = np.nan
        stars.to_parquet(tmp_path / "a.parquet", row_group_size=300)
    mirror = list_pieces(str(tmp_path if layout == "plain" else hats))
    files = check_files(mirror.files, DR3, mirror.healpix_column)
    expected = kept_rows(spark, files).sort_values("source_id")
    got = scan_all(files)
    assert len(got) == len(toy.sources) - (20 if layout == "plain" else 0)
    pd.testing.assert_frame_equal(
        got[expected.columns.tolist()], expected.reset_index(drop=True), check_dtype=False
    )


@dataclass(frozen=True)
class WriteAll:
    """A process of a pass that writes every pair."""

    cones: Cones

    def __call__(self, parts: Iterator[SortedSources], writers: TableWriters) -> dict[str, int]:
        for batch in batches_in_cones(parts, self.cones.cuts, self.cones.cover):
            writers.add("found", batch)
        return {}


def mirror_pass(inputs: RunInputs) -> MirrorPass:
    names = inputs.file_names
    return MirrorPass("search", "search", inputs.files, names, inputs.columns, inputs.cones)


def test_a_pass_writes_what_a_search_finds(
    toy: Toy, spark: SparkSession, hats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "MOST_ROWS", 700)
    inputs, folder = inputs_of(toy, hats), RunFolder(str(tmp_path))
    manifests = mirror_pass(inputs).run(spark, folder, WriteAll(inputs.cones))
    assert len(manifests) > 3
    found = tidy(folder.read_arrow("found").to_pandas())
    pd.testing.assert_frame_equal(found, search(spark, inputs))
    again = mirror_pass(inputs).run(spark, folder, WriteAll(inputs.cones))
    assert all(manifest["reused"] for manifest in again) and files_of(again) == files_of(manifests)


@pytest.mark.parametrize(("fewest", "most"), [(40, 50_000), (1, 1)])
def test_portions_cut_by_counts_have_every_pair_once(
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
    fewest: int,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a few rows a chunk, as the counts of pass 1 give them."""
    rows = 16
    for name, value in {"CHUNK_ROWS": rows, "FEWEST_PAIRS": fewest, "MOST_PAIRS": most}.items():
        monkeypatch.setattr(portions, name, value)
    inputs = inputs_of(toy)
    cones, files, names = inputs.cones, inputs.files, inputs.file_names
    expected = search(spark, inputs)[["cluster_key", "source_id"]]
    counts = []
    for file, name in zip(files, names, strict=True):
        ids = pq.read_table(file.file.path, columns=["source_id"])["source_id"].to_pandas()
        ids = ids[ids.isin(expected["source_id"])]
        chunk = pd.Series(ids.index // rows).value_counts()
        counts.append(
            pd.DataFrame(
                {"file": name, "row_group": 0, "chunk": chunk.index, "cost": chunk.to_numpy()}
            )
        )
    cut = cut_by_counts(files, names, pd.concat(counts))
    assert len(cut) > 10
    mean = np.mean([portion.cost for portion in cut])
    dearest = max(c["cost"].max() for c in counts) + 1
    assert max(portion.cost for portion in cut) <= max(2 * mean, dearest)
    batches = batches_in_cones(
        (Scan(piece, files[0].columns) for portion in cut for piece in portion.pieces),
        cones.cuts,
        cones.cover,
    )
    found = tidy(pa.Table.from_batches(batches).to_pandas())
    pd.testing.assert_frame_equal(found[["cluster_key", "source_id"]], expected)


@pytest.fixture
def own_mirror(toy: Toy, tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    toy.sources.to_parquet(mirror / "a.parquet")
    return mirror


def run_here(inputs: RunInputs, folder: Path, attempts: int = 4) -> None:
    with tasks_here():
        mirror_pass(inputs).run(
            SessionHere(attempts), RunFolder(str(folder)), WriteAll(inputs.cones)
        )  # type: ignore[arg-type]


@pytest.mark.parametrize("harm", ["another", "cut", "a page", "gone"])
def test_a_file_damaged_during_the_search_is_named(
    toy: Toy, own_mirror: Path, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RETRY_PAUSES", (0.0, 0.0))
    inputs, file = inputs_of(toy, own_mirror), own_mirror / "a.parquet"
    content = file.read_bytes()
    harmed = {"another": b"PAR1 no longer PAR1", "cut": content[:-9]}
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(harmed.get(harm, content[:4] + bytes(60) + content[64:]))
    with pytest.raises(InputError, match=rf"{file}: cannot be read") as caught:
        run_here(inputs, tmp_path / "run")
    assert "\n" not in str(caught.value) and not list((tmp_path / "run").rglob("*.parquet"))


def test_storage_that_is_away_is_no_damage(
    toy: Toy, own_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_of(toy, own_mirror)
    opened: list[str] = []

    def away(*args: Any, **kwargs: Any) -> None:
        opened.append("")
        raise OSError(5, "Input/output error")

    def no_answer(path: str, length: int = 0) -> Iterator[bytes]:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "RETRY_PAUSES", (0.0, 0.0))
        patch.setattr(pq, "ParquetFile", away)
        patch.setattr(storage, "chunks", no_answer)
        with pytest.raises(OutputError, match=r"storage: .*a\.parquet.*goes on when it is back"):
            run_here(inputs, tmp_path / "run", attempts=2)
    assert len(opened) == 6  # three reads in each of two attempts
    run_here(inputs, tmp_path / "run")
    assert len(list((tmp_path / "run" / "found").iterdir())) == 1


def test_sources_that_lack_something_are_counted_by_what_they_lack(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    stars = toy.sources.copy()
    everywhere = inputs_of(toy)
    inside = brute_force(toy, everywhere)
    lacking = {  # every third, fifth, … source: some lack two things
        "phot_bp_mean_mag is missing": stars.index % 3 == 0,
        "pmra_pmdec_corr is missing": stars.index % 5 == 0,
        "phot_g_n_obs is not positive": stars.index % 7 == 0,
        "nu_eff and pseudocolour are missing": stars.index % 11 == 0,
    }
    stars.loc[lacking["phot_bp_mean_mag is missing"], "phot_bp_mean_mag"] = np.nan
    stars.loc[lacking["pmra_pmdec_corr is missing"], "pmra_pmdec_corr"] = np.nan
    stars.loc[lacking["phot_g_n_obs is not positive"], "phot_g_n_obs"] = 0
    colours = ["nu_eff_used_in_astrometry", "pseudocolour"]
    stars.loc[lacking["nu_eff and pseudocolour are missing"], colours] = np.nan
    lacking[NOT_KEPT] = np.any(list(lacking.values()), axis=0)
    expected = {}
    for reason, rows in lacking.items():
        those = inside[inside["source_id"].isin(stars["source_id"][rows])]
        for key, n in those["cluster_key"].value_counts().items():
            expected[key, reason] = n
    assert len(expected) > 10
    (tmp_path / "m").mkdir()
    stars.to_parquet(tmp_path / "m/a.parquet", row_group_size=500)
    inputs = inputs_of(toy, tmp_path / "m")
    columns = inputs.columns
    cuts, cover = inputs.cones.cuts, inputs.cones.cover
    rows = read_rows(spark, inputs.files, columns).toArrow().to_batches()
    scans = [
        Scan(piece, columns)
        for portion in cut_by_rows(inputs.files, names_of(inputs.files), cover)
        for piece in portion.pieces
    ]
    for parts in (scans, sort_batches(iter(rows), columns)):
        counts: Counter[tuple[int, str]] = Counter()
        n_cone: Counter[int] = Counter()
        for part in parts:
            found = find_in_cones(part, cuts, cover)
            n_cone.update(found.sources["cluster_key"].tolist() if len(found.rows) else [])
            for key, reason, n in found.lacking:
                if reason != IN_PARALLAX:
                    counts[key, reason] += n
        assert counts == expected
        whole = inside["cluster_key"].value_counts()
        gone = {key: n for (key, reason), n in expected.items() if reason == NOT_KEPT}
        assert n_cone == {k: n - gone[k] for k, n in whole.items()}


def test_carried_columns_come_through_iter_from_files_and_tables(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    n = len(toy.sources)
    rng = np.random.default_rng(4)
    table = pa.Table.from_pandas(toy.sources, preserve_index=False)
    extra = {
        "ruwe": pa.array(rng.random(n), pa.float32(), mask=rng.random(n) < 0.2),
        "Transits": pa.array(rng.integers(-5, 5, n), pa.int16(), mask=rng.random(n) < 0.2),
        "random_index": pa.array(rng.integers(2**60, 2**61, n), mask=rng.random(n) < 0.2),
        "flag": pa.array(rng.random(n) < 0.5, mask=rng.random(n) < 0.2),
        "name": pa.array([f"star {i}" for i in range(n)], mask=rng.random(n) < 0.2),
    }
    for name, values in extra.items():
        table = table.append_column(name, values)
    (tmp_path / "m").mkdir()
    pq.write_table(table, tmp_path / "m/a.parquet", row_group_size=300)
    wanted = ["ruwe", "transits", "random_index", "flag", "name", "phot_bp_mean_mag"]
    inputs = read_inputs(
        make_settings(
            toy.settings(mirror={"path": str(tmp_path / "m")}, output={"columns": wanted})
        )
    )
    columns = inputs.columns_to_carry
    fields = [c.field._replace(name=carried_name(c.field.name)) for c in columns.carried]
    search = ConeSearch(spark, columns, inputs.cones)
    rows = read_rows(spark, inputs.files, columns)
    source = table.select(["source_id", *extra, "phot_bp_mean_mag"])
    expected = {row.pop("source_id"): list(row.values()) for row in source.to_pylist()}
    for found in (
        search.in_files(inputs.files, iter, [*CONE, *fields]),
        search.in_table(rows, iter, [*CONE, *fields]),
    ):
        got = found.toArrow()
        types = [str(got.schema.field(f.name).type) for f in fields]
        assert types == ["float", "int16", "int64", "bool", "string", "float"]
        assert got.num_rows > 300
        for row in got.select(["source_id", *(f.name for f in fields)]).to_pylist():
            assert list(row.values())[1:] == expected[row["source_id"]]
