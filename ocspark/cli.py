"""What every job shares: one-line errors with exit codes, and log lines with their own prefix.

A job imports this module before all others of the package, so that a package of an extra that is
missing is one line as well when those import it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
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
        code = say_missing(error)
    sys.exit(code)


def say_missing(error: ModuleNotFoundError) -> int:
    """Write the one line that a package of an extra is missing, and return its exit code.

    Raises
    ------
    ModuleNotFoundError
        The error itself, if the module is of no extra.
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        raise error
    return _say(
        InputError(f"package {package} is not installed; pip install 'ocspark[{EXTRAS[package]}]'")
    )


def _say(error: OneLineError) -> int:
    """Write the one line of an error, and return its exit code."""
    end_line()
    sys.stdout.flush()
    sys.stderr.write(f"ocspark: {error}\n")
    return error.exit_code


def _say_missing_at_import(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Show an error that ends the interpreter, which a job's imports raise before `run_job`."""
    if isinstance(error, ModuleNotFoundError):
        with suppress(ModuleNotFoundError):
            raise SystemExit(say_missing(error))
    _show_error(kind, error, trace)


_show_error = sys.excepthook
sys.excepthook = _say_missing_at_import
