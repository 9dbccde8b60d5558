"""Parity with published results: ``spark-submit jobs/validate.py --data DIR [--report FILE]``."""

from __future__ import annotations

from ocspark import cli
from ocspark.validation.validate import report_lines, validate, write_report


def main() -> int:
    """Validate, print a line per cluster and the totals; exit 1 if method §12 does not hold."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="DIR", help="validation data set")
    parser.add_argument("--report", metavar="FILE", help="write the comparison as JSON")
    parser.add_argument("--work", default="runs/validate", metavar="DIR", help="mirror and run")
    arguments = parser.parse_args()
    report = validate(arguments.data, arguments.work)
    if arguments.report:
        write_report(report, arguments.report)
    for line in report_lines(report):
        print(line)
    print(f"[ocspark] parity {'holds' if report['passed'] else 'DOES NOT HOLD'}")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    cli.run_job(main)
