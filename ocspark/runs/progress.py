"""Progress of long work: a line that rewrites itself on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from datetime import timedelta

log = logging.getLogger("ocspark")


class Progress:
    """Units done, sources per second and time left of one pass.

    Parameters
    ----------
    label : str
    n_units, n_rows : int
        All units and mirror rows of the pass.
    """

    def __init__(self, label: str, n_units: int, n_rows: int) -> None:
        self._label, self._n_units, self._n_rows = label, n_units, n_rows
        self._units = self._rows = self._new_rows = 0
        self._started = time.monotonic()

    def done(self, rows: int, reused: bool, units: int = 1) -> None:
        """Count a unit, or several, of so many mirror rows as done."""
        self._units += units
        self._rows += rows
        self._new_rows += 0 if reused else rows
        elapsed = time.monotonic() - self._started
        rate = self._new_rows / elapsed if elapsed > 0 else 0.0
        text = f"{self._label}: {self._units}/{self._n_units} units"
        if rate > 0:
            left = timedelta(seconds=round(max(self._n_rows - self._rows, 0) / rate))
            text += f", {rate:,.0f} sources/s, {left} left"
        if reused:
            text += " (unit reused)"
        if sys.stderr.isatty():
            end = "\n" if self._units == self._n_units else ""
            sys.stderr.write(f"\r\033[K[ocspark] {text}{end}")
            sys.stderr.flush()
        else:
            log.info(text)
