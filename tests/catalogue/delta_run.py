"""Runs whose mirror is a Delta table and whose tables are Delta's, on Sail instead of Spark.

``python -m tests.catalogue.delta_run FOLDER`` prints a JSON object. It is a process of its own,
since its Spark client is not that of the other tests.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from uuid import uuid4

import deltalake
import pyarrow as pa
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

from ocspark import session
from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.mirror import table
from ocspark.settings import make_settings
from ocspark.sky.healpix import index_29
from ocspark.store import catalogue_tables, table_version
from ocspark.store.table_version import TableVersion
from tests.helpers.toy import Toy, make_toy


def write_sky(toy: Toy, path: str) -> str:
    """Write the toy's sky as version 0 of a table, spoil it in version 1; return the table's id."""
    index = index_29(toy.sources["ra"].to_numpy(), toy.sources["dec"].to_numpy())
    sources = toy.sources.assign(_healpix_29=index).sort_values("_healpix_29")
    for rows in (sources, sources.iloc[:200]):  # the second has some sources twice
        added = pa.Table.from_pandas(rows, preserve_index=False)
        deltalake.write_deltalake(path, added, mode="append")
    return str(deltalake.DeltaTable(path).metadata().id)


def do_without(folder: Path, table_id: str) -> None:
    """Take the place of what Sail lacks."""
    # DESCRIBE HISTORY and DESCRIBE DETAIL, which tell the version elsewhere
    table.current_version = lambda *_: TableVersion(0, f"delta {table_id} 0")
    # files that go to the workers
    session._LARGEST_CAPTURED = 1 << 40
    # CLUSTER BY, and an absolute path, where a table is created
    create = catalogue_tables._create

    def create_here(name: str, fields: object, _: str) -> str:
        statement = create(name, fields, "delta").partition(" CLUSTER BY ")[0]
        return f"{statement} LOCATION '{folder / uuid4().hex}'"

    catalogue_tables._create = create_here


def main(folder: Path) -> None:
    """Run, run with another seed, and write the tables of that run once more."""
    (folder / "toy").mkdir()
    toy = make_toy(folder / "toy")
    do_without(folder, write_sky(toy, str(folder / "gaia")))
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    address = f"sc://127.0.0.1:{server.listening_address[1]}"
    spark = SparkSession.builder.remote(address).getOrCreate()
    spark.sql(f"CREATE TABLE gaia USING delta LOCATION '{folder / 'gaia'}'")
    changes = {
        "mirror": {"path": "table:gaia"},
        "output": {"path": "table:oc", "work": str(folder / "runs")},
    }
    paths = []
    for seed in ({}, {"seed": 7}, {"seed": 7}):
        settings = make_settings(toy.settings(**changes, membership=seed))
        paths.append(run_full_catalogue(settings, spark).path)
        Path(paths[-1], "run.json").unlink()  # so that the run is not finished
    published = {}
    for name in ("candidates", "clusters", "runs"):
        rows = spark.table(f"oc_{name}").groupBy("run_id").count().collect()
        published[name] = {row["run_id"]: row["count"] for row in rows}
    kind = table_version.table_format(spark, "oc_candidates")
    print(json.dumps({"paths": paths, "published": published, "format": kind}), flush=True)
    os._exit(0)  # the server does not end by itself


if __name__ == "__main__":
    main(Path(sys.argv[1]))
