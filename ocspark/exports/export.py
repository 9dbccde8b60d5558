"""Export a table or the targets of a run: check the options and write the file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from ocspark import storage
from ocspark.errors import InputError
from ocspark.exports.delimited import write_csv, write_ecsv
from ocspark.exports.fits import write_fits
from ocspark.exports.hats import write_hats
from ocspark.exports.moc import DEFAULT_ORDER, write_moc
from ocspark.exports.mrt import write_mrt
from ocspark.exports.source import NO_FILTER, RowFilter, Source, run_table
from ocspark.exports.survey_formats import SURVEYS
from ocspark.exports.surveys import survey_source
from ocspark.exports.targets import Targets, target_source
from ocspark.exports.votable import write_votable
from ocspark.mirror.hats import PROPERTIES, UNFINISHED
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.run_tables import RESULT_TABLES

_WRITERS = {
    "votable": write_votable,
    "fits": write_fits,
    "ecsv": write_ecsv,
    "csv": write_csv,
    "mrt": write_mrt,
}
FORMATS = (*_WRITERS, "hats", "moc", "targets")
STYLES = ("plain", *SURVEYS)
#: Format of a target list, by the suffix of its name.
_SUFFIXES = {
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
    ".ecsv": "ecsv",
    ".csv": "csv",
    ".mrt": "mrt",
}


@dataclass(frozen=True)
class Options:
    """Options of an export.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    output : str
        File to write, or folder for hats.
    table : str
        Name of the run's table; moc and targets have their own.
    rows : RowFilter
        Rows to export.
    overwrite : bool
        Whether an existing output is replaced.
    readme : str, optional
        For mrt: file that gets the description, which otherwise precedes the data.
    order : int
        For moc: HEALPix order of the finest cells.
    epoch : float, optional
        For targets: epoch of the positions [Julian year], by default the release's.
    style : str
        For targets: one of `STYLES`.
    given : mapping
        For targets: constants by column of the style.
    """

    format: str
    output: str
    table: str = "candidates"
    rows: RowFilter = NO_FILTER
    overwrite: bool = False
    readme: str | None = None
    order: int = DEFAULT_ORDER
    epoch: float | None = None
    style: str = "plain"
    given: Mapping[str, Any] = field(default_factory=dict)


def export(run: FinishedRun, options: Options) -> int | None:
    """Write an export; return its number of rows (None for a MOC).

    An output appears whole or not at all: a file gets its name when it is finished, and a HATS
    catalogue its properties.

    Parameters
    ----------
    run : FinishedRun
        The run.
    options : Options
        What to export, and where to.

    Raises
    ------
    InputError
        For options that do not go together, or an output that exists already.
    """
    _check(options)
    for path in filter(None, (options.output, options.readme)):
        _refuse(path, options)
        _make_folder(path)
    if options.format == "moc":
        write_moc(run, options.output, options.order)
        return None
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        source, kind = _source(run, options, folder)
        if kind == "hats":
            storage.remove_directory(options.output)
            return write_hats(source, options.output)
        stream = stack.enter_context(storage.open_whole(options.output))
        if options.readme is not None:
            readme = stack.enter_context(storage.open_whole(options.readme))
            return write_mrt(source, stream, readme, options.output.rsplit("/", 1)[-1])
        return _WRITERS[kind](source, stream)


def _source(run: FinishedRun, options: Options, folder: str) -> tuple[Source, str]:
    """Return the source to write, and the format of the file."""
    if options.format != "targets":
        return run_table(run, options.table, options.rows), options.format
    members = replace(options.rows, members=True)
    source = target_source(run, Targets(members, options.epoch), folder)
    if options.style != "plain":
        return survey_source(source, options.style, options.given), "fits"
    suffixes = [s for s in _SUFFIXES if options.output.lower().endswith(s)]
    return source, _SUFFIXES[suffixes[0]] if suffixes else "fits"


def _check(options: Options) -> None:
    """Refuse unknown names, and options that do not go together."""
    for name, value, known in (
        ("--format", options.format, FORMATS),
        ("--table", options.table, tuple(RESULT_TABLES)),
        ("--style", options.style, STYLES),
    ):
        if value not in known:
            raise InputError(f"{name} {value}: expected one of {', '.join(known)}")
    targets = options.format == "targets"
    for name, there, fits in (
        ("--table", options.table != "candidates", not targets and options.format != "moc"),
        ("--readme", options.readme is not None, options.format == "mrt"),
        ("--order", options.order != DEFAULT_ORDER, options.format == "moc"),
        ("--epoch", options.epoch is not None, targets),
        ("--style", options.style != "plain", targets),
        ("--constant", bool(options.given), targets and options.style != "plain"),
        ("a cut", bool(options.rows.columns()), options.format != "moc"),
    ):
        if there and not fits:
            raise InputError(f"{name}: does not go with --format {options.format}")
    if options.format == "hats" and options.table == "clusters":
        raise InputError("--table clusters: does not go with --format hats; expected stars")


def _make_folder(path: str) -> None:
    """Make the folder that a file goes into, if it is not there."""
    folder = path.rstrip("/").rpartition("/")[0]
    try:
        if folder and not storage.is_directory(folder):
            storage.make_directory(folder)
    except OSError as error:
        raise InputError(f"--output {path}: its folder cannot be made: {error}") from None


def _refuse(path: str, options: Options) -> None:
    """Refuse an existing output, unless it is to be replaced and of the same kind."""
    if not storage.exists(path) or (storage.is_directory(path) and storage.is_empty(path)):
        return
    if not options.overwrite:
        raise InputError(f"--output {path}: exists already; --overwrite replaces it")
    catalogue = any(storage.exists(storage.join(path, n)) for n in (*PROPERTIES, UNFINISHED))
    if options.format == "hats" and not catalogue:
        raise InputError(f"--output {path}: is no HATS catalogue, so it is not replaced")
    if options.format != "hats" and storage.is_directory(path):
        raise InputError(f"--output {path}: is a folder; expected a file")
