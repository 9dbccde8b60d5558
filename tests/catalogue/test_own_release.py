"""A run of a release file that is gone afterwards: what reads the run does not need the file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from astropy.io import fits
from pyspark.sql import SparkSession

from ocspark.analysis.differences import find_differences
from ocspark.analysis.literature import compare_with_list
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.exports.export import Options, export
from ocspark.release import load_release
from ocspark.reports.site import make_report
from ocspark.store.finished_run import FinishedRun, open_run
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, run_toy

NAME, EPOCH = "dr4final", 2017.25


@pytest.fixture(scope="module")
def own(toy: Toy, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("own")
    release = yaml.safe_load((ROOT / "conf/releases/dr3.yaml").read_text())
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**release, "name": NAME, "epoch": EPOCH}))
    output = {"path": str(folder / "runs")}
    result = run_toy(toy, spark, release=str(file), output=output, membership={"n_samples": 5})
    file.unlink()
    return open_run(result.path)


def test_the_run_carries_its_release(own: FinishedRun) -> None:
    expected = load_release("dr3").model_copy(update={"name": NAME, "epoch": EPOCH})
    assert own.release == expected and own.record["release"] == NAME


def test_exports_have_its_name_and_epoch(own: FinishedRun, tmp_path: Path) -> None:
    export(own, Options("fits", str(tmp_path / "stars.fits")))
    header = fits.getheader(tmp_path / "stars.fits", 1)
    assert (header["EPOCH_YR"], header["RELEASE"]) == (EPOCH, NAME)
    for style, columns in (("weave", ("GAIA_DR", "GAIA_EPOCH")), ("4most", ("NAME", "EPOCH"))):
        path = tmp_path / f"{style}.fits"
        export(own, Options("targets", str(path), style=style))
        release, epoch = (fits.getdata(path)[column] for column in columns)
        assert (epoch == EPOCH).all() and len(epoch) > 50
        assert all(text.startswith("4" if style == "weave" else "GaiaDR4_") for text in release)


def test_it_is_compared_and_reported(
    own: FinishedRun, finished: RunResult, toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    found = compare_with_list(
        spark, own, str(toy.folder / "members.csv"), str(tmp_path / "list"), name="list"
    )
    stars = pd.read_parquet(f"{found.path}/stars")
    assert stars["in_mirror"].all() and stars["in_cone"].any()
    made = find_differences(
        spark, open_run(finished.path), own, str(tmp_path / "two"), same_ids=True
    )
    assert (made.record["run"]["release"], made.record["with_run"]["release"]) == ("dr3", NAME)
    make_report(spark, own, str(tmp_path / "site"))
    assert NAME in (tmp_path / "site" / "index.html").read_text()
