"""Judge posteriors and votes of a finished run on a mock by its truth; JSON and a figure."""

from __future__ import annotations

from ocspark.cli import Parser, run_job
from ocspark.session import get_session
from ocspark.store.finished_run import open_run
from ocspark.validation.judge_posterior import judge_posterior, summary_lines


def main() -> int:
    """Parse the command line, judge, print the main figures."""
    parser = Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="finished run of the main job")
    parser.add_argument("--truth", required=True, metavar="FILE", help="the mock's truth.parquet")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    options = parser.parse_args()
    run = open_run(options.run)
    spark = get_session("ocspark: judge posterior")
    result = judge_posterior(spark, run, options.truth, options.output)
    for line in summary_lines(result):
        print(line)
    print(f"[ocspark] see {options.output}/posterior_judgement.png")
    return 0


if __name__ == "__main__":
    run_job(main)
