"""Make a mock Galaxy.

``spark-submit jobs/make_mock.py --output DIR --sources N --clusters N --seed S``
"""

from __future__ import annotations

import argparse
import sys
import traceback
from typing import NoReturn

from ocspark.errors import InputError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see --help)")


def main(arguments: list[str] | None = None) -> int:
    """Run the job; return 0 when done, 2 for bad input, 1 for anything else."""
    try:
        return _run(arguments)
    except InputError as error:
        # one write: spark-submit merges the streams, and Spark's log must not split the line
        sys.stderr.write(f"ocspark: {error}\n")
        return 2
    except Exception:  # the exit code is the contract, whatever Spark throws
        traceback.print_exc()
        return 1


def _run(arguments: list[str] | None) -> int:
    parser = _Parser(prog="make_mock.py", description="Make a mock Galaxy with planted clusters.")
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--sources", type=int, default=300_000, help="field stars, at least")
    parser.add_argument("--clusters", type=int, default=24, help="clusters to plant")
    parser.add_argument("--seed", type=int, default=42, help="any integer")
    options = parser.parse_args(arguments)

    from ocspark.mock.generate import MockParameters, check_output, finished_mock, make_mock

    parameters = MockParameters(options.sources, options.clusters, options.seed)
    if finished_mock(options.output, parameters):
        print(f"[ocspark] {options.output} already holds this mock; nothing to do")
        return 0

    check_output(options.output)

    from ocspark.session import get_session

    spark = get_session("ocspark-make-mock")
    marker = make_mock(spark, options.output, parameters)
    rows, seconds = marker["rows"], marker["seconds"]
    sys.stdout.write(
        f"[ocspark] mock of {rows['mirror']} sources, {rows['clusters']} clusters with "
        f"{rows['truth']} stars ({rows['members']} listed) in {options.output}: "
        f"{seconds['all']:.1f} s, {rows['mirror'] / seconds['all']:.0f} sources/s\n"
    )
    sys.stdout.flush()
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
