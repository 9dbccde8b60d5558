"""What a run on a mock found, against the truth: ``spark-submit jobs/summarise_mock.py``."""

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

_MOST_CLUSTERS = 40


def main() -> int:
    """Print members, completeness and purity per cluster and in all, and where the tables lie."""
    parser = Parser(description=__doc__)
    parser.add_argument("--mock", required=True, metavar="DIR", help="from jobs/make_mock.py")
    parser.add_argument("--runs", required=True, metavar="DIR", help="output.path of the run")
    arguments = parser.parse_args()
    latest = storage.join(arguments.runs, "latest")
    truth = storage.join(arguments.mock, "truth.parquet")
    for path in (latest, truth):
        if not storage.exists(path):
            raise InputError(f"{path}: no such file; expected a finished run and its mock")
    run = storage.join(arguments.runs, storage.read_text(latest).strip())
    spark = get_session("ocspark: summary")
    scores = score_run(spark, run, truth)
    by_name: dict[str, list[Score]] = {}
    for score in scores:
        by_name.setdefault(score.name, []).append(score)
    skipped = spark.read.parquet(f"{run}/clusters").where("status = 'skipped'").count()
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
    picture = storage.join(run, "completeness_purity.png")
    storage.write_file(picture, _picture(spark, run, truth, names))
    print(f"[ocspark] completeness and purity as a picture: {picture}")
    print(f"[ocspark] tables: {run}/{{candidates,training_members,clusters}} and {run}/run.json")
    return 0


def _picture(spark: SparkSession, run: str, truth: str, clusters: list[str]) -> bytes:
    candidates, planted = (
        spark.read.parquet(storage.for_spark(path)) for path in (f"{run}/candidates", truth)
    )
    done = spark.createDataFrame([(name,) for name in clusters], "cluster string")
    counts = count_planted(candidates, planted, done).toPandas()
    return recovery_figure(recovery(counts, clusters))


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}%"


if __name__ == "__main__":
    run_job(main)
