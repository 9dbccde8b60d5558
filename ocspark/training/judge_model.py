"""Judge a model by a run on a mock: compare with the truth in clusters it was not trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ocspark import storage
from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.membership.engine import Engine, Sampling
from ocspark.names import cluster_key
from ocspark.selection.model import ClusterModel
from ocspark.selection.run_models import read_models
from ocspark.session import ship
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.store.frames import read_frame
from ocspark.tables.arrow import split_by_cluster
from ocspark.tables.stars import CalibratedStars
from ocspark.training.judge import (
    Counts,
    apply_isotonic,
    calibration,
    confusion_counts,
    curves,
    fit_isotonic,
)
from ocspark.training.judge_figure import draw_judgement

#: Edges of the groups: G [mag], distance [pc], projected radius [pc].
GROUPS = {
    "phot_g_mean_mag": (0.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 22.0),
    "distance": (0.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 10_000.0),
    "f_r": (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 50.0),
}
#: Support sets drawn for each star, to measure how much a call depends on the draw.
SUPPORT_DRAWS = 20
#: Approximate number of stars for which this is done, chosen by a hash of their ids.
SUPPORT_STARS = 50_000
_COUNTED = ("probability", "n_true", "n_false")
_ERRORS = (
    "parallax_error pmra_error pmdec_error phot_g_mean_mag_error g_rp_error "
    "parallax_pmra_corr parallax_pmdec_corr pmra_pmdec_corr"
).split()


def judge_model(spark: SparkSession, run: FinishedRun, truth: str, output: str) -> dict[str, Any]:
    """Judge the model of a finished run by its candidates that are not training members.

    Parameters
    ----------
    spark : SparkSession
        Session that reads and joins the tables.
    run : FinishedRun
        A run of the main job on a mock.
    truth : str
        The mock's truth.parquet: source_id, cluster.
    output : str
        Folder for judgement.json and judgement.png.

    Returns
    -------
    dict
        The content of judgement.json.

    Raises
    ------
    InputError
        If the model was trained on every cluster of the run, or the folder holds something else.
    """
    if not storage.is_file(truth):
        raise InputError(f"--truth: {truth}: no such file; expected a mock's truth.parquet")
    with Claim(output, {"holds": "a judgement"}, "a judgement").hold():
        return _judge(spark, run, truth, output)


def _judge(spark: SparkSession, run: FinishedRun, truth: str, output: str) -> dict[str, Any]:
    stars, n_clusters = _held_out(spark, run, truth)
    if n_clusters == 0:
        raise InputError(
            f"--run: {run.path}: the model was trained on every cluster that is done; "
            "expected some others"
        )
    counts = {name: _count(stars, name, edges) for name, edges in GROUPS.items()}
    whole = _total(counts["distance"].values())
    halves = [_counts(stars.where(F.pmod(F.xxhash64("cluster"), F.lit(2)) == i)) for i in (0, 1)]
    knots = fit_isotonic(halves[0])
    result = {
        "model": run.record["model"],
        "run": run.record["run_id"],
        "n_clusters": n_clusters,
        "n_stars": int(whole.all.sum()),
        "n_members": int(whole.true.sum()),
        "confusion": confusion_counts(whole),
        **curves(whole),
        "calibration": calibration(whole),
        # fitted on one half of the clusters, applied to the other
        "isotonic": {
            "knots": knots,
            "before": calibration(halves[1]),
            "after": calibration(apply_isotonic(halves[1], knots)),
        },
        "groups": {
            name: [
                {"from": edges[i], "to": edges[i + 1], **_summary(counts[name][i])}
                for i in range(len(edges) - 1)
                if i in counts[name]
            ]
            for name, edges in GROUPS.items()
        },
        "support": _stability(spark, _some(stars, int(whole.all.sum())), run),
    }
    storage.write_file(storage.join(output, "judgement.json"), json.dumps(result, indent=1))
    storage.write_file(storage.join(output, "judgement.png"), draw_judgement(result))
    return result


def _held_out(spark: SparkSession, run: FinishedRun, truth: str) -> tuple[DataFrame, int]:
    """Return the candidates of held-out clusters with is_true, and the number of clusters."""
    clusters = run.read(spark, "clusters").where("status = 'done' and not model_saw_cluster")
    planted = read_frame(spark, truth).select("cluster", "source_id", F.lit(True).alias("is_true"))
    stars = (
        run.read(spark, "candidates")
        .where(~F.col("is_training_member"))
        .join(F.broadcast(clusters.select("cluster", "distance")), "cluster")
        .join(planted, ["cluster", "source_id"], "left")
        .withColumn("is_true", F.coalesce("is_true", F.lit(False)))
    )
    return stars, clusters.count()


def _counts(stars: DataFrame) -> Counts:
    """Return the counts at each probability over all stars."""
    return _count(stars, "distance", (0.0, np.inf)).get(0, _total([]))


def _count(stars: DataFrame, column: str, edges: tuple[float, ...]) -> dict[int, Counts]:
    """Return the counts at each probability by number of the group; groups without stars lack."""
    group = F.lit(-1)
    for edge in edges:
        group = group + (F.col(column) >= edge).cast("int")
    table = (
        stars.groupBy(group.alias("part"), "probability")
        .agg(F.count_if("is_true").alias("n_true"), F.count_if(~F.col("is_true")).alias("n_false"))
        .toPandas()  # some hundred rows
        .sort_values(["part", "probability"])
    )
    parts = {
        part: Counts(*(table.loc[table["part"] == part, c].to_numpy() for c in _COUNTED))
        for part in range(len(edges) - 1)
    }
    return {part: counts for part, counts in parts.items() if len(counts.probability)}


def _total(parts: Any) -> Counts:
    """Add up the counts of groups."""
    tables = [pd.DataFrame(vars(part)) for part in parts]
    if not tables:
        return Counts(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    whole = pd.concat(tables).groupby("probability", as_index=False).sum()
    return Counts(*(whole[c].to_numpy() for c in ("probability", "true", "false")))


def _summary(counts: Counts) -> dict[str, Any]:
    """Return the main figures of a group of stars."""
    return {
        "n_stars": int(counts.all.sum()),
        "n_members": int(counts.true.sum()),
        "mean_probability": float((counts.probability * counts.all).sum() / counts.all.sum()),
        "roc_auc": curves(counts)["roc_auc"],
        "brier": calibration(counts)["brier"],
        **confusion_counts(counts),
    }


def _some(stars: DataFrame, n_stars: int) -> DataFrame:
    """Return about `SUPPORT_STARS` of the stars."""
    every = max(1, n_stars // SUPPORT_STARS)
    return stars.where(F.pmod(F.xxhash64("source_id"), F.lit(every)) == 0)


def _stability(spark: SparkSession, stars: DataFrame, run: FinishedRun) -> dict[str, Any]:
    """Return how often the call of a star depends on its support set, with errors taken as zero."""
    names = stars.select("cluster").distinct().toPandas()["cluster"]
    wanted = {cluster_key(name): str(name) for name in names}
    models = read_models(run, wanted)
    of_run = run.settings.membership
    sampling = Sampling(SUPPORT_DRAWS, of_run.support_size, of_run.seed, of_run.leave_one_out)
    shipped = ship(spark, (models, load_model(run.settings.model), sampling))
    keys = spark.createDataFrame(
        pa.table({"cluster": list(wanted.values()), "cluster_key": list(wanted)})
    )
    names_of = "source_id ra dec parallax pmra pmdec phot_g_mean_mag g_rp".split()

    def vote(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known, network, how = shipped()
        engine = Engine(network, how)
        for batch in batches:
            for model, part in split_by_cluster(batch, known, CalibratedStars):
                yield pa.RecordBatch.from_pydict({"share": _votes(engine, model, part)})

    shares = (
        stars.join(F.broadcast(keys), "cluster")
        .select("cluster_key", *names_of)
        .mapInArrow(vote, T.StructType([T.StructField("share", T.DoubleType())]))
        .groupBy("share")
        .count()
        .toPandas()
        .sort_values("share")
    )
    n, share = shares["count"].to_numpy(), shares["share"].to_numpy()
    return {
        "draws": SUPPORT_DRAWS,
        "share": share.tolist(),
        "n": n.tolist(),
        "not_unanimous": float(n[(share > 0) & (share < 1)].sum() / n.sum()),
    }


def _votes(engine: Engine, model: ClusterModel, stars: CalibratedStars) -> np.ndarray:
    """Return the votes of stars whose errors are taken as zero."""
    exact = stars.with_columns({name: np.zeros(len(stars)) for name in _ERRORS})
    return engine.membership(exact, model).probability
