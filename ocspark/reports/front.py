"""The report's front page: sky, totals, comparisons, and the table of all clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pyspark.sql import types as T

from ocspark import storage
from ocspark.analysis.differences import Differences
from ocspark.analysis.literature import Comparison
from ocspark.figures import svg
from ocspark.reports import words
from ocspark.reports.citation import bibtex
from ocspark.reports.cluster_table import cluster_rows, cluster_table
from ocspark.reports.differences_page import write_differences
from ocspark.reports.page import environment
from ocspark.reports.skymap import sky_png
from ocspark.reports.tables import as_script
from ocspark.reports.venn import draw_venn
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.analysis import STRUCTURE
from ocspark.tables.member_rule import describe_rules, member_rules


def write_front(
    run: FinishedRun,
    output: str,
    folders: Mapping[str, str],
    structure: pd.DataFrame,
    comparisons: Sequence[Comparison],
    claimed: Mapping[str, int],
    differences: Sequence[Differences] = (),
) -> None:
    """Write the front page and the files that it leads to, index.html last."""
    rows = cluster_rows(run.clusters, structure, folders)
    table = cluster_table(rows)
    shown = [_venns(output, number, c) for number, c in enumerate(comparisons)]
    files = {
        "sky.png": sky_png(rows),
        "clusters.csv": run.clusters.drop(columns="cluster_key").to_csv(index=False).encode(),
        "structure.csv": _flat(run.clusters, structure).to_csv(index=False).encode(),
        "profiles.csv": _long(structure, "profile_").to_csv(index=False).encode(),
        "segregation.csv": _long(structure, "segregation_").to_csv(index=False).encode(),
        "clusters.js": f"window.CLUSTERS = {as_script(table)};\n".encode(),
        "cite.bib": bibtex(run.record).encode(),
    }
    for name, content in files.items():
        storage.write_file(storage.join(output, name), content)
    record, clusters = run.record, run.clusters
    done = clusters["status"] == "done"
    page = (
        environment()
        .get_template("index.html")
        .render(
            root="",
            run_id=record["run_id"],
            release=record["release"],
            model=record["model"]["name"],
            finished=record["finished"].replace("T", " ").replace("+00:00", " UTC"),
            warnings=record.get("warnings", []),
            n_seen=int(clusters.loc[done, "model_saw_cluster"].sum()),
            n_done=int(done.sum()),
            totals=_totals(record, rows),
            rules=_rules(clusters[done]),
            table=table,
            bibtex=bibtex(record),
            comparisons=shown,
            differences=[
                write_differences(output, number, d, folders)
                for number, d in enumerate(differences)
            ],
            facts=_facts(record, claimed),
        )
    )
    storage.write_file(storage.join(output, "index.html"), page)


def _flat(clusters: pd.DataFrame, structure: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cluster with its status and the single values of `STRUCTURE`."""
    single = [f.name for f in STRUCTURE if not isinstance(f.type, T.ArrayType)]
    return clusters[["cluster", "status"]].merge(structure[single], on="cluster", how="left")


def _long(structure: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return columns of `STRUCTURE` that have many values, a row for each cluster and value."""
    lists = [f.name for f in STRUCTURE if isinstance(f.type, T.ArrayType)]
    names = [name for name in lists if name.startswith(prefix)]
    rows = structure[["cluster", *names]].explode(names).dropna(subset=names)
    return rows.rename(columns=lambda name: name.removeprefix(prefix))


def _rules(done: pd.DataFrame) -> str:
    """Return in words what decides who is a member, and of how many clusters."""
    if not len(done):
        return "No cluster is done."
    rules = describe_rules(member_rules(done)).replace(">=", "≥")
    return f"Members are the candidates with {rules}; each cluster's page says which."


def _totals(record: Mapping[str, Any], rows: pd.DataFrame) -> list[tuple[str, str]]:
    totals, clusters = record["totals"], record["clusters"]
    return [
        (words.number(clusters["done"]), "clusters done"),
        (words.number(clusters["skipped"]), "skipped, with reasons"),
        (words.number(totals["n_cone"]), "stars in cones"),
        (words.number(totals["n_candidates"]), "candidates"),
        (words.count(rows["members"].sum()), "members"),
        (words.number(totals["n_p50"]), "with votes ≥ 0.5"),
    ]


def _facts(record: Mapping[str, Any], claimed: Mapping[str, int]) -> list[tuple[str, str]]:
    settings = record["settings"]
    membership = settings["membership"]
    packages = record["environment"]["packages"]
    return [
        ("run", record["run_id"]),
        ("release", record["release"]),
        ("network", f"{record['model']['name']}, SHA-256 {record['model']['sha256'][:12]}…"),
        ("samples, support size", f"{membership['n_samples']}, {membership['support_size']}"),
        ("seed", str(record["seed"])),
        ("search radius", f"{settings['search']['radius_pc']:g} pc"),
        (
            "sources in cones that lack something",
            "; ".join(f"{reason}: {n:,}" for reason, n in record["lacking"].items()) or "none",
        ),
        ("stars in several clusters from 0.1 on", words.number(claimed["n_from_10"])),
        ("members of several clusters", words.number(claimed["n_from_50"])),
        ("seconds", words.number(float(record["seconds"]), "", 0)),
        (
            "ocspark, Spark, PyTorch",
            ", ".join(packages[k] for k in ("ocspark", "pyspark", "torch")),
        ),
        ("instruction set", record["environment"]["instruction_set"]),
    ]


def _venns(output: str, number: int, comparison: Comparison) -> dict[str, Any]:
    record, venns = comparison.record, []
    for cut in record["cuts"]:
        row = record["combined"][cut["name"]]
        file = f"venn_{number}_{cut['name']}.svg"
        figure = draw_venn(row, record["name"], cut["description"])
        storage.write_file(storage.join(output, file), svg(figure))
        reached = ""
        if row["n_not_in_cone"]:
            reached = f" ({words.share(row['recovered_in_cone'])} of those in the cone)"
        counts = {k: words.number(row[k]) for k in ("n_listed_only", "n_both", "n_ours_only")}
        venns.append(
            {
                "file": file,
                "cut": cut["description"],
                **counts,
                "recovered": words.share(row["recovered"]),
                "reached": reached,
                "reasons": words.reasons(row),
            }
        )
    seen, n = record["model_saw_clusters"], record["clusters"]
    return {"name": record["name"], "clusters": n, "seen": seen, "venns": venns}
