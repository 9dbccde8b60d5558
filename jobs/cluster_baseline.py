"""Members by HDBSCAN for all clusters of a run, as a list for jobs/compare.py."""

from __future__ import annotations

from ocspark import cli, storage
from ocspark.analysis.clustering import Baseline
from ocspark.analysis.distributed import baseline_members
from ocspark.errors import InputError
from ocspark.session import get_session
from ocspark.store.finished_run import open_run


def main() -> int:
    """Cluster every cone and write the member list."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="run with non_members")
    parser.add_argument("--output", required=True, metavar="DIR.parquet", help="list to write")
    parser.add_argument("--min-cluster-size", type=int, default=Baseline.min_cluster_size)
    parser.add_argument("--draws", type=int, default=Baseline.n_draws, help="of the errors")
    parser.add_argument("--max-g", type=float, default=Baseline.max_g, help="faint limit [mag]")
    options = parser.parse_args()
    if not options.output.endswith(".parquet"):
        raise InputError(f"--output: {options.output}: expected a name that ends in .parquet")
    if options.min_cluster_size < 2 or options.draws < 1:
        raise InputError("--min-cluster-size, --draws: expected at least 2 and at least 1")
    how = Baseline(options.max_g, options.min_cluster_size, options.draws)
    run = open_run(options.run)
    spark = get_session("ocspark: clustering baseline")
    members = baseline_members(spark, run, how)
    members.write.mode("overwrite").parquet(storage.for_spark(options.output))
    print(f"[ocspark] members by HDBSCAN are in {options.output}; compare with jobs/compare.py")
    return 0


if __name__ == "__main__":
    cli.run_job(main)
