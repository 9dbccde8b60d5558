"""Which sources are kept (method §1), and in which columns."""

from __future__ import annotations

from pathlib import Path

import healpy
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.mirror.footers import check_files
from ocspark.mirror.layout import list_pieces
from ocspark.release import load_release
from tests.helpers.hats import kept_rows
from tests.helpers.toy import Toy

DR3 = load_release("dr3")
COLUMNS = {name: DR3.columns[name][0] for name in DR3.needed}
NEEDED = [c for n, c in COLUMNS.items() if n not in ("nu_eff", "pseudocolour")]


def read(spark: SparkSession, path: Path) -> pd.DataFrame:
    mirror = list_pieces(str(path))
    files = check_files(mirror.files, DR3, mirror.healpix_column)
    return kept_rows(spark, files).set_index("source_id").sort_index()


@pytest.mark.parametrize("blank", [np.nan, None])
def test_a_source_that_lacks_any_needed_value_is_not_kept(
    toy: Toy, spark: SparkSession, tmp_path: Path, blank: float | None
) -> None:
    stars = toy.sources.iloc[: len(NEEDED) + 4].astype(
        {c: object for c in NEEDED if c != "source_id"}
    )
    stars = stars.reset_index(drop=True)
    for row, column in enumerate(NEEDED):
        if column != "source_id":
            stars.loc[row, column] = blank
    stars.loc[len(NEEDED), "phot_bp_n_obs"] = 0
    stars.loc[len(NEEDED) + 1, ["nu_eff_used_in_astrometry", "pseudocolour"]] = np.nan
    types = {c: "float64" for c in NEEDED if c != "source_id"}
    if blank is None:
        types = dict.fromkeys(types, "Float64")  # nulls in the file, not NaN
    stars.astype(types).to_parquet(tmp_path / "a.parquet", index=False)
    kept = read(spark, tmp_path)
    alive = [NEEDED.index("source_id"), len(NEEDED) + 2, len(NEEDED) + 3]
    assert set(kept.index) == set(stars["source_id"].iloc[alive])


def test_values_come_through_unchanged_and_the_healpix_index_is_computed(
    toy: Toy, spark: SparkSession
) -> None:
    kept = read(spark, toy.folder / "plain")
    raw = toy.sources.set_index("source_id").sort_index()
    assert list(kept.index) == list(raw.index)
    for name, column in COLUMNS.items():
        if name != "source_id":
            np.testing.assert_array_equal(kept[name].to_numpy(float), raw[column].to_numpy(float))
    expected = healpy.ang2pix(
        2**29, raw["ra"].to_numpy(), raw["dec"].to_numpy(), nest=True, lonlat=True
    )
    np.testing.assert_array_equal(kept["healpix_29"], expected)
