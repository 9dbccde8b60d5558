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
    n_units : int
        All units of the pass.
    n_rows : int or None
        All mirror rows of the pass; None where only reading tells, and units measure what is left.
    noun, counted : str
        What a unit is called, and a row.
    """

    def __init__(
        self,
        label: str,
        n_units: int,
        n_rows: int | None,
        noun: str = "units",
        counted: str = "sources",
    ) -> None:
        self._label, self._n_units, self._n_rows, self._noun = label, n_units, n_rows, noun
        self._counted = counted
        self._units = self._rows = self._new_units = self._new_rows = 0
        self._last, self._busy = time.monotonic(), 0.0

    def done(self, rows: int, reused: bool, units: int = 1) -> None:
        """Count units of so many mirror rows together as done."""
        self._units += units
        self._rows += rows
        self._new_units += 0 if reused else units
        self._new_rows += 0 if reused else rows
        now = time.monotonic()
        # time that went into looking at what was there says nothing of what is left
        self._busy += 0.0 if reused else now - self._last
        self._last, elapsed = now, self._busy
        text = f"{self._label}: {self._units}/{self._n_units} {self._noun}"
        if self._new_rows and elapsed > 0:
            if self._n_rows is None:
                seconds = (self._n_units - self._units) * elapsed / self._new_units
            else:
                seconds = max(self._n_rows - self._rows, 0) * elapsed / self._new_rows
            left = timedelta(seconds=round(seconds))
            text += f", {self._new_rows / elapsed:,.0f} {self._counted}/s, {left} left"
        if reused:
            text += " (unit reused)" if units == 1 else f" ({units} reused)"
        if sys.stderr.isatty():
            end = "\n" if self._units == self._n_units else ""
            sys.stderr.write(f"\r\033[K[ocspark] {text}{end}")
            sys.stderr.flush()
        else:
            log.info(text)
