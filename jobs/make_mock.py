"""Make a mock Galaxy with planted clusters: mirror, cluster table, member list, truth."""

from __future__ import annotations

from ocspark import cli
from ocspark.mock.cluster_table import cluster_table
from ocspark.mock.generate import MockParameters, finished_mock, make_mock, mock_claim
from ocspark.session import get_session


def main() -> int:
    """Parse the command line, make the mock unless it is there, say what it holds."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--sources", type=int, default=300_000, help="field stars, at least")
    parser.add_argument("--clusters", type=int, default=24, help="clusters to plant")
    parser.add_argument("--seed", type=int, default=42, help="any integer")
    parser.add_argument(
        "--rows-per-partition", type=int, default=500_000, help="at most, as expected"
    )
    parser.add_argument(
        "--around",
        type=int,
        default=0,
        metavar="N",
        help="only the files that the cones of N clusters touch, and only those clusters in the "
        "tables; the seed chooses them. With --sources 1811709771 a slice as crowded as DR3",
    )
    parser.add_argument(
        "--min-distance", type=float, default=0.0, metavar="PC", help="of those clusters"
    )
    parser.add_argument("--release", default="dr3", help="that observes: dr3, dr4 (a draft)")
    parser.add_argument("--cluster-table", metavar="FILE", help="plant its clusters instead")
    parser.add_argument(
        "--cluster-columns",
        metavar="FILE",
        help="configuration whose clusters.columns name the table's columns",
    )
    options = parser.parse_args()
    table = fingerprint = None
    if options.cluster_table:
        table, fingerprint = cluster_table(options.cluster_table, options.cluster_columns)
    parameters = MockParameters(
        options.sources,
        options.clusters if table is None else len(table),
        options.seed,
        options.rows_per_partition,
        options.release,
        fingerprint or "",
        options.around,
        options.min_distance,
    )
    if finished_mock(options.output, parameters):
        print(f"[ocspark] {options.output} already holds this mock; nothing to do")
        return 0
    mock_claim(options.output).check()
    marker = make_mock(get_session("ocspark: mock"), options.output, parameters, table)
    rows, seconds = marker["rows"], marker["seconds"]["all"]
    print(
        f"[ocspark] mock of {rows['mirror']} sources, {rows['clusters']} clusters with "
        f"{rows['truth']} stars ({rows['members']} listed) in {options.output}: "
        f"{seconds:.1f} s, {rows['mirror'] / seconds:.0f} sources/s"
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
