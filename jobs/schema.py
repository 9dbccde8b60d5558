"""List the columns of a file, folder, mirror or table that do not fit a release.

Example:
    python jobs/schema.py bulk --release dr3

One header or footer is read, whatever the size; of a VOTable or FITS file with several tables, that
of each. Exit code 0: it, or one of its tables, can be read as the release; 2: it cannot, or there
is nothing to read.
"""

from __future__ import annotations

from typing import Any

from ocspark import cli
from ocspark.build.schema import SchemaReport, compare_schemas
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
    reports = compare_schemas(options.path, options.release, spark)
    best = min(reports, key=lambda report: len(report.faults))
    results = {**_results(best), "tables": [_results(report) for report in reports]}
    cli.show_results(options, results, [line for report in reports for line in report.lines()])
    if not best.faults:
        return 0
    raise InputError(
        f"{best.path}: {len(best.faults)} columns are not as {best.release.name} needs them, "
        f"such as {best.faults[0]}; expected what conf/releases/{best.release.name}.yaml says, "
        "or a corrected copy of it"
    )


def _results(report: SchemaReport) -> dict[str, Any]:
    return {**vars(report), "release": report.release.name, "faults": report.faults}


if __name__ == "__main__":
    cli.run_job(main)
