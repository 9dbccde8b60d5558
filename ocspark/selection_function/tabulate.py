"""Tabulate completeness and contamination by bin, from counts of stars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocspark.selection_function.count import (
    FIELD,
    G_EDGES,
    OFFSET,
    PLANTED,
    RADIUS_EDGES,
)
from ocspark.selection_function.rates import Rate, estimate_mean_count, estimate_share
from ocspark.tables.member_rule import POSTERIOR, VOTES
from ocspark.tables.selection_function import (
    SELECTION_FUNCTION,
)

#: Least probabilities of members, in tenths.
TENTHS = range(1, 11)
#: Properties of twins along which they are binned, and the number of equally populated bins.
TWIN_AXES, TWIN_BINS = ("distance", "richness", "field_density"), 5
_KINDS = (PLANTED, FIELD, OFFSET)
#: Number of bins with G < 18.
BRIGHT_BINS = G_EDGES.index(18.0)
#: Numbers of stars by bin, twin, kind, and tenths of the probability reached.
Tally = NDArray[np.int64]


def tally(
    counts: pd.DataFrame, by: str, clusters: Sequence[str], column: str, n_bins: int
) -> Tally:
    """Count the stars of each bin, cluster and kind that reach a probability.

    Parameters
    ----------
    counts : DataFrame
        `SELECTION_COUNTS`.
    by : str
        `VOTES` or `POSTERIOR`.
    clusters : sequence of str
        The clusters to count, in this order.
    column : str
        Column of the bin: ``g_bin`` or ``radius_bin``.
    n_bins : int
        Number of bins.

    Returns
    -------
    array of int64, shape (n_bins, n_clusters, 3, 11)
        Along the last axis: all stars (whether candidates or not), then those with p >= 0.1, 0.2,
        …, 1.
    """
    counts = counts[counts["by"] == by]
    place = pd.Index(clusters).get_indexer(pd.Index(counts["cluster"]))
    known = counts[place >= 0]
    cells = np.zeros((n_bins, len(clusters), len(_KINDS), len(TENTHS) + 1), dtype=np.int64)
    at = (
        known[column].to_numpy(),
        place[place >= 0],
        pd.Index(_KINDS).get_indexer(pd.Index(known["kind"])),
        known["p_bin"].clip(lower=0).to_numpy(),
    )
    np.add.at(cells, at, known["n"].to_numpy())
    return np.asarray(cells[..., ::-1].cumsum(axis=-1)[..., ::-1])


def estimates(stars: Tally, tenths: int) -> Iterator[tuple[str, Rate]]:
    """Yield completeness, contamination and contaminants per cone at a least probability.

    Parameters
    ----------
    stars : array, shape (n_clusters, 3, 11)
        Numbers of stars; see `tally`.
    tenths : int
        Least probability of members, in tenths.
    """
    planted, field, offset = (stars[:, kind, tenths] for kind in range(len(_KINDS)))
    yield "completeness", estimate_share(planted, stars[:, 0, 0])
    yield "contamination", estimate_share(field, planted + field)
    yield "contaminants", estimate_mean_count(field)
    yield "offset_contaminants", estimate_mean_count(offset)


def selection_function(counts: pd.DataFrame, twins: pd.DataFrame) -> pd.DataFrame:
    """Return the `SELECTION_FUNCTION` table.

    Parameters
    ----------
    counts : DataFrame
        `SELECTION_COUNTS`.
    twins : DataFrame
        The twins that are done: cluster, expected_members and `TWIN_AXES`.
    """
    # the edges are computed from all twins, so that votes and posterior have the same bins
    bins = {axis: even_bins(twins[axis].to_numpy(dtype=float)) for axis in TWIN_AXES}
    rows: list[dict[str, Any]] = []
    for by in (VOTES, POSTERIOR):
        known = has_values(twins, by)
        names = twins.loc[known, "cluster"].tolist()
        by_g = tally(counts, by, names, "g_bin", len(G_EDGES) - 1)
        by_radius = tally(counts, by, names, "radius_bin", len(RADIUS_EDGES) - 1)
        rows += _rows(by, "all", [None, None], by_g.sum(axis=0)[None])
        rows += _rows(by, "g_mag", G_EDGES, by_g)
        rows += _rows(by, "radius", RADIUS_EDGES, by_radius)
        for axis, (edges, twin_bin) in bins.items():
            for b, (low, high) in enumerate(pairwise(edges)):
                inside = by_g[:, twin_bin[known] == b]
                rows += _rows(by, axis, [low, high], inside.sum(axis=0)[None])
                if axis == "distance":
                    within = {"distance_low": low, "distance_high": high}
                    rows += [row | within for row in _rows(by, "g_mag", G_EDGES, inside)]
    return pd.DataFrame(rows, columns=[field.name for field in SELECTION_FUNCTION])


def has_values(twins: pd.DataFrame, by: str) -> NDArray[np.bool_]:
    """Return a mask of the twins that have votes (all of them) or a posterior."""
    every = np.ones(len(twins), dtype=bool)
    return every if by == VOTES else twins["expected_members"].notna().to_numpy()


def recovery(counts: pd.DataFrame, by: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return rows of `SELECTION_FUNCTION` for all stars, for those with G < 18, and by G.

    Parameters
    ----------
    counts : DataFrame
        `SELECTION_COUNTS`.
    by : mapping
        The clusters to count for `VOTES` and for `POSTERIOR`.
    """
    rows: list[dict[str, Any]] = []
    for what, clusters in by.items():
        by_g = tally(counts, what, clusters, "g_bin", len(G_EDGES) - 1)
        rows += _rows(what, "all", [None, None], by_g.sum(axis=0)[None])
        rows += _rows(what, "bright", [None, None], by_g[:BRIGHT_BINS].sum(axis=0)[None])
        rows += _rows(what, "g_mag", G_EDGES, by_g)
    return pd.DataFrame(rows)


def _rows(by: str, axis: str, edges: Sequence[float | None], stars: Tally) -> list[dict[str, Any]]:
    """Return the rows of an axis, given its edges and the stars in each bin."""
    return [
        {
            "quantity": quantity,
            "by": by,
            "axis": axis,
            "bin_low": low,
            "bin_high": high,
            "probability": tenths / 10.0,
            **rate._asdict(),
        }
        for low, high, inside in zip(edges[:-1], edges[1:], stars, strict=True)
        for tenths in TENTHS
        for quantity, rate in estimates(inside, tenths)
        if by == VOTES
        or quantity != "offset_contaminants"  # the mixture is not fitted at offset positions
    ]


def even_bins(values: NDArray[np.float64]) -> tuple[list[float], NDArray[np.int64]]:
    """Return the edges of `TWIN_BINS` equally populated bins, and the bin of each value."""
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, TWIN_BINS + 1)))
    if len(edges) == 1:
        edges = np.repeat(edges, 2)
    bins = np.searchsorted(edges[1:-1], values, side="right")
    return edges.tolist(), np.asarray(bins, dtype=np.int64)
