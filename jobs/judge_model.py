"""Judge a network by a finished run on a mock: curves, calibration, stability; JSON and a figure.

Example:
    spark-submit jobs/judge_model.py --run runs/mock --truth mock/truth.parquet --output judged
"""

from __future__ import annotations

from ocspark import cli
from ocspark.session import get_session
from ocspark.store.finished_run import open_run
from ocspark.training.judge_model import judge_model


def main() -> int:
    """Judge, say the main numbers."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--run", required=True, metavar="DIR", help="finished run on a mock")
    add("--truth", required=True, metavar="FILE", help="the mock's truth.parquet")
    add("--output", required=True, metavar="DIR", help="folder for judgement.json and .png")
    options = parser.parse_args()
    run = open_run(options.run)
    spark = get_session("ocspark: judge model")
    result = judge_model(spark, run, options.truth, options.output)
    cli.show_results(
        options,
        {"path": options.output, **result},
        [
            f"[ocspark] model {result['model']['name']} on {result['n_stars']} candidates of "
            f"{result['n_clusters']} clusters it never saw: F1 {result['confusion']['f1']:.4f}, "
            f"ROC area {result['roc_auc']:.4f}, calibration error "
            f"{result['calibration']['expected_error']:.4f}; see {options.output}/judgement.png"
        ],
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
