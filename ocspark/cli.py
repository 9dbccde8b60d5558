"""What every job shares: one-line errors with exit codes, and log lines with their own prefix."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from typing import NoReturn

from ocspark.errors import InputError, OneLineError
from ocspark.store.progress import MessageHandler, end_line

#: Packages that only some commands need, and the extra that installs each (pyproject.toml).
EXTRAS = {
    "pyspark": "spark",
    "torch": "train",
    "dustapprox": "extinction",
    "pygaia": "mock",
    "itables": "report",
    "jinja2": "report",
    "matplotlib": "report",
    "matplotlib_venn": "report",
    "mocpy": "report",
    "PIL": "report",
    "sklearn": "report",
    "astroquery": "fetch",
    "requests": "fetch",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one ``ocspark: `` line."""

    def error(self, message: str) -> NoReturn:
        """Raise an `InputError` in place of argparse's two lines."""
        raise InputError(f"command line: {message}")

    def add_settings(self, defaults: str) -> None:
        """Add ``--config FILE`` and ``--set KEY=VALUE`` (as `overrides`), laid over `defaults`."""
        self.add_argument(
            "--config", metavar="FILE", help=f"YAML settings laid over conf/{defaults}"
        )
        self.add_argument(
            "--set",
            metavar="KEY=VALUE",
            action="append",
            default=[],
            dest="overrides",
            help="one setting, YAML value; may be repeated, the last wins",
        )

    def add_member_levels(self) -> None:
        """Add ``--min-posterior P`` and ``--min-probability P``, of which one may be given.

        See `ocspark.tables.member_rule.member_rule`.
        """
        levels = self.add_mutually_exclusive_group()
        for option, what in (("--min-posterior", "posterior"), ("--min-probability", "votes")):
            levels.add_argument(
                option,
                type=_from_0_to_1,
                metavar="P",
                help=f"members have at least this {what}; with neither option each cluster's are "
                "those of posterior >= 0.5, or of votes >= 0.5 where its posterior is missing or "
                "doubtful",
            )


def _from_0_to_1(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 to 1")
    return value


def run_job(main: Callable[[], int]) -> NoReturn:
    """Run a job's main function and exit with its code.

    It is 0 for done, 2 for bad input, 75 if another run is at work in the folder, 130 if it was
    interrupted, 1 otherwise.
    """
    logger = logging.getLogger("ocspark")
    logger.handlers = [MessageHandler()]
    logger.setLevel(logging.INFO)
    try:
        code = main()
    except OneLineError as error:
        code = _say(error)
    except KeyboardInterrupt:
        end_line()
        sys.stdout.flush()
        sys.stderr.write("ocspark: interrupted; the same command goes on where this one was\n")
        code = 130
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        code = _say(
            InputError(f"package {error.name} is not installed; pip install 'ocspark[{extra}]'")
        )
    sys.exit(code)


def _say(error: OneLineError) -> int:
    """Write the one line of an error, and return its exit code."""
    end_line()
    sys.stdout.flush()
    sys.stderr.write(f"ocspark: {error}\n")
    return error.exit_code
