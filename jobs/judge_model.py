"""Judge a model by a finished run on a mock: curves, calibration, stability; JSON and a figure."""

from __future__ import annotations

from ocspark import cli
from ocspark.session import get_session
from ocspark.store.finished_run import open_run
from ocspark.training.judge_model import judge_model


def main() -> int:
    """Parse the command line, judge, say the main numbers."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="finished run of the main job")
    parser.add_argument("--truth", required=True, metavar="FILE", help="the mock's truth.parquet")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    options = parser.parse_args()
    run = open_run(options.run)
    spark = get_session("ocspark: judge model")
    result = judge_model(spark, run, options.truth, options.output)
    at_half = result["confusion"]
    print(
        f"[ocspark] model {result['model']['name']} on {result['n_stars']} candidates of "
        f"{result['n_clusters']} clusters it never saw: F1 {at_half['f1']:.4f}, ROC area "
        f"{result['roc_auc']:.4f}, calibration error "
        f"{result['calibration']['expected_error']:.4f}; see {options.output}/judgement.png"
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
