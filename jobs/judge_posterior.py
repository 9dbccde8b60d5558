"""Judge posteriors and votes of a run on a mock by its truth, or of real clusters without one.

Example:
    spark-submit jobs/judge_posterior.py --run runs/mock --truth mock/truth.parquet --output judged
    spark-submit jobs/judge_posterior.py --data DIR --output judged

With --run and --truth: completeness, purity, reliability, calibration and numbers of members of a
finished run on a mock, as JSON and a figure. With --data: the main job on a validation data set,
and what must hold of real clusters, as JSON and a figure of each.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.session import get_session
from ocspark.store.finished_run import open_run
from ocspark.validation import judge_posterior, real_posteriors, real_summary


def main() -> int:
    """Judge, print the main figures."""
    parser = cli.Parser(description=__doc__)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--run", metavar="DIR", help="finished run on a mock")
    given.add_argument("--data", metavar="DIR", help="validation data set of real clusters")
    parser.add_argument("--truth", metavar="FILE", help="with --run: the mock's truth.parquet")
    parser.add_argument(
        "--work", default="runs/validate", metavar="DIR", help="with --data: mirror and run"
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder for numbers and figures"
    )
    options = parser.parse_args()
    if options.run is not None and options.truth is None:
        parser.error("--run needs --truth")
    run = None if options.run is None else open_run(options.run)
    spark = get_session("ocspark: judge posterior")
    if run is not None:
        judged = judge_posterior.judge_posterior(spark, run, options.truth, options.output)
        lines = judge_posterior.judgement_lines(judged)
    else:
        judged = real_posteriors.judge_real_posteriors(
            options.data, options.work, options.output, spark
        )
        lines = real_summary.real_judgement_lines(judged)
    cli.show_results(
        options,
        {"path": options.output, **judged},
        [*lines, f"[ocspark] numbers and figures are in {options.output}"],
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
