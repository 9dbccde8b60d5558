"""Finished runs made by hand: any number of stars, and values that formats like to spoil."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ocspark.exports.source import arrow_schema
from ocspark.release import load_release
from ocspark.store.finished_run import FinishedRun, open_run
from ocspark.tables.run_tables import RESULT_TABLES

CLUSTERS = ["NGC_2423", "Wrap 1", 'a <b> & "c", d', "Pole_1"]
#: Doubles that lose something where digits are cut: neighbours, tiny, huge, no fraction.
AWKWARD = [0.1 + 0.2, 1 / 3, np.nextafter(1.0, 2.0), 5e-324, -0.0, 1e300, 12345678.0, 1e-7, -2.5e-5]


def make_run(
    folder: Path, n: int, *, n_files: int = 2, seed: int = 1, awkward: bool = True
) -> FinishedRun:
    """Write a finished run with `n` candidates, a third of them in two clusters."""
    rng = np.random.default_rng(seed)
    (folder / "candidates").mkdir(parents=True)
    bounds = np.linspace(0, n, n_files + 1).astype(int)
    for number, (start, end) in enumerate(pairwise(bounds)):
        table = _stars(rng, start, end - start, awkward)
        name = f"membership-{number:05d}-00000.parquet"
        pq.write_table(table, folder / "candidates" / name, row_group_size=100_000)
    stars = arrow_schema(RESULT_TABLES["training_members"])
    columns = [table[n] if n in table.column_names else table["probability"] for n in stars.names]
    (folder / "training_members").mkdir()
    pq.write_table(
        pa.table(columns, schema=stars).slice(0, 20), folder / "training_members" / "t.parquet"
    )
    (folder / "clusters").mkdir()
    pq.write_table(_clusters(), folder / "clusters" / "clusters-00000.parquet")
    release = load_release("dr3").model_dump(mode="json")
    record = {"run_id": "made", "model": {"name": "DS10_v02"}, "inputs": {"release": release}}
    (folder / "run.json").write_text(json.dumps(record))
    return open_run(str(folder))


def _stars(rng: np.random.Generator, first: int, n: int, awkward: bool) -> pa.Table:
    schema = arrow_schema(RESULT_TABLES["candidates"])
    # a star's columns depend on its number alone; every third star is there twice
    star = (first + np.arange(n)) * 2 // 3
    of_star = np.random.default_rng(7).random((1000, 3))[star % 1000]
    columns: dict[str, pa.Array] = {}
    for field in schema:
        if pa.types.is_floating(field.type):
            values = rng.normal(0, 1, n)
            mask = np.zeros(n, bool)
            if awkward and field.name.startswith("f_"):
                values[: len(AWKWARD)] = AWKWARD
                values[len(AWKWARD)] = np.nan
                mask = np.arange(n) == len(AWKWARD) + 1
            columns[field.name] = pa.array(values, mask=mask)
    columns["source_id"] = pa.array((star.astype(np.int64) * 7919 % 2**26 << 37) + star)
    columns["cluster"] = pa.array(np.array(CLUSTERS)[(first + np.arange(n)) % 4])
    columns["ra"] = pa.array(360 * of_star[:, 0])
    columns["dec"] = pa.array(np.degrees(np.arcsin(2 * of_star[:, 1] - 1)))
    columns["phot_g_mean_mag"] = pa.array(5 + 15 * of_star[:, 2])
    for name in schema.names:
        if name.endswith("_error"):
            columns[name] = pa.array(rng.uniform(0.01, 0.5, n))
    columns["probability"] = pa.array(rng.integers(0, 101, n) / 100)
    names = columns["cluster"].to_numpy(zero_copy_only=False)
    # of two clusters, and there not of all stars
    without = ~np.isin(names, [CLUSTERS[0], CLUSTERS[2]]) | (rng.random(n) < 0.1)
    posterior = np.clip(rng.normal(0.5, 0.4, n), 0.0, 1.0)
    for name, shift in (("posterior", 0.0), ("posterior_low", -0.1), ("posterior_high", 0.1)):
        columns[name] = pa.array(np.clip(posterior + shift, 0.0, 1.0), mask=without)
    columns["n_samples"] = pa.array(np.full(n, 100, np.int32), mask=np.arange(n) == 3)
    columns["errors_mended"] = pa.array(rng.random(n) < 0.5, mask=np.arange(n) == 4)
    columns["is_training_member"] = pa.array(rng.random(n) < 0.2)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _clusters() -> pa.Table:
    schema = arrow_schema(RESULT_TABLES["clusters"])
    rows = [
        {
            "cluster": CLUSTERS[0],
            "status": "done",
            "cone_ra": 114.3,
            "cone_dec": -13.9,
            "radius_deg": 3.1,
            "ra": 114.3,
            "dec": -13.8,
            "n_candidates": 12,
            "log_age": 9.04,
            "model_saw_cluster": True,
            "radius_bounded": False,
            "members_by": "posterior",
            "n_members": 9,
            "expected_members": 8.7,
        },
        {"cluster": CLUSTERS[2], "status": "done", "members_by": "posterior"},
        {
            "cluster": CLUSTERS[1],
            "status": "done",
            "cone_ra": 0.02,
            "cone_dec": 20.0,
            "radius_deg": 1.9,
            "ra": 359.99,
            "dec": 20.0,
            "n_candidates": 3,
            "members_by": "votes",
            "posterior_reason": "the mirror covers 3.2 pc, expected 5",
            "log_age": 8.4,
            "model_saw_cluster": False,
            "radius_bounded": False,
        },
        {
            "cluster": CLUSTERS[3],
            "status": "done",
            "members_by": "votes",
            "posterior_reason": "12 training members, expected 15",
            "cone_ra": 120.0,
            "cone_dec": 89.7,
            "radius_deg": 2.4,
            "radius_bounded": True,
        },
        {"cluster": "Ageless 1", "status": "skipped", "reason": "no log_age"},
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def table_of(run: FinishedRun, name: str = "candidates") -> pa.Table:
    """Return a table of a run as it lies there, by pyarrow alone."""
    return pq.read_table(f"{run.path}/{name}")
