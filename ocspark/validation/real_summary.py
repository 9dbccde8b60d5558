"""Pool the judgements of real clusters, and describe them beside the values wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ocspark.validation.posterior_scores import score_expected_members

#: Edges of the bins in G [mag] for the recovered training members.
G_EDGES = (0.0, 12.0, 14.0, 16.0, 18.0, 21.5)
#: Wanted share of listed stars with a posterior of 0.5 or more, by list.
WANTED = {"Almeida": 0.92, "Cantat-Gaudin": 0.88, "Tarricq": 0.98}


def pool_clusters(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the scores over all clusters.

    Parameters
    ----------
    rows : sequence of mapping
        A row per cluster, from `ocspark.validation.real_posteriors.judge_real_posteriors`.

    Returns
    -------
    dict
        ``n_clusters``; ``recovered``, the median over clusters of the share of training members
        with posterior >= 0.5, ``recovered_under_90`` (clusters below 0.9) and ``recovered_by_g``
        (over all training members); ``lists``, the shares of listed stars found; ``displaced``,
        expected members in displaced windows over their candidates, and the largest number in one;
        ``ring``, expected members in the outer ring over the excess of candidates; ``twins``.
    """
    shares = [row["recovered"] for row in rows if row["recovered"] is not None]
    by_g = np.sum([row["training_by_g"] for row in rows], axis=0)
    expected = np.array([q for row in rows for q in row["displaced_expected"]])
    n_field = sum(n for row in rows for n in row["displaced_candidates"])
    ringed = [row for row in rows if row["ring_displaced"] is not None]
    excess = sum(row["ring_candidates"] - row["ring_displaced"] for row in ringed)
    in_ring = sum(row["ring_expected"] for row in ringed)
    return {
        "n_clusters": len(rows),
        "recovered": float(np.median(shares)),
        "recovered_under_90": sum(share < 0.9 for share in shares),
        "recovered_by_g": [found / n if n else None for n, found in by_g.tolist()],
        "lists": {name: _pool_list([row[f"list {name}"] for row in rows]) for name in WANTED},
        "displaced": {
            "n_windows": len(expected),
            "n_candidates": n_field,
            "expected": float(expected.sum()),
            "share": float(expected.sum() / max(n_field, 1)),
            "largest": float(expected.max()) if len(expected) else None,
        },
        "ring": {
            "n_clusters": len(ringed),
            "excess": excess,
            "expected": in_ring,
            "ratio": in_ring / excess if excess > 0 else None,
        },
        "twins": _pool_twins([row["twin"] for row in rows if "twin" in row]),
    }


def _pool_list(counts: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    n = sum(c["n"] for c in counts)
    shares = {m: sum(c[m] for c in counts) / n if n else None for m in ("posterior", "votes")}
    return {"n": n, **shares}


def _pool_twins(twins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    done = [twin for twin in twins if "true" in twin]
    columns = {
        name: np.array([float(twin[name]) for twin in done])
        for name in ("true", "expected", "error", "n_called", "n_true")
    }
    scores = {"n": len(twins), "n_done": len(done)}
    if not done:
        return scores
    return {
        **scores,
        "completeness": float(columns["n_true"].sum() / columns["true"].sum()),
        "purity": float(columns["n_true"].sum() / columns["n_called"].sum()),
        **score_expected_members(columns["expected"], columns["true"], columns["error"]),
    }


def real_judgement_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the judgement in words: a line per cluster, then the pool beside the wanted values.

    Parameters
    ----------
    result : mapping
        From `ocspark.validation.real_posteriors.judge_real_posteriors`.
    """
    lines = [
        f"{'cluster':<14}{'R [pc]':>7}{'N':>7}{'error':>7}{'training':>9}{'>= 0.5':>7}"
        f"{'displaced: most':>16}{'twin N / true':>15}  flags"
    ]
    for row in result["clusters"]:
        twin = row.get("twin", {})
        planted = f"{twin['expected']:.0f} / {twin['true']}" if "true" in twin else "-"
        most = max(row["displaced_expected"], default=float("nan"))
        lines.append(
            f"{row['cluster']:<14}{row['posterior_radius_pc']:>7.1f}{row['expected_members']:>7.0f}"
            f"{row['expected_members_error']:>7.0f}{row['n_training']:>9}{row['recovered']:>7.3f}"
            f"{most:>16.1f}{planted:>15}  {row['posterior_flags']}"
        )
    lines += [f"{name}: no posterior: {reason}" for name, reason in result["null"].items()]
    p = result["pool"]
    shares = ", ".join(
        f"G {low:g}-{high:g}: {share:.3f}"
        for (low, high), share in zip(pairwise(G_EDGES), p["recovered_by_g"], strict=True)
        if share is not None
    )
    lines.append(
        f"training members with posterior >= 0.5: {p['recovered']:.3f} in the median cluster "
        f"(wanted 0.97), under 0.9 in {p['recovered_under_90']}; {shares}"
    )
    for name, found in p["lists"].items():
        if found["n"]:
            lines.append(
                f"{name}: {found['posterior']:.3f} of {found['n']} found (wanted {WANTED[name]}; "
                f"votes {found['votes']:.3f})"
            )
    d, ring, twins = p["displaced"], p["ring"], p["twins"]
    lines.append(
        f"{d['n_windows']} displaced windows: {d['expected']:.0f} members expected of "
        f"{d['n_candidates']} candidates, {100 * d['share']:.1f} % (wanted 4 % at most), "
        f"{d['largest']:.1f} in one place (wanted 12 at most)"
    )
    lines.append(
        f"in the outer ring: {ring['expected']:.0f} expected, {ring['excess']:.0f} more than in "
        f"displaced windows, in {ring['n_clusters']} clusters"
    )
    if twins["n_done"]:
        lines.append(
            f"twins: {twins['n_done']} of {twins['n']} fitted, completeness "
            f"{twins['completeness']:.3f}, purity {twins['purity']:.3f}, N off by "
            f"{twins['median_relative']:.3f} in the median, {twins['largest_relative']:.2f} at "
            f"most, N / true {twins['total_ratio']:.3f}; within 1 sigma "
            f"{twins['within_1_sigma']:.2f}, "
            f"2 sigma {twins['within_2_sigma']:.2f}"
        )
    return lines
