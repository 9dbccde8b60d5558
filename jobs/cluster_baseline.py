"""Find members with HDBSCAN for all clusters of a run, as a list for jobs/compare.py.

Example:
    spark-submit jobs/cluster_baseline.py --run runs/full_catalogue --output hdbscan.parquet
"""

from __future__ import annotations

from ocspark import cli
from ocspark.analysis.clustering import Baseline
from ocspark.analysis.distributed import baseline_members
from ocspark.errors import InputError
from ocspark.session import get_session
from ocspark.store.finished_run import open_run
from ocspark.store.frames import write_frame


def main() -> int:
    """Cluster every cone and write the member list."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--run",
        required=True,
        metavar="DIR",
        help="finished run with non_members (output.non_members=true)",
    )
    add("--output", required=True, metavar="DIR.parquet", help="member list to write")
    add(
        "--min-cluster-size",
        type=int,
        default=Baseline.min_cluster_size,
        metavar="N",
        help="fewest stars of a cluster of HDBSCAN",
    )
    add(
        "--draws",
        type=int,
        default=Baseline.n_draws,
        metavar="N",
        help="how often parallaxes and proper motions are drawn again from their errors",
    )
    add("--max-g", type=float, default=Baseline.max_g, metavar="MAG", help="faintest G magnitude")
    options = parser.parse_args()
    if not options.output.endswith(".parquet"):
        raise InputError(f"--output: {options.output}: expected a name that ends in .parquet")
    if options.min_cluster_size < 2 or options.draws < 1:
        raise InputError("--min-cluster-size, --draws: expected at least 2 and at least 1")
    how = Baseline(options.max_g, options.min_cluster_size, options.draws)
    run = open_run(options.run)
    spark = get_session("ocspark: clustering baseline")
    members = baseline_members(spark, run, how)
    write_frame(members, options.output)
    cli.show_results(
        options,
        {"output": options.output},
        [f"[ocspark] members by HDBSCAN are in {options.output}; compare with jobs/compare.py"],
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
