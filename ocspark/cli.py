"""Give every job its options, its results as lines or JSON, one-line errors and exit codes.

A job imports this module before all others of the package, so that a package of an extra that is
missing is one line as well when those import it.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

from ocspark.errors import InputError, OneLineError, OutputError, StorageError
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


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description, and adds to each option its default or ``required``."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if not action.option_strings or action.help is argparse.SUPPRESS:
            return action.help
        if action.required:
            return f"{action.help} (required)"
        if action.default in (None, False, argparse.SUPPRESS) or action.default == []:
            return action.help
        return f"{action.help} (default: {_joined(action.default)})"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one ``ocspark: `` line.

    Parameters
    ----------
    *arguments, **keywords
        As for `argparse.ArgumentParser`.
    shows_results : bool
        Whether it has ``--json``, for `show_results`, and ``--quiet``.
    """

    #: What usage lines call the program, if it is not the name of the job's file.
    program: str | None = None

    def __init__(self, *arguments: Any, shows_results: bool = True, **keywords: Any) -> None:
        own = {"formatter_class": HelpFormatter, "prog": Parser.program, "allow_abbrev": False}
        super().__init__(*arguments, **{**own, **keywords})
        self._lacks_output_options = shows_results

    def error(self, message: str) -> NoReturn:
        """Raise an `InputError` in place of argparse's two lines."""
        raise InputError(f"command line: {message}")

    def parse_args(self, *arguments: Any, **keywords: Any) -> Any:
        """Return the options, as `argparse.ArgumentParser` does; ``--quiet`` mutes progress."""
        options = super().parse_args(*arguments, **keywords)
        if getattr(options, "quiet", False):
            logging.getLogger("ocspark").setLevel(logging.WARNING)
        return options

    def parse_known_args(self, *arguments: Any, **keywords: Any) -> Any:
        """Add the options of all jobs, after a job's own, and parse."""
        if self._lacks_output_options:
            self._lacks_output_options = False
            group = self.add_argument_group("output")
            group.add_argument(
                "--json",
                action="store_true",
                help="print the results as one JSON object; all else goes to standard error",
            )
            group.add_argument(
                "--quiet", action="store_true", help="print results, warnings and errors only"
            )
        return super().parse_known_args(*arguments, **keywords)

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
            help="one setting, such as mirror.path=/data/gaia, with a YAML value; may be repeated, "
            "the last wins",
        )

    def add_member_levels(self) -> None:
        """Add ``--min-posterior P`` and ``--min-probability P``, of which one may be given.

        See `ocspark.tables.member_rule.member_rule`.
        """
        group = self.add_argument_group(
            "members",
            "With neither option those of a cluster have posterior >= 0.5, or votes >= 0.5 where\n"
            "its posterior is missing or doubtful.",
        )
        levels = group.add_mutually_exclusive_group()
        for option, what in (
            ("--min-posterior", "posterior"),
            ("--min-probability", "share of votes"),
        ):
            levels.add_argument(
                option, type=_from_0_to_1, metavar="P", help=f"least {what} of members, 0 to 1"
            )


def _joined(default: object) -> str:
    return " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)


def _from_0_to_1(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text}: expected 0 to 1")
    return value


def parse_pair(text: str, option: str, expected: str) -> tuple[str, str]:
    """Return both sides of ``NAME=VALUE``.

    Parameters
    ----------
    text : str
        What was given.
    option, expected : str
        The option and its form, for the error.

    Raises
    ------
    InputError
        If there is no ``=`` in it.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{option} {text}: expected {expected}")
    return name, value


def show_results(
    options: argparse.Namespace, results: Mapping[str, Any], lines: Iterable[str]
) -> None:
    """Print what a job has to say at its end on standard output.

    Parameters
    ----------
    options : Namespace
        From `Parser.parse_args`.
    results : mapping
        What ``--json`` prints, as one object on one line: numbers, texts, lists and mappings of
        them. NaN and infinities become null, as JSON has no such numbers.
    lines : iterable of str
        What is printed without it, for people.
    """
    if options.json:
        print(json.dumps(_plain(results), allow_nan=False, ensure_ascii=False))
    else:
        print(*lines, sep="\n")


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # of numpy
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
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
    except StorageError as error:
        code = _say(OutputError(f"storage: {error}; the same command goes on when it is back"))
    except KeyboardInterrupt:
        end_line()
        sys.stdout.flush()
        sys.stderr.write("ocspark: interrupted; the same command continues from here\n")
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
