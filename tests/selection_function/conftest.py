"""A crowded patch of a mock sky with two clusters, and the selection function measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocspark.mock.catalogue import build_catalogue
from ocspark.mock.parameters import MockParameters
from ocspark.selection_function.run import SelectionResult, measure_selection_function
from ocspark.settings import make_settings
from ocspark.sky.healpix import HealpixPixel

#: Rows of a cluster table, at l = 180° and b = 3° and -1.5°: a small patch holds them and twins.
ROWS = [
    ("Near_1", 89.28, 30.45, 0.5, -4.0, 0.50, 2000.0, 8.4),
    ("Far_1", 84.90, 28.16, 0.3, -2.0, 0.40, 2500.0, 8.8),
]
_CENTRE, _PATCH_DEG, _ORDER = (87.08, 29.32), 6.0, 5


@dataclass(frozen=True)
class Patch:
    """Paths of a mirror and its tables."""

    folder: Path

    def settings(self, **changes: Any) -> dict[str, Any]:
        tree: dict[str, Any] = {
            "mirror": {"path": str(self.folder / "mirror")},
            "clusters": {"path": str(self.folder / "clusters.parquet")},
            "members": {"path": str(self.folder / "members.parquet")},
            "membership": {"n_samples": 10},
            "output": {"path": str(self.folder / "runs")},
        }
        return tree | changes


@pytest.fixture(scope="session")
def patch(tmp_path_factory: pytest.TempPathFactory) -> Patch:
    folder = tmp_path_factory.mktemp("patch")
    names = "cluster ra dec pmra pmdec parallax distance log_age".split()
    table = pd.DataFrame(ROWS, columns=names).assign(
        pmra_dispersion=0.12, pmdec_dispersion=0.12, parallax_dispersion=0.05, a0=0.9
    )
    catalogue = build_catalogue(MockParameters(20_000_000, len(table), 11), table)
    centre, radius = healpy.ang2vec(*_CENTRE, lonlat=True), np.radians(_PATCH_DEG)
    pixels = healpy.query_disc(1 << _ORDER, centre, radius, inclusive=True, nest=True)
    (folder / "mirror").mkdir()
    for number, some in enumerate((pixels[::2], pixels[1::2])):
        cells = [
            catalogue.observatory.native_columns(catalogue.cell(HealpixPixel(_ORDER, int(p))))
            for p in some
        ]
        pieces = [
            pa.table({name: pa.array(v, from_pandas=True) for name, v in cell.items()})
            for cell in cells
        ]
        rows = pa.concat_tables(pieces).drop_columns(["_healpix_29"])
        pq.write_table(rows, folder / "mirror" / f"part-{number}.parquet")
    planted = [catalogue.cluster(index) for index in range(len(table))]
    pd.DataFrame([cluster.row for cluster in planted]).to_parquet(folder / "clusters.parquet")
    stars = [
        pd.DataFrame(
            {
                "cluster": cluster.row["cluster"],
                "source_id": cluster.sources["source_id"],
                "phot_g_mean_mag": cluster.true["g"],
            }
        )[cluster.true["is_member"]]
        for cluster in planted
    ]
    pd.concat(stars, ignore_index=True).to_parquet(folder / "truth.parquet")
    members = [
        pd.DataFrame(
            {
                "cluster": cluster.row["cluster"],
                "source_id": cluster.sources["source_id"],
                "probability": cluster.probability,
            }
        )
        for cluster in planted
    ]
    listed = pd.concat(members, ignore_index=True)
    listed[listed["probability"] > 0].to_parquet(folder / "members.parquet")
    return Patch(folder)


@pytest.fixture(scope="session")
def measured(patch: Patch, spark) -> SelectionResult:
    output = str(patch.folder / "selection")
    return measure_selection_function(make_settings(patch.settings()), output, 2, 5, spark)
