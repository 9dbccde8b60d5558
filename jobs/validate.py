"""Check that a run agrees with published results, on a data set that has both.

Example:
    spark-submit jobs/validate.py --data DIR

Exit code 0: it agrees within the limits; 1: it does not.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.validation.validate import parity_lines, validate, write_report


def main() -> int:
    """Run the main job on the data set, compare, print a line per cluster and the totals."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--data", required=True, metavar="DIR", help="validation data set")
    add("--report", metavar="FILE", help="write the comparison to this file, as JSON")
    add("--work", default="runs/validate", metavar="DIR", help="folder for mirror and run")
    options = parser.parse_args()
    report = validate(options.data, options.work)
    if options.report:
        write_report(report, options.report)
    verdict = f"[ocspark] parity {'holds' if report['passed'] else 'DOES NOT HOLD'}"
    cli.show_results(options, report, [*parity_lines(report), verdict])
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    cli.run_job(main)
