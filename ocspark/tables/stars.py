"""Hold stars as columns of equal length: raw, as a mirror has them, or calibrated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


class Stars:
    """Columns of n stars by name; asking for a column that is not there is an error.

    Parameters
    ----------
    columns : mapping of arrays, each shape (n,)
        By canonical name; units are those of `ocspark.tables.star` and `source_columns`.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, NDArray]) -> None:
        self._columns = dict(columns)
        if len({len(column) for column in self._columns.values()}) > 1:
            lengths = {name: len(column) for name, column in self._columns.items()}
            raise ValueError(f"stars: columns of several lengths: {lengths}")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """Return the rows of a pandas table as stars."""
        return cls({str(name): frame[name].to_numpy() for name in frame})

    def __len__(self) -> int:
        """Return the number of stars."""
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray:
        """Return a column; raise KeyError if the stars do not have it."""
        return self._columns[name]

    @property
    def columns(self) -> Mapping[str, NDArray]:
        """All columns by name, to be read only."""
        return MappingProxyType(self._columns)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Self:
        """Return the stars of some rows, given by number, by a mask or as a slice."""
        return type(self)({name: column[rows] for name, column in self._columns.items()})

    def select(self, names: Iterable[str]) -> Self:
        """Return the same stars with some of their columns alone."""
        return type(self)({name: self._columns[name] for name in names})

    def with_columns(self, columns: Mapping[str, NDArray]) -> Self:
        """Return the same stars with some columns added or replaced."""
        return type(self)({**self._columns, **columns})


class RawStars(Stars):
    """Stars as a mirror has them: ``parallax`` is not corrected for its zero point."""


class CalibratedStars(Stars):
    """Stars from `ocspark.selection.calibrate.calibrate`.

    ``parallax`` is corrected for its zero point; colours and the errors of G and of G − G_RP are
    added.
    """
