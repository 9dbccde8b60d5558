"""The report's front page: sky, totals, comparisons, and the table of all clusters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ocspark import storage
from ocspark.analysis.differences import Differences
from ocspark.analysis.landed import records
from ocspark.analysis.literature import Comparison
from ocspark.report import words
from ocspark.report.differences_page import write_differences
from ocspark.report.page import environment
from ocspark.report.skymap import galactic, sky_png
from ocspark.report.venn import venn_png
from ocspark.store.finished_run import FinishedRun

#: Columns of the table of all clusters: title and digits (None: text).
_TABLE: dict[str, tuple[str, int | None]] = {
    "cluster": ("cluster", None),
    "status": ("status", None),
    "l": ("l [deg]", 2),
    "b": ("b [deg]", 2),
    "distance": ("distance [pc]", 0),
    "log_age": ("log age", 2),
    "n_training_members": ("training", 0),
    "n_p10": ("p ≥ 0.1", 0),
    "n_p50": ("p ≥ 0.5", 0),
    "n_new": ("new", 0),
    "faint_fraction": ("G > 18", 3),
    "r50": ("r50 [pc]", 2),
    "core_radius": ("r_c [pc]", 2),
    "tidal_radius": ("r_t [pc]", 2),
    "segregation_ratio": ("Λ_MSR", 2),
    "reason": ("reason", None),
}
_STRUCTURE = "cluster n_new faint_fraction r50 core_radius tidal_radius segregation_ratio".split()


def write_front(
    run: FinishedRun,
    output: str,
    folders: Mapping[str, str],
    structure: pd.DataFrame,
    comparisons: Sequence[Comparison],
    claimed: Mapping[str, int],
    differences: Sequence[Differences] = (),
) -> str:
    """Write the front page's files, index.html and report.json last; return index.html's path."""
    clusters = _with_galactic(run).merge(structure[_STRUCTURE], on="cluster", how="left")
    clusters["page"] = [f"clusters/{folders[name]}/index.html" for name in clusters["cluster"]]
    shown = [_venns(output, number, c) for number, c in enumerate(comparisons)]
    files = {
        "sky.png": sky_png(clusters),
        "clusters.csv": run.clusters.drop(columns="cluster_key").to_csv(index=False).encode(),
        "structure.csv": structure.to_csv(index=False).encode(),
        "clusters.js": _table_script(clusters).encode(),
    }
    for name, content in files.items():
        storage.write_file(storage.join(output, name), content)
    record, done = run.record, clusters["status"] == "done"
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
            totals=_totals(record),
            comparisons=shown,
            differences=[
                write_differences(output, number, d, folders)
                for number, d in enumerate(differences)
            ],
            facts=_facts(record, claimed),
        )
    )
    index = storage.join(output, "index.html")
    storage.write_file(index, page)
    summary = {"finished": True, "run": record["run_id"], "pages": len(clusters)}
    storage.write_file(storage.join(output, "report.json"), json.dumps(summary))
    return index


def _with_galactic(run: FinishedRun) -> pd.DataFrame:
    """Add l and b of the training members' centre [deg]; a skipped cluster has none."""
    clusters = run.clusters.copy()
    known = clusters["ra"].notna()
    clusters["l"], clusters["b"] = math.nan, math.nan
    if known.any():
        ra, dec = (clusters.loc[known, c].to_numpy(float) for c in ("ra", "dec"))
        clusters.loc[known, "l"], clusters.loc[known, "b"] = galactic(ra, dec)
    return clusters


def _table_script(clusters: pd.DataFrame) -> str:
    """Return the table's rows as a script: a page opened from disk may load one, but no JSON."""
    rows = []
    for row in records(clusters):
        cells: dict[str, Any] = {name: _cell(row[name], d) for name, (_, d) in _TABLE.items()}
        cells["reason"] = cells["reason"] or ""
        rows.append({**cells, "page": row["page"]})
    columns = [
        {"name": name, "title": title}
        | ({} if digits is None else {"digits": digits})
        | ({"link": True} if name == "cluster" else {})
        for name, (title, digits) in _TABLE.items()
    ]
    spec = {"columns": columns, "rows": rows, "order": ["n_p50", "desc"], "pageLength": 50}
    text = json.dumps(spec, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return f"window.CLUSTERS = {text};\n"


def _cell(value: Any, digits: int | None) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if digits is None:
        return str(value)
    return round(float(value), digits + 1) if digits else int(np.round(value))


def _totals(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    totals, clusters = record["totals"], record["clusters"]
    return [
        (words.number(clusters["done"]), "clusters done"),
        (words.number(clusters["skipped"]), "skipped, with reasons"),
        (words.number(totals["n_cone"]), "stars in cones"),
        (words.number(totals["n_candidates"]), "candidates"),
        (words.number(totals["n_p10"]), "with p ≥ 0.1"),
        (words.number(totals["n_p50"]), "with p ≥ 0.5"),
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
        ("stars with p ≥ 0.1 in several clusters", words.number(claimed["n_p10"])),
        ("stars with p ≥ 0.5 in several clusters", words.number(claimed["n_p50"])),
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
        file = f"venn_{number}_{cut['name']}.png"
        png = venn_png(row, record["name"], cut["description"])
        storage.write_file(storage.join(output, file), png)
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
