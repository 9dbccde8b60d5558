"""Verify that a mirror is complete, well laid out and of the release it should hold.

Example:
    spark-submit jobs/verify_mirror.py --mirror mirror --release dr3

Exit code 0: every check passed, now or, where nothing has changed since, at an earlier time;
2: a check failed, or there is no mirror to check.
"""

from __future__ import annotations

from ocspark import cli, storage
from ocspark.build.verify_mirror import passed_before, verified_inputs, verify_mirror
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
    add = parser.add_argument
    add("--mirror", required=True, metavar="PATH", help="HATS catalogue or Parquet folder")
    add(
        "--release",
        default="dr3",
        metavar="R",
        help="release it should hold: a name in conf/releases, or a YAML file",
    )
    add(
        "--expected-rows",
        metavar="N",
        help="rows that a partial mirror should have, or 'any'; those of the release if not given",
    )
    add(
        "--report",
        default="runs/verify_mirror.json",
        metavar="FILE",
        help="write what was found to this file, as JSON",
    )
    options = parser.parse_args()
    prepare(options.report)
    what = (options.mirror, options.release, options.expected_rows)
    earlier = passed_before(options.report, verified_inputs(*what))
    if earlier is not None:
        said = (
            f"[ocspark] {options.mirror} has passed all {len(earlier.checks)} checks and is the "
            f"same since: nothing to do; report: {options.report}"
        )
        cli.show_results(options, earlier.model_dump(mode="json"), [said])
        return 0
    report = verify_mirror(*what)
    storage.write_file(options.report, report.model_dump_json(indent=1))
    lines = list(report_lines(report))
    if report.passed:
        lines += [f"[ocspark] all {len(report.checks)} checks passed; report: {options.report}"]
    cli.show_results(options, report.model_dump(mode="json"), lines)
    if report.passed:
        return 0
    raise InputError(
        f"{options.mirror}: {len(report.failed)} of {len(report.checks)} checks failed "
        f"({', '.join(report.failed)}); expected none, see {options.report}"
    )


if __name__ == "__main__":
    cli.run_job(main)
