"""Show ocspark's messages while work goes on, and one line that tells how far it is."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Protocol, TextIO

log = logging.getLogger("ocspark")


class Progress:
    """Portions done, sources and candidates per second and time left of one pass.

    It is a line that rewrites itself on a terminal and in a notebook. Elsewhere it is a log line
    for the first portion and the last, and every ten seconds between them.

    Parameters
    ----------
    label : str
        Of the pass.
    n_units : int
        All portions of the pass.
    n_rows : int or None
        All mirror rows of the pass; None where only reading tells, and portions measure what is
        left.
    noun, counted : str
        What a portion is called, and a row.
    """

    def __init__(
        self,
        label: str,
        n_units: int,
        n_rows: int | None,
        noun: str = "portions",
        counted: str = "sources",
    ) -> None:
        self._label, self._n_units, self._n_rows, self._noun = label, n_units, n_rows, noun
        self._counted = counted
        self._units = self._rows = self._reused = 0
        self._new_units = self._new_rows = self._candidates = 0
        self._last, self._busy = time.monotonic(), 0.0
        self._line = _choose_line()
        self._shown: float | None = None

    def done(self, rows: int, reused: bool, units: int = 1, candidates: int = 0) -> None:
        """Count portions as done.

        Parameters
        ----------
        rows : int
            Mirror rows of them together.
        reused : bool
            Whether an earlier attempt did them.
        units : int
            Number of portions.
        candidates : int
            Found in them.
        """
        now = time.monotonic()
        self._units += units
        self._rows += rows
        if reused:
            # time that went into looking at what was there says nothing of what is left
            self._reused += units
        else:
            self._new_units += units
            self._new_rows += rows
            self._candidates += candidates
            self._busy += now - self._last
        self._last = now
        is_last = self._units >= self._n_units
        is_due = self._shown is None or now - self._shown >= self._line.seconds
        if (is_due or is_last) and log.isEnabledFor(logging.INFO):
            self._line.show(self._text(is_last), is_last)
            self._shown = now

    def _text(self, is_last: bool) -> str:
        text = f"{self._label}: {self._units}/{self._n_units} {self._noun}"
        if self._reused:
            text += f" ({self._reused} reused)"
        if not self._new_rows or self._busy <= 0:
            return text
        text += f", {self._new_rows / self._busy:,.0f} {self._counted}/s"
        if self._candidates:
            text += f", {self._candidates / self._busy:,.0f} candidates/s"
        if is_last:
            return f"{text}, in {timedelta(seconds=round(self._busy))}"
        if self._n_rows is None:
            share = (self._n_units - self._units) / self._new_units
        else:
            share = max(self._n_rows - self._rows, 0) / self._new_rows
        return f"{text}, {timedelta(seconds=round(share * self._busy))} left"


@contextmanager
def messages_shown(progress: bool = True) -> Iterator[None]:
    """Show ocspark's messages and progress while the block runs, as the jobs do.

    Nothing is changed if the logger ``ocspark`` has been given a level or a handler: then that is
    what its user wants.

    Parameters
    ----------
    progress : bool
        Whether to show more than warnings.
    """
    if log.level != logging.NOTSET or log.handlers:
        yield
        return
    handler = None if log.hasHandlers() else MessageHandler()
    log.setLevel(logging.INFO if progress else logging.WARNING)
    if handler is not None:
        log.addHandler(handler)
    try:
        yield
    finally:
        end_line()
        log.setLevel(logging.NOTSET)
        if handler is not None:
            log.removeHandler(handler)


class MessageHandler(logging.StreamHandler[TextIO]):
    """Writes messages to standard error, each with the prefix of ocspark's lines."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("[ocspark] %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message in place of the line of progress, which comes again below it."""
        if _TerminalLine.open is not None:
            _TerminalLine.open.write("\r\033[K")
        super().emit(record)


def end_line() -> None:
    """Go to a new line if a line of progress stands unfinished on the terminal."""
    if _TerminalLine.open is not None:
        _TerminalLine.open.write("\n")
        _TerminalLine.open = None


class _Line(Protocol):
    #: Least time between two texts that it shows.
    seconds: float

    def show(self, text: str, is_last: bool) -> None: ...


class _LogLines:
    seconds = 10.0

    def show(self, text: str, is_last: bool) -> None:
        log.info(text)


class _TerminalLine:
    seconds = 0.2
    #: The line that is not finished, if there is one.
    open: _TerminalLine | None = None

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def show(self, text: str, is_last: bool) -> None:
        # a line that is broken in two could not be rewritten
        width = shutil.get_terminal_size().columns
        with suppress(OSError):
            width = os.get_terminal_size(self._terminal.fileno()).columns or width
        self.write(f"\r\033[K{f'[ocspark] {text}'[: width - 1]}")
        _TerminalLine.open = self
        if is_last:
            end_line()

    def write(self, text: str) -> None:
        with suppress(OSError):  # a terminal that was closed is no reason to stop
            self._terminal.write(text)
            self._terminal.flush()


class _NotebookLine:
    seconds = 0.5

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str, is_last: bool) -> None:
        from IPython.display import display

        data = {"text/plain": f"[ocspark] {text}"}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _choose_line() -> _Line:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        return _NotebookLine()
    terminal = _terminal()
    return _LogLines() if terminal is None else _TerminalLine(terminal)


def _terminal() -> TextIO | None:
    """Return the terminal on which standard error ends, None if it does not end on one."""
    if sys.stderr.isatty():
        return sys.stderr
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return None
    # spark-submit passes on what we write; where it writes itself is told on Linux alone
    try:
        descriptor = os.open(f"/proc/{os.getppid()}/fd/2", os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        return None
    if os.isatty(descriptor):
        return os.fdopen(descriptor, "w")
    os.close(descriptor)
    return None
