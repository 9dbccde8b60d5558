"""One export of a run: what is asked for, checked, written and published."""

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
from ocspark.exports.source import NO_CUTS, Cuts, Source, run_table
from ocspark.exports.surveys import SURVEYS, survey_source
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
#: The format of a target list by the end of its name.
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
    """What to export.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    output : str
        File to write; a folder for hats.
    table : str
        Of the run; moc and targets have their own.
    cuts : Cuts
    overwrite : bool
        Whether an output that is there is replaced.
    readme : str, optional
        mrt: file for the description, which is otherwise above the data.
    order : int
        moc: HEALPix order of the finest cells.
    epoch : float, optional
        targets: Julian year of the positions; None: the release's.
    style : str
        targets: one of `STYLES`.
    given : mapping
        targets: a constant for a column of the style.
    """

    format: str
    output: str
    table: str = "candidates"
    cuts: Cuts = NO_CUTS
    overwrite: bool = False
    readme: str | None = None
    order: int = DEFAULT_ORDER
    epoch: float | None = None
    style: str = "plain"
    given: Mapping[str, Any] = field(default_factory=dict)


def export(run: FinishedRun, options: Options) -> int | None:
    """Write an export; return its rows (None for a MOC).

    An output appears as a whole or not at all: files under their name when they are finished, a
    HATS catalogue with its properties.

    Raises
    ------
    InputError
        For options that do not fit, or an output that is there already.
    """
    _check(options)
    for path in filter(None, (options.output, options.readme)):
        _refuse(path, options)
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
    """Return what to write, and as what."""
    if options.format != "targets":
        return run_table(run, options.table, options.cuts), options.format
    cuts = replace(options.cuts, members=True)
    source = target_source(run, Targets(cuts, options.epoch), folder)
    if options.style != "plain":
        return survey_source(source, options.style, options.given), "fits"
    suffixes = [s for s in _SUFFIXES if options.output.lower().endswith(s)]
    return source, _SUFFIXES[suffixes[0]] if suffixes else "fits"


def _check(options: Options) -> None:
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
        ("a cut", bool(options.cuts.columns()), options.format != "moc"),
    ):
        if there and not fits:
            raise InputError(f"{name}: does not go with --format {options.format}")
    if options.format == "hats" and options.table == "clusters":
        raise InputError("--table clusters: does not go with --format hats; expected stars")


def _refuse(path: str, options: Options) -> None:
    """Refuse an output that is there, unless it is asked to be replaced and of the same kind."""
    if not storage.exists(path) or (storage.is_directory(path) and storage.is_empty(path)):
        return
    if not options.overwrite:
        raise InputError(f"--output {path}: is there already; --overwrite replaces it")
    catalogue = any(storage.exists(storage.join(path, n)) for n in (*PROPERTIES, UNFINISHED))
    if options.format == "hats" and not catalogue:
        raise InputError(f"--output {path}: is no HATS catalogue, so it is not replaced")
    if options.format != "hats" and storage.is_directory(path):
        raise InputError(f"--output {path}: is a folder; expected a file")
