"""The report's page on the differences of its run to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocspark import storage
from ocspark.analysis.differences import Differences
from ocspark.analysis.saved import records
from ocspark.figures import svg
from ocspark.reports import words
from ocspark.reports.differences_figure import figures, run_label
from ocspark.reports.page import environment
from ocspark.tables.differences import CHANGE_REASONS

#: Rows of the page's table; the download has all.
_MOST_ROWS = 200
#: File, what it shows in words, caption.
_FIGURES = (
    (
        "probabilities",
        "votes of all candidates before and after",
        "All candidates of either run by their votes in both; the strips are those that are "
        "candidates in one only.",
    ),
    (
        "members",
        "members of each cluster before and after",
        "Members of each cluster; on the line are those with as many before as after.",
    ),
    (
        "reasons",
        "members gained and lost, by reason",
        "Why members were gained and lost; the table below says it in words.",
    ),
)


def write_differences(
    output: str, number: int, differences: Differences, folders: Mapping[str, str]
) -> dict[str, Any]:
    """Write ``differences/<number>/`` into a report; return what the front page says of it.

    Parameters
    ----------
    output : str
        The report's directory.
    number : int
    differences : Differences
    folders : mapping
        Cluster to the folder of its page.
    """
    folder = storage.join(output, "differences", str(number))
    storage.make_directory(folder)
    clusters = differences.table("clusters")
    for name, figure in figures(differences).items():
        storage.write_file(storage.join(folder, f"{name}.svg"), svg(figure))
    storage.write_file(storage.join(folder, "clusters.csv"), clusters.to_csv(index=False))
    record = differences.record
    totals = record["totals"]
    moved = clusters["n_gained"] + clusters["n_lost"]
    ranked = clusters.assign(moved=moved)[moved > 0].sort_values("moved", ascending=False)
    rows = [_row(row, folders) for row in records(ranked.head(_MOST_ROWS))]
    sides = [run_label(record[side]) for side in ("run", "with_run")]
    page = (
        environment()
        .get_template("differences.html")
        .render(
            root="../../",
            run_id=record["run"]["run_id"],
            sides=sides,
            totals=_totals(totals),
            reasons=_reasons(totals),
            facts=_facts(record),
            settings=record["settings_that_differ"].items(),
            rows=rows,
            n_clusters=len(clusters),
            n_unchanged=int((moved == 0).sum()),
            members=" and ".join(dict.fromkeys(record["members"])).replace(">=", "≥"),
            figures=_FIGURES,
        )
    )
    storage.write_file(storage.join(folder, "index.html"), page)
    counts = {k: words.number(totals[f"n_{k}"]) for k in ("gained", "lost", "kept")}
    return {"page": f"differences/{number}/index.html", "sides": sides, **counts}


def _totals(totals: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    names = {
        "n_members": "members before",
        "with_n_members": "members after",
        "n_gained": "gained",
        "n_lost": "lost",
        "n_changed": "votes changed beyond noise",
    }
    return [(words.number(totals[key]), text) for key, text in names.items()]


def _reasons(totals: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"text": text, **{c: words.number(totals[f"n_{c}_{name}"]) for c in ("gained", "lost")}}
        for name, text in CHANGE_REASONS.items()
    ]


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    critical, clusters = record["critical_sigmas"], record["clusters"]
    beyond = "no change is" if critical is None else f"from {critical:.2f} sigmas on"
    return [
        ("clusters done in both", words.number(clusters["done_in_both"])),
        ("done before only", words.number(clusters["done_in_run_only"])),
        ("done after only", words.number(clusters["done_in_other_only"])),
        ("stars compared", words.number(record["stars_compared"])),
        ("a change is more than noise", beyond),
        ("of such changes noise are at most", words.share(record["false_share"])),
        ("mean squared sigmas (1: pure noise)", words.number(record["totals"]["chi2"])),
        ("neighbourhood table", record["neighbourhood"] or "none: identifiers are the same"),
    ]


def _row(row: Mapping[str, Any], folders: Mapping[str, str]) -> dict[str, Any]:
    names = "n_members with_n_members n_kept n_gained n_lost n_changed".split()
    found = folders.get(row["cluster"])
    page = f"../../clusters/{found}/index.html" if found is not None else None
    cells = [words.number(int(row[name])) for name in names]
    chi2 = words.number(row["chi2"])
    return {"cluster": row["cluster"], "page": page, "cells": [*cells, chi2]}
