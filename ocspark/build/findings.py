"""Findings in a mirror file: faults with examples, and counts of values. No Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.physics.zeropoint import parallax_zero_point
from ocspark.sky.healpix import HealpixPixel

#: Examples kept of each fault.
MAX_EXAMPLES = 10
#: Steps in which values are counted: of the bias [mas], of the epoch [yr].
BIAS_STEP, EPOCH_STEP = 0.001, 0.001
#: Stands for a missing bias.
NO_BIAS = -(10**9)
_VALUES = (
    "solution phot_g_n_obs ref_epoch parallax parallax_bias phot_g_mean_mag nu_eff pseudocolour "
    "ecl_lat"
).split()
#: Sources whose bias is compared with that of DR3's recipe: of a file's first batch, of the others.
_COMPARED_FIRST, _COMPARED = 128, 32


@dataclass(frozen=True)
class FileToCheck:
    """A file, the pixel it is listed under (None in a plain directory), and its key columns.

    `healpix_column` is the catalogue's, None if it has none; `columns` are the release's, with
    their spellings.
    """

    path: str
    pixel: HealpixPixel | None
    columns: Mapping[str, Sequence[str]]
    healpix_column: str | None


@dataclass
class FileFindings:
    """All that was found in a file.

    Attributes
    ----------
    path : str
    rows : int
        Read, up to the error if there was one.
    error : str or None
        Why the file could not be read to its end.
    types, nulls : dict
        Arrow type, and number of nulls and NaN, by column.
    columns : dict
        Canonical name to column, of those that are there once.
    histograms : dict
        How often a value occurs, by canonical name: codes of ``solution``, numbers of observations
        ``phot_g_n_obs``, steps (`EPOCH_STEP`, `BIAS_STEP`) of ``ref_epoch`` and of the
        ``parallax_bias`` of sources with a parallax (`NO_BIAS`: they have none).
    biases, recipe : list of float
        Biases of some sources, and what DR3's recipe gives for them [mas].
    faults, examples : dict
        Number of faulty rows, and some of them in words, by check.
    """

    path: str
    rows: int = 0
    error: str | None = None
    types: dict[str, str] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    histograms: dict[str, dict[int, int]] = field(default_factory=dict)
    biases: list[float] = field(default_factory=list)
    recipe: list[float] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, check: str, rows: NDArray[np.bool_], describe: Any) -> None:
        """Count faulty rows of a batch; `describe(i)` puts row i in words."""
        where = np.flatnonzero(rows)
        if len(where):
            self.faults[check] = self.faults.get(check, 0) + len(where)
            some = self.examples.setdefault(check, [])
            some += [describe(i) for i in where[: MAX_EXAMPLES - len(some)]]


def findings_from_text(text: str) -> FileFindings:
    """Read what `findings_as_text` wrote."""
    found = FileFindings(**json.loads(text))
    found.histograms = {
        name: {int(value): n for value, n in counts.items()}
        for name, counts in found.histograms.items()
    }
    return found


def count_values(batch: pa.RecordBatch, found: FileFindings) -> None:
    """Count the values that are typical of a release, and keep some sources' biases."""
    columns: dict[str, NDArray[np.float64]] = {}
    for name in _VALUES:
        column = numbers(batch, found, name)
        if column is not None:
            columns[name] = column
    for name, step in (("solution", 1.0), ("phot_g_n_obs", 1.0), ("ref_epoch", EPOCH_STEP)):
        if name in columns:
            _add_counts(found, name, columns[name][np.isfinite(columns[name])] / step)
    if not {"parallax", "parallax_bias"} <= columns.keys():
        return
    has_parallax = np.isfinite(columns["parallax"])
    bias = columns["parallax_bias"][has_parallax]
    _add_counts(found, "parallax_bias", np.where(np.isfinite(bias), bias / BIAS_STEP, NO_BIAS))
    if not set(_VALUES) <= columns.keys():
        return
    some = np.flatnonzero(has_parallax & np.isfinite(columns["parallax_bias"]))
    wanted = _COMPARED if found.rows else _COMPARED_FIRST
    some = some[np.linspace(0, len(some) - 1, min(wanted, len(some))).astype(int)]
    values = {name: column[some] for name, column in columns.items()}
    recipe = parallax_zero_point(
        values["phot_g_mean_mag"],
        values["nu_eff"],
        values["pseudocolour"],
        values["ecl_lat"],
        np.nan_to_num(values["solution"]).astype(np.int64),
    )
    known = recipe != 0  # elsewhere the recipe has none
    found.biases += values["parallax_bias"][known].tolist()
    found.recipe += recipe[known].tolist()


def _add_counts(found: FileFindings, name: str, values: NDArray[np.float64]) -> None:
    counts = found.histograms.setdefault(name, {})
    steps, numbers = np.unique(np.rint(values).astype(np.int64), return_counts=True)
    for step, number in zip(steps.tolist(), numbers.tolist(), strict=True):
        counts[step] = counts.get(step, 0) + number


def numbers(batch: pa.RecordBatch, found: FileFindings, name: str) -> NDArray[np.float64] | None:
    """Return a canonical column as floats, NaN where missing; None if it is not there."""
    column = found.columns.get(name)
    if column is None:
        return None
    values = batch.column(column)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return None  # the schema's fault
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
