"""Make the report of a finished run: a web site of all clusters that opens from disk.

Example:
    spark-submit jobs/make_report.py --run runs/full_catalogue --output runs/report
"""

from __future__ import annotations

import os

from ocspark import cli
from ocspark.analysis.differences import open_differences
from ocspark.analysis.literature import open_comparison
from ocspark.reports.site import make_report
from ocspark.session import get_session
from ocspark.store.finished_run import open_run


def main() -> int:
    """Write the site and say how to open it."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--run", required=True, metavar="DIR", help="finished run")
    add("--output", required=True, metavar="DIR", help="folder for the site")
    add(
        "--comparison",
        action="append",
        default=[],
        metavar="DIR",
        help="show a comparison with a member list, from jobs/compare.py; may be repeated",
    )
    add(
        "--differences",
        action="append",
        default=[],
        metavar="DIR",
        help="show the differences to another run, from jobs/compare.py; may be repeated",
    )
    options = parser.parse_args()
    run = open_run(options.run)
    comparisons = [open_comparison(path) for path in options.comparison]
    differences = [open_differences(path) for path in options.differences]
    spark = get_session("ocspark: report")
    index = make_report(spark, run, options.output, comparisons, differences)
    shown = index if "://" in index else f"file://{os.path.abspath(index)}"
    cli.show_results(
        options, {"index": shown}, [f"[ocspark] the report is ready; open {shown} in a browser"]
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
