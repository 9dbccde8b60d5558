"""A run against a member list: Venn counts, confusion, reasons, feature spreads (method §11)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.analysis.landed import LandedRun, open_run
from ocspark.analysis.missed import look_up
from ocspark.analysis.structure import FAINT_G, FAINT_LEVEL
from ocspark.errors import InputError
from ocspark.inputs.members import MemberList, read_members
from ocspark.tables import COMPARISON, CONFUSION, LISTED_STARS, struct

#: Reasons why a listed star is missed; those of the selection are evaluated independently.
REASONS = (
    "not_in_mirror",
    "not_in_cone",
    "not_kept",
    "proper_motion",
    "parallax",
    "isochrone",
    "zero_probability",
    "low_probability",
)
_N_BINS = 10


@dataclass(frozen=True)
class Cut:
    """Which stars are compared: p at least `probability` on both sides, f_R and G below limits."""

    name: str
    probability: float
    max_radius_pc: float | None = None
    max_g: float | None = None

    def describe(self) -> str:
        """Return the cut in words."""
        words = [f"p ≥ {self.probability:g}"]
        if self.max_radius_pc is not None:
            words.append(f"f_R < {self.max_radius_pc:g} pc")
        if self.max_g is not None:
            words.append(f"G < {self.max_g:g}")
        return ", ".join(words)


#: The paper's two (its Fig. 3).
PAPER_CUTS = (Cut("all", 0.1), Cut("probable", 0.5, 20.0, 18.0))


def parse_cut(text: str) -> Cut:
    """Return the cut of ``p=0.5,radius_pc=20,g=18`` (p is required).

    Raises
    ------
    InputError
        For anything else.
    """
    expected = f"--cut {text}: expected p=PROBABILITY[,radius_pc=PC][,g=MAG]"
    try:
        values = {k.strip(): float(v) for k, v in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise InputError(expected) from None
    if not set(values) <= {"p", "radius_pc", "g"} or not 0.0 < values.get("p", -1.0) <= 1.0:
        raise InputError(expected)
    name = "_".join(f"{key}{values[key]:g}" for key in ("p", "radius_pc", "g") if key in values)
    return Cut(name, values["p"], values.get("radius_pc"), values.get("g"))


@dataclass(frozen=True)
class Comparison:
    """A comparison as it landed: `path`, and comparison.json as `record`."""

    path: str
    record: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Return its clusters or confusion table (no stars) as pandas."""
        return pd.read_parquet(storage.join(self.path, name))

    def stars(self, spark: SparkSession) -> DataFrame:
        """Return its listed stars."""
        path = storage.for_spark(storage.join(self.path, "stars"))
        return spark.read.schema(struct(LISTED_STARS)).parquet(path)


def open_comparison(path: str) -> Comparison:
    """Open what `compare` wrote."""
    record = storage.join(path, "comparison.json")
    if not storage.exists(record):
        raise InputError(f"--comparison: {record}: no such file; jobs/compare.py writes it")
    return Comparison(path, json.loads(storage.read_text(record)))


def compare(
    spark: SparkSession,
    run_path: str,
    members_path: str,
    output: str,
    *,
    name: str,
    columns: dict[str, str] | None = None,
    cuts: Sequence[Cut] = PAPER_CUTS,
    mirror: str | None = None,
) -> Comparison:
    """Compare a run with a member list and write what came out.

    Parameters
    ----------
    spark : SparkSession
    run_path : str
        A finished run.
    members_path : str
        Member list of any format that the main job reads.
    output : str
        Directory for ``stars/``, ``clusters/``, ``confusion/`` and, last, ``comparison.json``.
    name : str
        What the list is called in tables and figures.
    columns : dict, optional
        Canonical name to the list's column.
    cuts : sequence of Cut
    mirror : str, optional
        Where the run's mirror lies now, if it has moved.

    Raises
    ------
    InputError
        For a run that is not finished, a bad list, no cluster in common, or a directory
        `output` with something else in it.
    """
    run = open_run(run_path)
    done = run.clusters[run.clusters["status"] == "done"]
    members = read_members(members_path, columns or {}, frozenset(done["cluster_key"]))
    if members.table.empty:
        raise InputError(f"--members: {members_path}: no cluster in common with {run.path}")
    marker = storage.join(output, "comparison.json")
    if not storage.exists(marker) and not storage.is_empty(output):
        raise InputError(f"--output: {output}: is not empty and holds no comparison")
    storage.remove_file(marker)
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
    _write(stars, storage.join(output, "stars"))
    stars = spark.read.schema(struct(LISTED_STARS)).parquet(
        storage.for_spark(storage.join(output, "stars"))
    )
    key = ["cluster", "source_id"]
    both = stars.unionByName(
        compared.join(F.broadcast(listed.select(key)), key, "left_anti").select(
            *key, "probability", "f_r", "f_pm", "f_plx", "phot_g_mean_mag"
        ),
        allowMissingColumns=True,
    ).cache()
    tables = [_compare_at(both, cut) for cut in cuts]
    saw = spark.createDataFrame(
        pa.Table.from_pandas(done[["cluster", "model_saw_cluster"]], preserve_index=False)
    )
    counted = tables[0]
    for table in tables[1:]:
        counted = counted.unionByName(table)
    counted = counted.join(F.broadcast(saw), "cluster", "left")
    counted = counted.select([f.name for f in COMPARISON]).cache()
    combined = [row.asDict() for row in counted.where("cluster is null").collect()]
    _write(counted.where("cluster is not null"), storage.join(output, "clusters"))
    _write(_confusion(both), storage.join(output, "confusion"))
    both.unpersist()
    record = {
        "name": name,
        "run": run.record["run_id"],
        "members": members_path,
        "clusters": int(rows["cluster"].nunique()),
        "listed": _listed_counts(members, rows),
        "model_saw_clusters": int(
            done.loc[done["cluster"].isin(rows["cluster"]), "model_saw_cluster"].sum()
        ),
        "cuts": [{**asdict(cut), "description": cut.describe()} for cut in cuts],
        "combined": {row["cut"]: _plain(row) for row in combined},
        **_medians(spark, output, cuts),
    }
    counted.unpersist()
    storage.write_file(marker, json.dumps(record, indent=1))
    return Comparison(output, record)


def _listed_counts(members: MemberList, rows: pd.DataFrame) -> dict[str, int]:
    return {
        "rows": members.counts["rows"],
        "rows_of_compared_clusters": len(rows),
        "clusters_not_done_in_the_run": members.counts["clusters_not_in_table"],
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    left_out = ("cluster", "model_saw_cluster")
    return {key: value for key, value in row.items() if key not in left_out}


def _medians(spark: SparkSession, output: str, cuts: Sequence[Cut]) -> dict[str, Any]:
    """Return what the paper quotes over clusters: median faint fraction, clusters all found."""
    path = storage.for_spark(storage.join(output, "clusters"))
    table = spark.read.schema(struct(COMPARISON)).parquet(path).groupBy("cut")
    rows = table.agg(
        F.median("faint_fraction").alias("median_faint_fraction"),
        F.count_if(F.col("recovered") == 1.0).alias("clusters_all_recovered"),
        F.count("recovered").alias("clusters_with_listed_stars"),
    ).collect()
    found = {row["cut"]: row.asDict() for row in rows}
    return {"over_clusters": {cut.name: found.get(cut.name, {}) for cut in cuts}}


def _write(frame: DataFrame, path: str) -> None:
    frame.write.mode("overwrite").parquet(storage.for_spark(path))


def _listed_stars(
    spark: SparkSession,
    run: LandedRun,
    candidates: DataFrame,
    listed: DataFrame,
    rows: pd.DataFrame,
    mirror: str | None,
) -> DataFrame:
    key = ["cluster", "source_id"]
    known = {name: F.lit(True) for name in ("in_mirror", "kept", "within_radius", "in_cone")}
    matched = candidates.join(F.broadcast(listed), key).withColumns(known)
    judged = {f"passes_{c}": F.lit(None).cast("boolean") for c in _CONDITIONS}
    matched = matched.withColumns(judged).select([f.name for f in LISTED_STARS])
    missing = listed.join(candidates.select(key), key, "left_anti")
    path = mirror or run.settings.mirror.path
    return matched.unionByName(look_up(spark, run, missing, rows, path))


_CONDITIONS = ("proper_motion", "parallax", "isochrone")


def _compare_at(stars: DataFrame, cut: Cut) -> DataFrame:
    """Return the `COMPARISON` rows of a cut, one per cluster and one (cluster null) for all."""
    fits = F.lit(True)
    if cut.max_radius_pc is not None:
        fits &= F.coalesce(F.col("f_r") < cut.max_radius_pc, F.lit(False))
    if cut.max_g is not None:
        fits &= F.coalesce(F.col("phot_g_mean_mag") < cut.max_g, F.lit(False))
    p, listed_p = F.col("probability"), F.col("list_probability")
    named = F.coalesce(listed_p >= cut.probability, F.lit(False))
    ours = F.coalesce(p >= cut.probability, F.lit(False)) & fits
    listed = named & fits
    limited = cut.max_radius_pc is not None or cut.max_g is not None
    unknown = named & F.col("f_r").isNull() if limited else F.lit(False)
    marked = stars.withColumns(
        {
            "_ours": ours,
            "_listed": listed,
            "_unknown": unknown,
            "_missed": listed & ~ours,
            "_faint": p >= FAINT_LEVEL,
            **{f"_{r}": listed & ~ours & c for r, c in _reason_columns(cut.probability).items()},
        }
    )

    def count(condition: Column, name: str) -> Column:
        return F.count_if(condition).cast("long").alias(name)

    sums = [
        count(F.col("_listed"), "n_listed"),
        count(F.col("_ours"), "n_ours"),
        count(F.col("_listed") & F.col("_ours"), "n_both"),
        count(F.col("_listed") & ~F.col("_ours"), "n_listed_only"),
        count(F.col("_ours") & ~F.col("_listed"), "n_ours_only"),
        count(F.col("_unknown"), "n_unknown"),
        count(F.col("_missed") & F.col("probability").isNull(), "n_not_candidate"),
        *[count(F.col(f"_{reason}"), f"n_{reason}") for reason in REASONS],
        count(F.col("_faint") & (F.col("phot_g_mean_mag") > FAINT_G), "_n_faint"),
        count(F.col("_faint"), "_n_p10"),
    ]
    for side in ("ours", "listed"):
        for feature in ("f_plx", "f_pm"):
            values = F.when(F.col(f"_{side}"), F.col(feature))
            spread = F.percentile(values, F.array(*map(F.lit, (0.15, 0.5, 0.85))))
            sums.append(spread.alias(f"{side}_{feature}"))
    rows = marked.rollup("cluster").agg(*sums).where("cluster is null or n_listed + n_ours > 0")
    reached = F.col("n_listed") - F.col("n_not_in_cone")
    return rows.withColumns(
        {
            "cut": F.lit(cut.name),
            "recovered": F.try_divide("n_both", "n_listed"),
            "recovered_in_cone": F.try_divide(F.col("n_both"), reached),
            "faint_fraction": F.try_divide("_n_faint", "_n_p10"),
        }
    )


def _reason_columns(level: float) -> dict[str, Column]:
    """Return the condition of each reason, for a missed star."""
    outside = F.col("probability").isNull()
    fails = {c: outside & F.coalesce(~F.col(f"passes_{c}"), F.lit(False)) for c in _CONDITIONS}
    there = F.coalesce("in_mirror", F.lit(False))
    kept = F.coalesce("kept", F.lit(False))
    in_cone = F.coalesce("in_cone", F.lit(False))
    zero = F.col("probability") == 0.0
    return {
        "not_in_mirror": outside & ~there,
        # a star that is not kept has no place in a cone, but that is another reason
        "not_in_cone": outside & ~in_cone & (kept | ~there),
        "not_kept": outside & there & ~kept,
        **fails,
        "zero_probability": F.coalesce(zero, F.lit(False)),
        "low_probability": F.coalesce(~zero & (F.col("probability") < level), F.lit(False)),
    }


def _confusion(stars: DataFrame) -> DataFrame:
    """Return the `CONFUSION` table: stars by bins of both probabilities, −1 where one has none."""

    def in_bins(column: str) -> Column:
        # a decimal step such as 0.3 must not fall below its own edge
        place = F.least(F.floor(F.col(column) * _N_BINS + 1e-9), F.lit(_N_BINS - 1))
        return F.coalesce(place, F.lit(-1)).cast("int")

    bins = {"list_bin": in_bins("list_probability"), "our_bin": in_bins("probability")}
    counts = stars.withColumns(bins).groupBy("cluster", "list_bin", "our_bin")
    return counts.agg(F.count("*").alias("n")).select([f.name for f in CONFUSION])
