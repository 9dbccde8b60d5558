"""Compare a run with a member list: stars in common, reasons for missed ones (method §11)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.analysis.cuts import CONDITIONS, PAPER_CUTS, Cut, confusion_table, count_at
from ocspark.analysis.missed import look_up_stars
from ocspark.analysis.saved import SavedTables, read_saved, save_rows
from ocspark.errors import InputError
from ocspark.inputs.clusters import name_owners
from ocspark.inputs.files import AnyTable, name_of
from ocspark.inputs.members import MemberList, read_members
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.store.made_before import INPUTS, inputs_digest, record_made_of
from ocspark.tables.analysis import COMPARISON, LISTED_STARS
from ocspark.tables.fields import struct
from ocspark.tables.member_columns import member_value
from ocspark.tables.member_rule import member_rules

log = logging.getLogger("ocspark")
#: File that is written last, and the folders of the tables.
_RECORD, _TABLES = "comparison.json", ("stars", "clusters", "confusion")


class Comparison(SavedTables):
    """Comparison of a run with a list, as `compare_with_list` wrote it."""

    def stars(self, spark: SparkSession) -> DataFrame:
        """Return the listed stars, as `LISTED_STARS`."""
        return read_saved(spark, storage.join(self.path, "stars"), LISTED_STARS)


def open_comparison(path: str) -> Comparison:
    """Open what `compare` wrote."""
    record = storage.join(path, _RECORD)
    found = storage.read_json(record)
    if found is None:
        raise InputError(f"--comparison: {record}: no such file; jobs/compare.py writes it")
    return Comparison(path, found)


def compare_with_list(
    spark: SparkSession,
    run: FinishedRun,
    listed: AnyTable,
    output: str,
    *,
    name: str,
    columns: dict[str, str] | None = None,
    cuts: Sequence[Cut] = PAPER_CUTS,
    mirror: str | None = None,
    table: str | int | None = None,
) -> Comparison:
    """Compare a run with a member list and write the tables, unless that was done before.

    Parameters
    ----------
    spark : SparkSession
        Session that compares.
    run : FinishedRun
        The run.
    listed : path or table
        Member list of any format that the main job reads.
    output : str
        Directory for ``stars/``, ``clusters/``, ``confusion/`` and, last, ``comparison.json``.
    name : str
        What the list is called in tables and figures.
    columns : dict, optional
        Canonical name to the list's column.
    cuts : sequence of Cut
        Cuts at which stars are counted.
    mirror : str, optional
        Path of the run's mirror, if it has moved.
    table : str or int, optional
        Table of a file with several: its name, or its number from 1.

    Raises
    ------
    InputError
        If the list is damaged, has no cluster in common with the run, or the directory `output`
        has something else in it.
    """
    done = run.clusters[run.clusters["status"] == "done"]
    members = read_members(
        listed,
        columns or {},
        frozenset(done["cluster_key"]),
        other_names=name_owners(done["cluster"], done["cluster_key"]),
        chosen=table,
        known_names=done["cluster"],
        key="--members",
    )
    cuts_made = [asdict(cut) for cut in cuts]
    facts = [name, run.record, _digest(members.table), members.counts, cuts_made, mirror]
    inputs = inputs_digest([__name__], *facts)
    earlier = record_made_of(inputs, storage.join(output, _RECORD), _TABLES)
    if earlier is not None:
        log.info("%s holds the comparison of the same run and list: nothing to do", output)
        return Comparison(output, earlier)
    with Claim(output, {"holds": "a comparison"}, "a comparison").hold():
        record = _write_comparison(spark, run, members, output, cuts, mirror)
        head = {"name": name, "run": run.record["run_id"], "members": name_of(listed)}
        record = {**head, **record, INPUTS: inputs}
        storage.write_file(storage.join(output, _RECORD), json.dumps(record, indent=1))
    return Comparison(output, record)


def _write_comparison(
    spark: SparkSession,
    run: FinishedRun,
    members: MemberList,
    output: str,
    cuts: Sequence[Cut],
    mirror: str | None,
) -> dict[str, Any]:
    """Write the tables and return their summary for comparison.json."""
    storage.remove_file(storage.join(output, _RECORD))
    done = run.clusters[run.clusters["status"] == "done"]
    rows = members.table.merge(done[["cluster", "cluster_key"]], on="cluster_key")
    rows = rows.rename(columns={"probability": "list_probability"})
    listed = spark.createDataFrame(
        pa.Table.from_pandas(
            rows[["cluster", "source_id", "list_probability"]], preserve_index=False
        )
    )
    candidates = run.read(spark, "candidates")
    compared = candidates.join(F.broadcast(listed.select("cluster").distinct()), "cluster")
    stars = _listed_stars(spark, run, compared, listed, rows, mirror)
    save_rows(stars, storage.join(output, "stars"))
    stars = read_saved(spark, storage.join(output, "stars"), LISTED_STARS)
    key = ["cluster", "source_id"]
    both = stars.unionByName(
        compared.join(F.broadcast(listed.select(key)), key, "left_anti").select(
            *key, "probability", "posterior", "f_r", "f_pm", "f_plx", "phot_g_mean_mag"
        ),
        allowMissingColumns=True,
    )
    compared_clusters = done[done["cluster"].isin(rows["cluster"])]
    both = both.withColumn("p", member_value(member_rules(compared_clusters)))
    counted = _count(both, compared_clusters, cuts)
    clusters = counted.filter(pc.is_valid(counted["cluster"]))
    combined = counted.filter(pc.is_null(counted["cluster"])).to_pylist()
    rows_of_clusters = spark.createDataFrame(clusters, struct(COMPARISON)).coalesce(1)
    save_rows(rows_of_clusters, storage.join(output, "clusters"))
    save_rows(confusion_table(both), storage.join(output, "confusion"))
    return {
        "clusters": int(rows["cluster"].nunique()),
        "members_by": compared_clusters["members_by"].value_counts().to_dict(),
        "listed": _listed_counts(members, rows),
        "model_saw_clusters": int(compared_clusters["model_saw_cluster"].sum()),
        "cuts": [{**asdict(cut), "description": cut.describe()} for cut in cuts],
        "combined": {row["cut"]: _plain(row) for row in combined},
        "over_clusters": _over_clusters(clusters.to_pandas()),
    }


def _digest(rows: pd.DataFrame) -> str:
    """Return the SHA-256 of the values of a table, in whatever order its rows are."""
    hashes = np.sort(pd.util.hash_pandas_object(rows, index=False).to_numpy())
    return hashlib.sha256(hashes.tobytes()).hexdigest()


def _count(stars: DataFrame, done: pd.DataFrame, cuts: Sequence[Cut]) -> pa.Table:
    """Return `COMPARISON` rows for all cuts: each cluster, and all together (cluster null)."""
    counted = reduce(DataFrame.unionByName, [count_at(stars, cut) for cut in cuts])
    table = counted.toArrow()
    for column, kind in (("model_saw_cluster", pa.bool_()), ("members_by", pa.string())):
        of = dict(zip(done["cluster"], done[column], strict=True))
        values = [of.get(name) for name in table["cluster"].to_pylist()]
        table = table.append_column(column, pa.array(values, kind))
    table = table.sort_by([("cluster", "ascending"), ("cut", "ascending")])
    return table.select([f.name for f in COMPARISON]).cast(to_arrow_schema(struct(COMPARISON)))


def _listed_counts(members: MemberList, rows: pd.DataFrame) -> dict[str, int]:
    return {
        "rows": members.counts["rows"],
        "rows_of_compared_clusters": len(rows),
        "clusters_not_done_in_the_run": members.counts["clusters_not_in_table"],
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    left_out = ("cluster", "model_saw_cluster", "members_by")
    return {key: value for key, value in row.items() if key not in left_out}


def _over_clusters(clusters: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return by cut the median faint fraction of clusters, and the clusters recovered entirely."""
    found = {}
    for cut, rows in clusters.groupby("cut"):
        faint = rows["faint_fraction"].median()
        found[str(cut)] = {
            "median_faint_fraction": None if pd.isna(faint) else float(faint),
            "clusters_all_recovered": int((rows["recovered"] == 1.0).sum()),
            "clusters_with_listed_stars": int(rows["recovered"].notna().sum()),
        }
    return found


def _listed_stars(
    spark: SparkSession,
    run: FinishedRun,
    candidates: DataFrame,
    listed: DataFrame,
    rows: pd.DataFrame,
    mirror: str | None,
) -> DataFrame:
    key = ["cluster", "source_id"]
    known = {name: F.lit(True) for name in ("in_mirror", "kept", "within_radius", "in_cone")}
    matched = candidates.join(F.broadcast(listed), key).withColumns(known)
    judged = {f"passes_{c}": F.lit(None).cast("boolean") for c in CONDITIONS}
    matched = matched.withColumns(judged).select([f.name for f in LISTED_STARS])
    missing = listed.join(candidates.select(key), key, "left_anti")
    path = mirror or run.settings.mirror.path
    return matched.unionByName(look_up_stars(spark, run, missing, rows, path))
