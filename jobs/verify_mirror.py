"""Verify a mirror: ``spark-submit jobs/verify_mirror.py --mirror PATH --release dr3``.

Exit code 0: every check passed; 2: a check failed, or there is no mirror to check.
"""

from __future__ import annotations

from ocspark import cli, storage
from ocspark.build.verify_mirror import verify_mirror
from ocspark.build.verify_report import report_lines
from ocspark.errors import InputError


def prepare(path: str) -> None:
    """Make the report's folder, before hours of reading rather than after."""
    if storage.is_directory(path):
        raise InputError(f"--report: {path}: is a directory; expected a file")
    try:
        storage.make_directory(path.rpartition("/")[0] or ".")
    except OSError as error:
        raise InputError(f"--report: {path}: its folder cannot be made: {error}") from None


def main() -> int:
    """Verify, print a line per check, write the report; a fault is bad input (exit code 2)."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--mirror", required=True, metavar="PATH", help="HATS or plain Parquet")
    parser.add_argument("--release", default="dr3", help="release it should hold")
    parser.add_argument(
        "--expected-rows",
        metavar="N",
        help="rows of a partial mirror, or 'any'; by default the release's",
    )
    parser.add_argument(
        "--report", default="runs/verify_mirror.json", metavar="FILE", help="JSON report"
    )
    arguments = parser.parse_args()
    prepare(arguments.report)
    report = verify_mirror(arguments.mirror, arguments.release, arguments.expected_rows)
    storage.write_file(arguments.report, report.model_dump_json(indent=1))
    for line in report_lines(report):
        print(line)
    if report.passed:
        print(f"[ocspark] all {len(report.checks)} checks passed; report: {arguments.report}")
        return 0
    raise InputError(
        f"{arguments.mirror}: {len(report.failed)} of {len(report.checks)} checks failed "
        f"({', '.join(report.failed)}); expected none, see {arguments.report}"
    )


if __name__ == "__main__":
    cli.run_job(main)
