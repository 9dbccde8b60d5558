"""Compare what a run on a mock found with the truth: completeness and purity of the members.

Example:
    spark-submit jobs/summarise_mock.py --run runs/full_catalogue --truth runs/mock/truth.parquet
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ocspark import cli, storage
from ocspark.errors import InputError
from ocspark.mock.score import BY_VOTES, Score, score_run
from ocspark.selection_function.count import count_planted, done_clusters
from ocspark.selection_function.figures import recovery_figure
from ocspark.selection_function.tabulate import recovery
from ocspark.session import get_session
from ocspark.store.finished_run import FinishedRun, open_run
from ocspark.store.frames import read_frame
from ocspark.tables.member_rule import POSTERIOR, VOTES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MOST_CLUSTERS = 40


def main() -> int:
    """Print members, completeness and purity per cluster and in all; draw them by magnitude."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="finished run on a mock")
    parser.add_argument("--truth", required=True, metavar="FILE", help="the mock's truth.parquet")
    options = parser.parse_args()
    if not storage.exists(options.truth):
        raise InputError(f"--truth: {options.truth}: no such file; expected a mock's truth.parquet")
    run = open_run(options.run)
    spark = get_session("ocspark: summary")
    scores = score_run(spark, run, options.truth)
    picture = storage.join(run.path, "completeness_purity.png")
    storage.write_file(picture, _picture(spark, run, options.truth))
    skipped = int((run.clusters["status"] == "skipped").sum())
    lines = [
        *_table(scores, run),
        f"[ocspark] {len(scores) - 1} clusters done, {skipped} skipped",
        f"[ocspark] members: {scores[-1][0].rule}",
        f"[ocspark] completeness and purity as a picture: {picture}",
        f"[ocspark] tables: {run.path}/{{candidates,training_members,clusters}}",
        f"[ocspark] record: {run.path}/run.json",
    ]
    results = {
        own.name: {"members": _facts(own), "by_votes": _facts(by_votes)} for own, by_votes in scores
    }
    cli.show_results(options, {"path": run.path, "picture": picture, "clusters": results}, lines)
    return 0


def _facts(score: Score) -> dict[str, Any]:
    shares = {"completeness": score.completeness, "purity": score.purity}
    return {**score._asdict(), **shares}


def _table(scores: Sequence[tuple[Score, Score]], run: FinishedRun) -> Iterator[str]:
    """Yield a line per cluster, the last for all of them."""
    expected = run.clusters.set_index("cluster")[["expected_members", "expected_members_error"]]
    kinds = ("members of each", str(BY_VOTES))
    yield f"{'':<14}{'planted':>8}{'expected':>14}  {'':<9}" + "".join(f"{k:>24}" for k in kinds)
    yield (
        f"{'cluster':<14}{'stars':>8}{'members':>14}  {'by':<9}"
        + "   members complete   pure" * len(kinds)
    )
    *clusters, all_clusters = scores
    for both in [*clusters[:_MOST_CLUSTERS], all_clusters]:
        own, _ = both
        cells = "".join(
            f"{s.n_members:>10}{_percent(s.completeness):>8}{_percent(s.purity):>7}" for s in both
        )
        n, by = "", ""
        if both is not all_clusters:
            n, by = _with_error(*expected.loc[own.name]), own.rule.split()[0]
        yield f"{own.name:<14}{own.n_planted:>8}{n:>14}  {by:<9}{cells}"
    if len(clusters) > _MOST_CLUSTERS:
        yield f"({len(clusters) - _MOST_CLUSTERS} clusters more in the total)"


def _picture(spark: SparkSession, run: FinishedRun, truth: str) -> bytes:
    planted = read_frame(spark, truth)
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
