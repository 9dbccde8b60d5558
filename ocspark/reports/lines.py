"""Comparisons as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ocspark.analysis.differences import Differences
from ocspark.analysis.literature import Comparison
from ocspark.analysis.saved import records
from ocspark.tables.differences import CHANGE_REASONS

_MOST_CLUSTERS = 60
_SHOWN = (
    "n_not_in_mirror n_not_in_cone n_not_kept n_proper_motion n_parallax n_isochrone "
    "n_no_posterior n_zero_probability n_low_probability n_unknown"
).split()


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """Yield a table for each cut: a line per cluster, the totals, the reasons."""
    record = comparison.record
    table = comparison.table("clusters").sort_values("cluster")
    for cut in record["cuts"]:
        rows = records(table[table["cut"] == cut["name"]])
        yield f"\n{record['name']}, {cut['description']}"
        yield f"{'cluster':<18}{'listed':>8}{'ours':>8}{'both':>8}{'found':>8}{'in cone':>9}  seen"
        rows = rows[:_MOST_CLUSTERS]
        for row in [*rows, {"cluster": "all", **record["combined"][cut["name"]]}]:
            yield (
                f"{row['cluster']:<18}{row['n_listed']:>8}{row['n_ours']:>8}{row['n_both']:>8}"
                f"{_percent(row['recovered']):>8}{_percent(row['recovered_in_cone']):>9}"
                f"  {'yes' if row.get('model_saw_cluster') else ''}"
            )
        missed = record["combined"][cut["name"]]
        reasons = {k[2:]: v for k, v in missed.items() if k.startswith("n_") and k in _SHOWN and v}
        yield "missed: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in reasons.items())


def difference_lines(differences: Differences) -> Iterator[str]:
    """Yield a line per cluster whose members differ most, the totals, the reasons."""
    record, table = differences.record, differences.table("clusters")
    totals = record["totals"]
    table = table.assign(moved=table["n_gained"] + table["n_lost"])
    table = table[table["moved"] > 0].sort_values(["moved", "cluster"], ascending=[False, True])
    before, after = (record[side]["release"] for side in ("run", "with_run"))
    yield f"\n{before} to {after}, members with {' and '.join(dict.fromkeys(record['members']))}"
    yield f"{'cluster':<18}{'before':>8}{'after':>8}{'kept':>8}{'gained':>8}{'lost':>8}{'p':>8}"
    rows = records(table.head(_MOST_CLUSTERS))
    for row in [*rows, {"cluster": "all", **totals}]:
        yield (
            f"{row['cluster']:<18}{row['n_members']:>8}{row['with_n_members']:>8}"
            f"{row['n_kept']:>8}{row['n_gained']:>8}{row['n_lost']:>8}{row['n_changed']:>8}"
        )
    for change in ("gained", "lost"):
        counts = {name: totals[f"n_{change}_{name}"] for name in CHANGE_REASONS}
        words = (f"{name.replace('_', ' ')} {n}" for name, n in counts.items() if n)
        yield f"{change}: " + (", ".join(words) or "none")


def _percent(share: float | None) -> str:
    return "–" if share is None or share != share else f"{100 * share:.1f}%"
