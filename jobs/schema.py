"""List the columns of a file, folder, mirror or table that do not fit a release.

Example:
    python jobs/schema.py bulk --release dr3

One header or footer is read, whatever the size. Exit code 0: it can be read as the release; 2: it
cannot, or there is nothing to read.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.build.schema import compare_schema
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.session import get_session


def main() -> int:
    """Print a line for each column that is not as the release's description says."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument(
        "path", metavar="PATH", help="source file, folder of them, mirror, or table:NAME"
    )
    parser.add_argument(
        "--release",
        metavar="R",
        help="release to compare with: a name in conf/releases or a YAML file; the one that fits "
        "best if not given",
    )
    options = parser.parse_args()
    spark = get_session("ocspark: schema") if is_table(options.path) else None
    report = compare_schema(options.path, options.release, spark)
    results = {**vars(report), "release": report.release.name, "faults": report.faults}
    cli.show_results(options, results, report.lines())
    if not report.faults:
        return 0
    raise InputError(
        f"{report.path}: {len(report.faults)} columns are not as {report.release.name} needs them, "
        f"such as {report.faults[0]}; expected what conf/releases/{report.release.name}.yaml says, "
        "or a corrected copy of it"
    )


if __name__ == "__main__":
    cli.run_job(main)
