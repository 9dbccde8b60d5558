"""Compare what a run on a mock found with the truth: ``spark-submit jobs/summarise_mock.py``."""

from __future__ import annotations

import math

from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.cli import Parser, run_job
from ocspark.errors import InputError
from ocspark.mock.score import LEVELS, Score, score_run
from ocspark.selection_function.count import count_planted
from ocspark.selection_function.figures import recovery_figure
from ocspark.selection_function.tabulate import recovery
from ocspark.session import get_session
from ocspark.store.finished_run import FinishedRun, open_run

_MOST_CLUSTERS = 40


def main() -> int:
    """Print members, completeness and purity per cluster and in all, and where the tables lie."""
    parser = Parser(description=__doc__)
    parser.add_argument("--mock", required=True, metavar="DIR", help="from jobs/make_mock.py")
    parser.add_argument("--runs", required=True, metavar="DIR", help="output.path of the run")
    arguments = parser.parse_args()
    truth = storage.join(arguments.mock, "truth.parquet")
    if not storage.exists(truth):
        raise InputError(f"--mock: {truth}: no such file; expected a mock")
    run = open_run(arguments.runs, "--runs")
    spark = get_session("ocspark: summary")
    scores = score_run(spark, run, truth)
    by_name: dict[str, list[Score]] = {}
    for score in scores:
        by_name.setdefault(score.name, []).append(score)
    skipped = int((run.clusters["status"] == "skipped").sum())
    print(f"{'':<14}{'planted':>8}" + "".join(f"{f'p >= {p:g}':>24}" for p in LEVELS))
    print(f"{'cluster':<14}{'stars':>8}" + "   members complete   pure" * len(LEVELS))
    names = list(by_name)[:-1]
    for name in [*names[:_MOST_CLUSTERS], "all"]:
        cells = "".join(
            f"{s.n_members:>10}{_percent(s.completeness):>8}{_percent(s.purity):>7}"
            for s in by_name[name]
        )
        print(f"{name:<14}{by_name[name][0].n_planted:>8}{cells}")
    if len(names) > _MOST_CLUSTERS:
        print(f"({len(names) - _MOST_CLUSTERS} clusters more in the total)")
    print(f"[ocspark] {len(names)} clusters done, {skipped} skipped")
    picture = storage.join(run.path, "completeness_purity.png")
    storage.write_file(picture, _picture(spark, run, truth, names))
    print(f"[ocspark] completeness and purity as a picture: {picture}")
    print(f"[ocspark] tables: {run.path}/{{candidates,training_members,clusters}}")
    print(f"[ocspark] record: {run.path}/run.json")
    return 0


def _picture(spark: SparkSession, run: FinishedRun, truth: str, clusters: list[str]) -> bytes:
    planted = spark.read.parquet(storage.for_spark(truth))
    done = spark.createDataFrame([(name,) for name in clusters], "cluster string")
    counts = count_planted(run.read(spark, "candidates"), planted, done).toPandas()
    return recovery_figure(recovery(counts, clusters))


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}%"


if __name__ == "__main__":
    run_job(main)
