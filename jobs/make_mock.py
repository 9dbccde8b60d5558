"""Make a mock Galaxy with planted clusters: mirror, cluster table, member list, truth.

Example:
    spark-submit jobs/make_mock.py --output runs/mock --sources 300000 --clusters 24
"""

from __future__ import annotations

from ocspark import cli
from ocspark.mock.cluster_table import read_cluster_table
from ocspark.mock.generate import finished_mock, mock_claim, write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.session import get_session


def main() -> int:
    """Make the mock unless it is there, say what it holds."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="folder of the mock")
    add("--sources", type=int, default=300_000, metavar="N", help="least number of field stars")
    add("--clusters", type=int, default=24, metavar="N", help="clusters to plant")
    add("--seed", type=int, default=42, metavar="N", help="seed of all that is drawn")
    add(
        "--rows-per-partition",
        type=int,
        default=500_000,
        metavar="N",
        help="most rows that a partition of the mirror is expected to have",
    )
    add(
        "--around",
        type=int,
        default=0,
        metavar="N",
        help="only the files that the cones of N clusters touch, and only those clusters in the "
        "tables; the seed chooses them. With --sources 1811709771 a slice as crowded as DR3. "
        "0: the whole sky",
    )
    add(
        "--min-distance",
        type=float,
        default=0.0,
        metavar="PC",
        help="with --around: least distance of those clusters",
    )
    add("--release", default="dr3", metavar="R", help="release whose errors and columns it has")
    add("--cluster-table", metavar="FILE", help="plant the clusters of this table instead")
    add(
        "--cluster-columns",
        metavar="FILE",
        help="settings whose clusters.columns name the columns of --cluster-table",
    )
    options = parser.parse_args()
    table = fingerprint = None
    if options.cluster_table:
        table, fingerprint = read_cluster_table(options.cluster_table, options.cluster_columns)
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
    marker = finished_mock(options.output, parameters)
    already = marker is not None
    if marker is None:
        mock_claim(options.output).check()
        marker = write_mock(get_session("ocspark: mock"), options.output, parameters, table)
    rows, seconds = marker["rows"], marker["seconds"]["all"]
    said = f"[ocspark] {options.output} already holds this mock; nothing to do"
    if not already:
        said = (
            f"[ocspark] mock of {rows['mirror']} sources, {rows['clusters']} clusters with "
            f"{rows['truth']} stars ({rows['members']} listed) in {options.output}: "
            f"{seconds:.1f} s, {rows['mirror'] / seconds:.0f} sources/s"
        )
    cli.show_results(
        options, {"path": options.output, "already_finished": already, **marker}, [said]
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
