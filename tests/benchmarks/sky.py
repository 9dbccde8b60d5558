"""The mock sky that the search benchmarks share, and the search as SQL for a baseline.

``OCSPARK_BENCH_SOURCES`` sets its size (20 million by default). It is made once, under
``runs/benchmarks``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import hpgeom
import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.passes import MirrorPass
from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.footers import CheckedFile
from ocspark.mock.generate import finished_mock, write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.selection.cone_search import ConeSearch, Process
from ocspark.selection.cones import Cones
from ocspark.selection.sources_in_cones import SortedSources, batches_in_cones
from ocspark.settings import make_settings
from ocspark.store.files import TableWriters
from ocspark.store.folder import RunFolder
from ocspark.tables.fields import Field
from tests.benchmarks.measure import spark_session

N_CONES = 2500
#: Order of DuckDB's cells: finer has more rows to join, coarser more pairs to test.
_CELL_ORDER = 7


@dataclass(frozen=True)
class Sky:
    """A mock mirror and all cones of its clusters."""

    spark: SparkSession
    folder: Path
    inputs: RunInputs

    @property
    def files(self) -> list[CheckedFile]:
        """Files that a cone touches."""
        return self.inputs.files

    @property
    def cones(self) -> Cones:
        """The cones."""
        return self.inputs.cones

    @property
    def columns(self) -> MirrorColumns:
        """The columns that the search reads."""
        return self.inputs.columns

    @property
    def rows(self) -> int:
        """Rows of the files that a cone touches."""
        return sum(file.rows for file in self.files)

    def search(self, process: Process, fields: list[Field]) -> DataFrame:
        """Return the search of the main job with this process, as a DataFrame."""
        search = ConeSearch(self.spark, self.columns, self.cones)
        return search.in_files(self.files, process, fields)

    def write(self, folder: str) -> int:
        """Write all pairs as a pass of the main job does; return their number."""
        names = self.inputs.file_names
        whole = MirrorPass("search", "search", self.files, names, self.columns, self.cones)
        manifests = whole.run(self.spark, RunFolder(folder), WritePairs(self.cones))
        return sum(manifest["pairs"] for manifest in manifests)


@dataclass(frozen=True)
class WritePairs:
    """Write every pair among the sources that a task reads."""

    cones: Cones

    def __call__(self, parts: Iterator[SortedSources], writers: TableWriters) -> dict[str, int]:
        """Write the pairs; return how many there are."""
        pairs = 0
        for batch in batches_in_cones(parts, self.cones.cuts, self.cones.cover):
            pairs += batch.num_rows
            writers.add("pairs", batch)
        return {"pairs": pairs}


@contextmanager
def mock_sky() -> Iterator[Sky]:
    """Give the sky, made if it is not there yet."""
    sources = int(os.environ.get("OCSPARK_BENCH_SOURCES", 20_000_000))
    folder = Path("runs/benchmarks") / f"sky-{sources}"
    parameters = MockParameters(sources=sources, clusters=N_CONES, seed=42)
    with spark_session() as spark:
        if finished_mock(str(folder), parameters) is None:
            write_mock(spark, str(folder), parameters)
        tree = {
            "mirror": {"path": f"{folder}/mirror"},
            "clusters": {"path": f"{folder}/clusters.parquet"},
            "members": {"path": f"{folder}/members.parquet"},
            "isochrones": {"path": f"{folder}/isochrones"},
        }
        yield Sky(spark, folder, read_inputs(make_settings(tree)))


class DuckSearch:
    """The same search in DuckDB: an equi-join on HEALPix cells, the cuts, the kept sources."""

    def __init__(self, sky: Sky) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(f"set threads = {os.cpu_count()}")
        cones = sky.cones.table
        self._connection.register("cones", cones.reset_index(names="cone").add_prefix("c_"))
        self._connection.register("cells", _cells(cones))
        self._from = _sql([file.file.path for file in sky.files], sky.columns)

    def count(self) -> int:
        """Return the number of pairs of source and cone."""
        row = self._connection.execute(f"select count(*) {self._from}").fetchone()
        return int(row[0]) if row else 0

    def write(self, path: Path, columns: list[str]) -> int:
        """Write all pairs as one Parquet file; return their number."""
        named = ", ".join(f"s.{column}" for column in columns)
        row = self._connection.execute(
            f"copy (select c_cluster_key, {named} {self._from}) to '{path}' "
            "(format parquet, compression zstd)"
        ).fetchone()
        return int(row[0]) if row else 0


def _cells(cones: pd.DataFrame) -> pa.Table:
    cells = [
        hpgeom.query_circle(1 << _CELL_ORDER, ra, dec, radius + 1e-6, inclusive=True)
        for ra, dec, radius in zip(cones["ra"], cones["dec"], cones["radius_deg"], strict=True)
    ]
    cone = np.repeat(np.arange(len(cells)), [len(c) for c in cells])
    return pa.table({"cell": np.concatenate(cells), "cone": cone})


def _sql(paths: list[str], columns: dict[str, str]) -> str:
    s = {name: f"s.{column}" for name, column in columns.items()}
    optional = ("nu_eff", "pseudocolour")
    kept = [f"{column} is not null" for name, column in s.items() if name not in optional]
    kept += [f"not isnan({s[name]})" for name in ("parallax", "pmra", "pmdec")]
    kept += [f"{s[name]} > 0" for name in s if name.endswith(("_error", "_n_obs"))]
    kept.append(f"coalesce({s['nu_eff']}, {s['pseudocolour']}) is not null")
    ra, dec = f"radians({s['ra']})", f"radians({s['dec']})"
    half = f"sin(({dec} - radians(c_dec)) / 2) ** 2"
    wide = f"cos({dec}) * cos(radians(c_dec)) * sin(({ra} - radians(c_ra)) / 2) ** 2"
    return f"""
        from read_parquet({paths}) s
        join cells on cells.cell = s._healpix_29 >> {2 * (29 - _CELL_ORDER)}
        join cones on c_cone = cells.cone
        where abs({s["parallax"]} - c_parallax) <= c_parallax_limit
        and sqrt(({s["pmra"]} - c_pmra) ** 2 + ({s["pmdec"]} - c_pmdec) ** 2) <= c_pm_limit
        and 2 * asin(sqrt(least({half} + {wide}, 1))) <= c_radius_rad
        and {" and ".join(kept)}
    """
