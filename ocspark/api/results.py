"""Show the results of verbs as tables, in notebooks and when printed."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from ocspark.analysis import differences, literature
from ocspark.analysis.saved import records
from ocspark.catalogue import plan
from ocspark.errors import InputError
from ocspark.reports.lines import comparison_lines, difference_lines
from ocspark.session import get_session
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.run_tables import RESULT_TABLES

#: What Spark calls the library.
APPLICATION = "ocspark"
#: Clusters that a table shows at most; the rest is counted.
_MOST_ROWS = 20


class Shown(NamedTuple):
    """A result as people see it: a title, a table, and the number of rows that it leaves out.

    Attributes
    ----------
    title : str
    table : DataFrame
        Its columns are the heads.
    n_more : int
        Rows that the table does not have.
    """

    title: str
    table: pd.DataFrame
    n_more: int = 0

    def text(self) -> str:
        """Return it as lines of text."""
        lines = [self.title]
        if len(self.table):
            lines.append(self.table.to_string(index=False, na_rep="–"))
        return "\n".join([*lines, *self._rest()])

    def html(self) -> str:
        """Return it as HTML; names and other texts are escaped."""
        parts = [f"<p>{html.escape(self.title)}</p>"]
        if len(self.table):
            parts.append(self.table.to_html(index=False, na_rep="–", border=0, escape=True))
        return "\n".join([*parts, *(f"<p>{html.escape(line)}</p>" for line in self._rest())])

    def _rest(self) -> Iterable[str]:
        return [f"… and {self.n_more:,} more"] if self.n_more else []


@dataclass(frozen=True, repr=False)
class Run(FinishedRun):
    """A finished run: ``path``, ``record`` (run.json), ``settings``, ``clusters`` and tables.

    ``clusters`` is the clusters table as pandas; `table` gives any table as a DataFrame. Printed,
    and in a notebook, it is a table of its clusters.
    """

    def table(self, name: str, spark: SparkSession | None = None) -> DataFrame:
        """Return candidates, training_members, clusters or non_members as Spark reads it.

        Raises
        ------
        InputError
            If the run has no such table.
        """
        if name not in RESULT_TABLES:
            raise InputError(f"table: {name!r} is none of {', '.join(RESULT_TABLES)}")
        if not self.has(name):
            raise InputError(f"table: {self.path} has no {name}; see output.{name} of its settings")
        return self.read(spark or get_session(APPLICATION), name)

    def __repr__(self) -> str:
        clusters, totals = self.record["clusters"], self.record["totals"]
        return (
            f"Run({clusters['done']} clusters done, {clusters['skipped']} skipped, "
            f"{totals['n_members']} members with posterior >= 0.5 in "
            f"{self.record['posterior']['clusters']} of them, {totals['n_p50']} with votes >= 0.5 "
            f"in all, in {self.path})"
        )

    def __str__(self) -> str:
        return self._shown().text()

    def _repr_html_(self) -> str:
        return self._shown().html()

    def _shown(self) -> Shown:
        """Return the clusters, those that are done first, with the most members first."""
        done = self.clusters["status"] == "done"
        members = self.clusters["n_members"].where(
            self.clusters["members_by"] == "posterior", self.clusters["n_p50"]
        )
        ranked = self.clusters.assign(done=done, members=members).sort_values(
            ["done", "members", "cluster"], ascending=[False, False, True]
        )
        rows = ranked.head(_MOST_ROWS)
        table = pd.DataFrame(
            {
                "cluster": rows["cluster"],
                "members": _whole(rows["members"]),
                "by": rows["members_by"].where(rows["done"]),
                "expected": [
                    "–" if pd.isna(n) else f"{n:.1f} ± {error:.1f}"
                    for n, error in zip(
                        rows["expected_members"], rows["expected_members_error"], strict=True
                    )
                ],
                "candidates": _whole(rows["n_candidates"]),
                "skipped, because": rows["reason"].fillna(""),
            }
        )
        if not table["skipped, because"].any():
            del table["skipped, because"]
        return Shown(repr(self), table, len(ranked) - len(rows))


class RunPlan(plan.RunPlan):
    """The work that a run would do: ``stages``, and ``why`` (reason to names of clusters)."""

    def _repr_html_(self) -> str:
        title, *_ = repr(self).splitlines()
        stages = pd.DataFrame(
            {
                "stage": stage.name,
                "reused": stage.reused,
                "redone": stage.redone,
                "copies (done)": f"{stage.copies:,} ({stage.copies_done:,})",
                "portions (done)": plan.portions_of(stage),
                "mirror rows": f"{stage.rows:,}" if stage.rows else "–",
            }
            for stage in self.stages
        )
        why = pd.DataFrame(
            {"redone, because of": reason, "clusters": f"{len(names):,}"}
            for reason, names in sorted(self.why.items(), key=lambda item: -len(item[1]))
        )
        base = f"reused from: {self.base or 'no run'}"
        return Shown(title, stages).html() + (Shown(base, why).html() if self.stages else "")


class Comparison(literature.Comparison):
    """A comparison of a run with a member list, in the folder ``path``.

    ``record`` has the totals; ``table("clusters")`` a row per cluster and cut; ``stars(spark)``
    every listed star. Printed, and in a notebook, it is a table of its clusters.
    """

    def __repr__(self) -> str:
        return "\n".join(comparison_lines(self)).strip()

    def _repr_html_(self) -> str:
        clusters = self.table("clusters").sort_values("cluster")
        shown = []
        for cut in self.record["cuts"]:
            of_cut = clusters[clusters["cut"] == cut["name"]]
            everything = {"cluster": "all", **self.record["combined"][cut["name"]]}
            rows = pd.DataFrame([everything, *records(of_cut.head(_MOST_ROWS))])
            table = pd.DataFrame(
                {
                    "cluster": rows["cluster"],
                    "listed": _whole(rows["n_listed"]),
                    "this run": _whole(rows["n_ours"]),
                    "both": _whole(rows["n_both"]),
                    "found": rows["recovered"].map(_percent),
                    "found, of those in the cone": rows["recovered_in_cone"].map(_percent),
                }
            )
            title = f"{self.record['name']}, {cut['description']}"
            shown.append(Shown(title, table, max(len(of_cut) - _MOST_ROWS, 0)).html())
        return "\n".join(shown)


class Differences(differences.Differences):
    """The differences of two runs, in the folder ``path``.

    ``record`` has the totals, ``table("clusters")`` a row per cluster. Printed, and in a notebook,
    it is a table of the clusters whose members differ most.
    """

    def __repr__(self) -> str:
        return "\n".join(difference_lines(self)).strip()

    def _repr_html_(self) -> str:
        totals, clusters = self.record["totals"], self.table("clusters")
        moved = clusters["n_gained"] + clusters["n_lost"]
        ranked = clusters.assign(moved=moved)[moved > 0].sort_values(
            ["moved", "cluster"], ascending=[False, True]
        )
        rows = pd.DataFrame([{"cluster": "all", **totals}, *records(ranked.head(_MOST_ROWS))])
        heads = {
            "members before": "n_members",
            "after": "with_n_members",
            "kept": "n_kept",
            "gained": "n_gained",
            "lost": "n_lost",
            "votes changed": "n_changed",
        }
        table = rows[["cluster"]].assign(**{head: _whole(rows[n]) for head, n in heads.items()})
        before, after = (self.record[side]["run_id"] for side in ("run", "with_run"))
        members = " and ".join(dict.fromkeys(self.record["members"]))
        title = f"{before} to {after}, members with {members}"
        return Shown(title, table, max(len(ranked) - _MOST_ROWS, 0)).html()


def _whole(values: pd.Series) -> list[str]:
    return ["–" if pd.isna(value) else f"{int(value):,}" for value in values]


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f} %"
