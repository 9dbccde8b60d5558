"""A mirror's order, partitions and layout change no bit of a run: files, folders, tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import healpy
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.catalogue import passes
from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.errors import InputError
from ocspark.mirror import portions
from ocspark.mirror.layout import list_pieces
from ocspark.settings import make_settings
from ocspark.validation.validate import validation_settings
from tests.helpers.hats import mixed_orders, write_hats
from tests.helpers.toy import Toy
from tests.helpers.toyrun import assert_same_bits, portions_of, run_toy

SHARED = Path(__file__).parents[2] / "../shared/data"
REAL = ["BH_144", "Berkeley_17", "IC_1590", "King_2", "NGC_1193", "NGC_581"]


def collection(sources: pd.DataFrame, root: Path) -> None:
    """A collection whose primary table has pixels of two orders, a file each."""
    (root / "table").mkdir(parents=True)
    mixed_orders(sources, root / "table", folder=False)
    (root / "collection.properties").write_text(
        "#HATS Collection\nobs_collection=sources\nhats_primary_table_url=table\n"
    )


def test_a_collection_of_mixed_orders_gives_the_same_bits(
    toy: Toy, spark: SparkSession, finished: RunResult, tmp_path: Path, small_portions: None
) -> None:
    collection(toy.sources, tmp_path / "collection")
    mirror = list_pieces(str(tmp_path / "collection"))
    assert {file.pixel.order for file in mirror.files} == {0, 1}
    run = run_toy(
        toy,
        spark,
        mirror={"path": str(tmp_path / "collection")},
        output={"path": str(tmp_path / "runs")},
    )
    assert portions_of(run)["search"] > 3
    assert_same_bits(finished.path, run.path)


def test_a_mirror_and_an_overlay_give_the_bits_of_the_mirror_that_has_all(
    toy: Toy, spark: SparkSession, finished: RunResult, tmp_path: Path
) -> None:
    at = toy.sources[["ra", "dec"]].to_numpy().T
    index = healpy.ang2pix(2**29, *at, nest=True, lonlat=True)
    some = toy.sources.index % 7 == 0
    mixed_orders(toy.sources[~some], tmp_path / "hats", folder=False)
    (tmp_path / "extra").mkdir()
    extra = toy.sources.assign(_healpix_29=index)[some]
    extra.to_parquet(tmp_path / "extra" / "more.parquet", index=False)
    changes = {
        "mirror": {"path": str(tmp_path / "hats")},
        "output": {"path": str(tmp_path / "runs")},
    }
    run = run_toy(toy, spark, overlay=str(tmp_path / "extra"), **changes)
    assert_same_bits(finished.path, run.path)
    # contents count in the run's id, and where they lie does not
    shutil.move(tmp_path / "extra", tmp_path / "moved")
    moved = str(tmp_path / "moved")
    again = run_toy(toy, spark, overlay=moved, **changes)
    assert again.already_finished and again.path == run.path
    extra[1:].to_parquet(tmp_path / "moved" / "more.parquet", index=False)
    other = run_toy(toy, spark, overlay=moved, **changes)
    assert other.path != run.path


def test_an_overlay_on_a_table_is_refused(toy: Toy, spark: SparkSession) -> None:
    with pytest.raises(InputError, match="expected a mirror of files under an overlay"):
        run_toy(toy, spark, overlay=str(toy.folder / "plain"), mirror={"path": "table:stars"})


Write = Callable[[SparkSession, pd.DataFrame, Path], str]


def _hats(order: int) -> Write:
    def write(spark: SparkSession, sources: pd.DataFrame, path: Path) -> str:
        write_hats(sources, path / "hats", order)
        return str(path / "hats")

    return write


def _mixed_folders(spark: SparkSession, sources: pd.DataFrame, path: Path) -> str:
    mixed_orders(sources, path, folder=True)
    return str(path)


def _collection(spark: SparkSession, sources: pd.DataFrame, path: Path) -> str:
    collection(sources, path)
    return str(path)


def _plain(spark: SparkSession, sources: pd.DataFrame, path: Path) -> str:
    for i in range(5):
        sources.iloc[i::5].to_parquet(path / f"{i}.parquet", index=False)
    return str(path)


def _table(spark: SparkSession, sources: pd.DataFrame, path: Path) -> str:
    at = sources[["ra", "dec"]].to_numpy().T
    index = healpy.ang2pix(2**29, *at, nest=True, lonlat=True)
    _frame(spark, sources.assign(_healpix_29=index), path).createOrReplaceTempView("real_cones")
    return "table:real_cones"


def _frame(spark: SparkSession, sources: pd.DataFrame, path: Path) -> Any:
    sources.to_parquet(path / "rows.parquet", index=False)
    return spark.read.parquet(str(path / "rows.parquet"))


LAYOUTS: dict[str, tuple[Write, int, int]] = {  # how it is written, rows and pairs of a portion
    "fine HATS": (_hats(6), 7_000, 100),
    "mixed orders in folders": (_mixed_folders, 40_000, 1000),
    "collection of mixed orders": (_collection, 1_000_000, 1_000_000),
    "plain directory": (_plain, 30_000, 300),
    "table": (_table, 20_000, 1),
}


@pytest.fixture(scope="module")
def real_run(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Write, int, int, int | None], str]:
    """Run the job on the real cones as some layout, rows in a given random order."""
    sources = pd.read_parquet(SHARED / "gaia/edr3_cones.parquet").drop(columns="cone")

    def run(write: Write, portion_rows: int, portion_pairs: int, seed: int | None) -> str:
        folder = tmp_path_factory.mktemp("real")
        (folder / "mirror").mkdir()
        rows = sources if seed is None else sources.sample(frac=1.0, random_state=seed)
        path = write(spark, rows.reset_index(drop=True), folder / "mirror")
        tree = validation_settings(SHARED, path, str(folder), REAL).model_dump()
        tree["membership"]["n_samples"] = 20
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(portions, "FEWEST_ROWS", portion_rows)
            patch.setattr(portions, "FEWEST_PAIRS", portion_pairs)
            patch.setattr(passes, "ROWS_PER_JOB", portion_rows)
            result = run_full_catalogue(make_settings(tree), spark).path
        shutil.rmtree(folder / "mirror")
        return result

    return run


@pytest.fixture(scope="module")
def coarse(real_run: Callable[[Write, int, int, int | None], str]) -> str:
    return real_run(_hats(0), 50_000, 2_000, None)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/gaia and reference_results")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_real_cones_give_the_same_bits_in_every_layout(
    real_run: Callable[[Write, int, int, int | None], str], coarse: str, layout: str
) -> None:
    other = real_run(*LAYOUTS[layout], list(LAYOUTS).index(layout))
    assert_same_bits(coarse, other)
