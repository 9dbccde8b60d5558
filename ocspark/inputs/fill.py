"""Values of merged clusters, each from the preferred catalogue that has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.errors import InputError
from ocspark.inputs.catalogues import Catalogue
from ocspark.tables.catalogues import CLUSTER_VALUES

#: Columns that are taken from one catalogue where it has all of a group.
GROUPS = [[field.name for field in group] for group in CLUSTER_VALUES]


def preferences(names: list[str], prefer: Mapping[str, Sequence[str]]) -> list[list[int]]:
    """Return for each of `GROUPS` the numbers of the catalogues, the preferred one first.

    Parameters
    ----------
    names : list of str
        Of the catalogues, in their usual order.
    prefer : mapping
        A column, for its whole group, to names of catalogues that come before the others.

    Raises
    ------
    InputError
        For a column or catalogue that is not there.
    """
    orders = [list(range(len(names))) for _ in GROUPS]
    for column, chosen in prefer.items():
        group = next((g for g, columns in enumerate(GROUPS) if column in columns), None)
        if group is None:
            known = ", ".join(column for columns in GROUPS for column in columns)
            raise InputError(f"--prefer {column}: no such column; expected one of {known}")
        for name in chosen:
            if name not in names:
                raise InputError(
                    f"--prefer {column}: no catalogue {name}; expected of {', '.join(names)}"
                )
        first = [names.index(name) for name in chosen]
        orders[group] = first + [k for k in orders[group] if k not in first]
    return orders


def fill(
    catalogues: Sequence[Catalogue], rows: NDArray[np.int64], orders: Sequence[Sequence[int]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return values of clusters and the catalogues they are from.

    Parameters
    ----------
    catalogues : sequence of Catalogue
    rows : array, shape (n, number of catalogues)
        Row of each cluster in each catalogue, -1 where it has none.
    orders : sequence
        As `preferences` returns it.

    Returns
    -------
    values : DataFrame
        A row per cluster, NaN where no catalogue has a value.
    sources : DataFrame
        Columns ``…_source``, "" where there is no value.
    """
    values: dict[str, NDArray[np.float64]] = {}
    sources: dict[str, NDArray[np.object_]] = {}
    for columns, order in zip(GROUPS, orders, strict=True):
        blocks = {k: _block(catalogues[k], rows[:, k], columns) for k in order}
        own = np.full((len(rows), len(columns)), np.nan)
        source = np.full(own.shape, "", dtype=object)
        for whole in (True, False):  # then what is left, value by value
            for k in order:
                there = ~np.isnan(blocks[k]) & np.isnan(own)
                if whole:
                    there &= there.all(axis=1, keepdims=True)
                own[there] = blocks[k][there]
                source[there] = catalogues[k].name
        values.update(zip(columns, own.T, strict=True))
        sources.update(zip([f"{column}_source" for column in columns], source.T, strict=True))
    return pd.DataFrame(values), pd.DataFrame(sources)


def _block(
    catalogue: Catalogue, rows: NDArray[np.int64], columns: list[str]
) -> NDArray[np.float64]:
    block = catalogue.table[columns].to_numpy(dtype=float)[rows]
    block[rows < 0] = np.nan
    return block
