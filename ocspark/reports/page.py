"""The page of one cluster: figures, numbers, members table and downloads, as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from pyspark.sql import types as T

from ocspark.analysis.structure import FAINT_LEVEL
from ocspark.reports import figures, words
from ocspark.reports.downloads import members_csv, members_votable
from ocspark.reports.structure_figure import has_structure, structure_png
from ocspark.reports.view import ClusterView, ListedStars
from ocspark.tables.fields import Field

#: Rows of the members table on a page; the downloads have all.
MAX_ROWS = 3000
#: Name, how it is drawn, title and caption.
_Picture = tuple[str, Callable[[ClusterView], bytes], str, str]
#: Columns of the members table: title and digits (None: text).
_TABLE = {
    "source_id": ("source_id", None),
    "probability": ("p", 2),
    "is_training_member": ("training", None),
    "ra": ("RA [deg]", 5),
    "dec": ("Dec [deg]", 5),
    "parallax": ("ϖ [mas]", 3),
    "pmra": ("μα* [mas/yr]", 3),
    "pmdec": ("μδ [mas/yr]", 3),
    "phot_g_mean_mag": ("G [mag]", 3),
    "g_rp": ("G − G_RP", 3),
    "f_r": ("f_R [pc]", 2),
}

_FRACTIONS = (T.FloatType(), T.DoubleType())


@dataclass(frozen=True)
class PageFacts:
    """What a page says beside its own stars.

    Attributes
    ----------
    run_id : str
    neighbours : list of dict
        Clusters that share stars: name, page, n_p10, n_p50.
    carried : list of Field
        Columns of the mirror that candidates have.
    """

    run_id: str
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    carried: list[Field] = field(default_factory=list)


@cache
def environment() -> Environment:
    """Return the templates; everything put into them is escaped."""
    return Environment(
        loader=PackageLoader("ocspark.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_files(view: ClusterView, facts: PageFacts) -> dict[str, bytes]:
    """Return the files of a cluster's folder: index.html, figures, members.

    A cluster that was skipped, or has no member at all, gets a page that says so.
    """
    out: dict[str, bytes] = {}
    pictures: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    done = view.row["status"] == "done"
    own: dict[str, Any] = {}
    if done:
        for name, draw, title, caption in _pictures(view):
            out[f"{name}.png"] = draw(view)
            pictures.append(_picture(out, f"{name}.png", title, caption))
        for number, listed in enumerate(view.listed):
            comparisons.append(_comparison(view, listed, f"comparison_{number}.png", out))
        own = _members(view)
    if own and len(own["source_id"]):
        out["members.csv"] = members_csv(own, facts.carried)
        out["members.vot.gz"] = members_votable(own, facts.carried)
    n = len(own.get("source_id", ()))
    note = f"{n:,} stars with p ≥ {FAINT_LEVEL:g}."
    if n > MAX_ROWS:
        note += f" The table shows the {MAX_ROWS:,} most probable; the downloads have all."
    page = (
        environment()
        .get_template("cluster.html")
        .render(
            root="../../",
            run_id=facts.run_id,
            name=view.row["cluster"],
            reason=None if done else view.row["reason"],
            seen=bool(view.row["model_saw_cluster"]),
            groups=_groups(view),
            figures=pictures,
            comparisons=comparisons,
            neighbours=[_neighbour(view, n) for n in facts.neighbours],
            members=_table(own, facts.carried),
            members_note=note,
        )
    )
    return {**out, "index.html": page.encode("utf-8")}


def _pictures(view: ClusterView) -> list[_Picture]:
    found: list[_Picture] = []
    if len(view.stars["source_id"]):
        text = (
            "Sky position, parallax, proper motion and colour–magnitude diagram. Dashed: the "
            "boundary beyond which a star without errors is no candidate; black: the isochrone."
        )
        found.append(("selection", figures.selection_png, "Selection of candidates", text))
    if figures.has_members(view):
        text = "Stars with p ≥ 0.1 by membership probability; isochrone and zero-error boundary."
        found.append(("members", figures.members_png, "Members by probability", text))
    if has_structure(view):
        text = (
            "Left: surface density of the members with p ≥ 0.5 and the King profile with core "
            "and tidal radius. Right: mass segregation ratio of the brightest members against "
            "random ones; above 1 they are concentrated."
        )
        found.append(("structure", structure_png, "Density profile and mass segregation", text))
    return found


def _picture(out: Mapping[str, bytes], file: str, title: str, caption: str) -> dict[str, Any]:
    # width and height stand in a PNG's header; a page that knows them does not jump
    width, height = (int.from_bytes(out[file][i : i + 4], "big") for i in (16, 20))
    return {"file": file, "title": title, "caption": caption, "width": width, "height": height}


def _comparison(
    view: ClusterView, listed: ListedStars, file: str, out: dict[str, bytes]
) -> dict[str, Any]:
    rows = [
        {
            "cut": row["description"],
            **{k: words.number(int(row[k])) for k in ("n_listed", "n_ours", "n_both")},
            **{k: words.share(row[k]) for k in ("recovered", "recovered_in_cone")},
            "reasons": words.reasons(row),
        }
        for row in listed.rows
    ]
    figure = None
    if np.isfinite(listed.stars["ra"]).any() and len(view.stars["source_id"]):
        out[file] = figures.comparison_png(view, listed)
        text = f"Stars with p ≥ 0.1 here and in {listed.name} (those the mirror has)."
        figure = _picture(out, file, f"Members here and in {listed.name}", text)
    return {"name": listed.name, "rows": rows, "figure": figure}


def _members(view: ClusterView) -> dict[str, Any]:
    keep = view.members(FAINT_LEVEL)
    return {name: column[keep] for name, column in view.stars.items()}


def _table(own: Mapping[str, Any], carried: Sequence[Field]) -> dict[str, Any]:
    """Return the members table for the page's script; ids are text, as JavaScript rounds them."""
    shown = dict(_TABLE)
    for column in carried:
        title = f"{column.name} [{column.unit}]" if column.unit else column.name
        shown[column.name] = (title, 3 if column.type in _FRACTIONS else None)
    rows: list[dict[str, Any]] = []
    if own:
        best = np.argsort(-own["probability"], kind="stable")[:MAX_ROWS]
        columns = {name: own[name][best].tolist() for name in shown}
        columns["source_id"] = [str(i) for i in columns["source_id"]]
        columns["is_training_member"] = ["yes" if t else "" for t in columns["is_training_member"]]
        for name, (_, digits) in shown.items():
            if digits is not None:
                columns[name] = [_rounded(value, digits + 1) for value in columns[name]]
        for column in carried:
            if column.type not in _FRACTIONS:
                columns[column.name] = ["" if v is None else str(v) for v in columns[column.name]]
        rows = [{name: columns[name][i] for name in columns} for i in range(len(best))]
    titles = [
        {"name": name, "title": title} | ({} if digits is None else {"digits": digits})
        for name, (title, digits) in shown.items()
    ]
    return {"columns": titles, "rows": rows, "order": ["probability", "desc"], "pageLength": 25}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or np.isnan(value) else round(value, digits)


def _neighbour(view: ClusterView, other: Mapping[str, Any]) -> dict[str, Any]:
    total = view.row["n_p10"] or 0
    part = other["n_p10"] / total if total else None
    counts = {k: words.number(other[k]) for k in ("n_p10", "n_p50")}
    return {"name": other["name"], "page": other["page"], "share": words.share(part), **counts}


def _groups(view: ClusterView) -> list[dict[str, Any]]:
    r, s = view.row, view.structure

    def n(key: str, unit: str = "", digits: int = 2) -> str:
        value = r[key]
        if unit == "" and digits == 0 and value is not None and value == value:
            value = int(value)
        return words.number(value, unit, digits)

    cluster = [
        ("distance (catalogue)", n("distance", "pc", 0)),
        ("log age (catalogue)", n("log_age")),
        ("extinction A₀ (catalogue)", n("a0", "mag")),
        ("cone radius", n("radius_deg", "deg")),
        ("stars in the cone", n("n_cone", digits=0)),
        ("left out, lacking a value", n("n_not_kept", digits=0)),
        ("training members", n("n_training_members", digits=0)),
    ]
    groups = [{"title": "Cluster", "rows": cluster}]
    if r["status"] != "done":
        return groups
    means = [
        ("RA, Dec", f"{r['ra']:.4f}, {r['dec']:+.4f} deg"),
        ("proper motion μα*, μδ", f"{r['pmra']:.3f}, {r['pmdec']:.3f} mas/yr"),
        ("parallax", n("parallax", "mas", 3)),
        ("isochrone log age", n("isochrone_log_age")),
        ("Δμ", n("delta_pm", "mas/yr", 3)),
        ("Δϖ farther, nearer", f"{n('delta_plx_plus', '', 3)}, {n('delta_plx_minus', 'mas', 3)}"),
        ("Δ_C, Δ_G", f"{r['delta_c']:.3f}, {r['delta_g']:.2f} mag"),
    ]
    counts = [
        ("candidates", n("n_candidates", digits=0)),
        ("members p ≥ 0.1", n("n_p10", digits=0)),
        ("members p ≥ 0.5", n("n_p50", digits=0)),
        ("members p ≥ 0.9", n("n_p90", digits=0)),
    ]
    groups += [{"title": "Training members", "rows": means}]
    if s:
        counts.append(("new members p ≥ 0.5", words.number(int(s["n_new"]))))
        counts.append(("share with G > 18 (p ≥ 0.1)", words.interval(s, "faint_fraction", "", 3)))
        for key, label, unit in (
            ("pmra", "new members' μα*", "mas/yr"),
            ("pmdec", "new members' μδ", "mas/yr"),
            ("parallax", "new members' parallax", "mas"),
        ):
            counts.append((label, words.with_error(s[f"new_{key}"], s[f"new_{key}_error"], unit)))
        ratio = words.with_error(s["segregation_ratio"], s["segregation_error"], "", 2)
        structure = [
            ("half-number radius r50", words.interval(s, "r50", "pc")),
            ("King core radius", words.interval(s, "core_radius", "pc")),
            ("King tidal radius", words.interval(s, "tidal_radius", "pc")),
            ("King fit", s["king_status"]),
            ("fitted out to", words.number(s["extent_pc"], "pc", 1)),
            ("segregation of 10 brightest", ratio),
        ]
        groups.append({"title": "Structure", "rows": structure})
    groups.insert(2, {"title": "Found", "rows": counts})
    return groups
