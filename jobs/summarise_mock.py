"""Compare what a run on a mock found with the truth: ``spark-submit jobs/summarise_mock.py``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ocspark import cli, storage
from ocspark.errors import InputError
from ocspark.mock.score import BY_VOTES, score_run
from ocspark.selection_function.count import count_planted, done_clusters
from ocspark.selection_function.figures import recovery_figure
from ocspark.selection_function.tabulate import recovery
from ocspark.session import get_session
from ocspark.store.finished_run import FinishedRun, open_run
from ocspark.tables.member_rule import POSTERIOR, VOTES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MOST_CLUSTERS = 40


def main() -> int:
    """Print members, completeness and purity per cluster and in all, and where the tables lie."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--mock", required=True, metavar="DIR", help="from jobs/make_mock.py")
    parser.add_argument("--runs", required=True, metavar="DIR", help="output.path of the run")
    arguments = parser.parse_args()
    truth = storage.join(arguments.mock, "truth.parquet")
    if not storage.exists(truth):
        raise InputError(f"--mock: {truth}: no such file; expected a mock")
    run = open_run(arguments.runs, "--runs")
    spark = get_session("ocspark: summary")
    *scores, all_clusters = score_run(spark, run, truth)
    expected = run.clusters.set_index("cluster")[["expected_members", "expected_members_error"]]
    kinds = ("members of each", str(BY_VOTES))
    print(f"{'':<14}{'planted':>8}{'expected':>14}  {'':<9}" + "".join(f"{k:>24}" for k in kinds))
    print(
        f"{'cluster':<14}{'stars':>8}{'members':>14}  {'by':<9}"
        + "   members complete   pure" * len(kinds)
    )
    for both in [*scores[:_MOST_CLUSTERS], all_clusters]:
        own, _ = both
        cells = "".join(
            f"{s.n_members:>10}{_percent(s.completeness):>8}{_percent(s.purity):>7}" for s in both
        )
        n, by = "", ""
        if both is not all_clusters:
            n, by = _with_error(*expected.loc[own.name]), own.rule.split()[0]
        print(f"{own.name:<14}{own.n_planted:>8}{n:>14}  {by:<9}{cells}")
    if len(scores) > _MOST_CLUSTERS:
        print(f"({len(scores) - _MOST_CLUSTERS} clusters more in the total)")
    skipped = int((run.clusters["status"] == "skipped").sum())
    print(f"[ocspark] {len(scores)} clusters done, {skipped} skipped")
    print(f"[ocspark] members: {all_clusters[0].rule}")
    picture = storage.join(run.path, "completeness_purity.png")
    storage.write_file(picture, _picture(spark, run, truth))
    print(f"[ocspark] completeness and purity as a picture: {picture}")
    print(f"[ocspark] tables: {run.path}/{{candidates,training_members,clusters}}")
    print(f"[ocspark] record: {run.path}/run.json")
    return 0


def _picture(spark: SparkSession, run: FinishedRun, truth: str) -> bytes:
    planted = spark.read.parquet(storage.for_spark(truth))
    done = run.clusters[run.clusters["status"] == "done"]
    found = count_planted(run.read(spark, "candidates"), planted, done_clusters(spark, done))
    names = {
        VOTES: done["cluster"].tolist(),
        POSTERIOR: done.loc[done["expected_members"].notna(), "cluster"].tolist(),
    }
    return recovery_figure(recovery(found.toPandas(), names))


def _with_error(expected: float, error: float) -> str:
    return "–" if math.isnan(expected) else f"{expected:.1f} ± {error:.1f}"


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}%"


if __name__ == "__main__":
    cli.run_job(main)
