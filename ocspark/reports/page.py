"""The page of one cluster: links, figures, numbers, members and downloads, as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from ocspark.analysis.structure import FAINT_LEVEL
from ocspark.reports import words
from ocspark.reports.downloads import member_files
from ocspark.reports.facts import centre, groups_of, verdict
from ocspark.reports.figures import (
    MOST_FIELD,
    draw_comparison,
    draw_members,
    draw_selection,
    has_members,
)
from ocspark.reports.links import links_by_name, links_by_position
from ocspark.reports.members_table import MAX_ROWS, members_table
from ocspark.reports.panels import some_of
from ocspark.reports.sheet import KEY, Sheet, key_size, panel_size
from ocspark.reports.structure_figure import draw_structure, has_structure
from ocspark.reports.tables import as_script
from ocspark.reports.view import ClusterView, ListedStars
from ocspark.tables.candidates import candidate_fields
from ocspark.tables.fields import Field

_BOUNDARY = (
    "Red, dashed: the limits beyond which a star without errors is no candidate. Black: the "
    "isochrone, broken where stars jump from one phase to the next; the limits follow the gaps too."
)


@dataclass(frozen=True)
class PageFacts:
    """What a page says beside its own stars.

    Attributes
    ----------
    run : dict
        About the run, see `ocspark.exports.source.run_facts`.
    bibtex : str
        What to cite.
    neighbours : list of dict
        Clusters that share stars: name, page, n_from_10, n_from_50.
    before, after : dict, optional
        The clusters next to this one in order of their names: name, page.
    carried : list of Field
        Columns of the mirror that candidates have.
    source : str, optional
        Address of a source in the archive, see `ocspark.reports.links.source_address`.
    """

    run: dict[str, Any]
    bibtex: str = ""
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    before: dict[str, str] | None = None
    after: dict[str, str] | None = None
    carried: list[Field] = field(default_factory=list)
    source: str | None = None


@cache
def environment() -> Environment:
    """Return the templates; everything put into them is escaped."""
    made = Environment(
        loader=PackageLoader("ocspark.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["as_script"] = as_script
    made.globals |= {"panel_size": panel_size(), "key_size": key_size(), "key": KEY}
    return made


def page_files(view: ClusterView, facts: PageFacts) -> dict[str, bytes]:
    """Return the files of a cluster's folder: index.html, figures, members.

    A cluster that was skipped, or has no member at all, gets a page that says so.
    """
    out: dict[str, bytes] = {}
    row, done = view.row, view.row["status"] == "done"
    ra, dec = centre(row)
    own = some_of(view.stars, view.listed_members(FAINT_LEVEL)) if done else {}
    n = len(own.get("source_id", ()))
    figures = _figures(view, out) if done else []
    comparisons = [_comparison(view, i, listed, out) for i, listed in enumerate(view.listed)]
    if n:
        fields = candidate_fields(facts.carried)
        out |= member_files(own, fields, facts.run, row["cluster"])
    page = (
        environment()
        .get_template("cluster.html")
        .render(
            root="../../",
            run_id=facts.run["run_id"],
            name=row["cluster"],
            reason=None if done else row["reason"],
            verdict=verdict(row) if done else None,
            seen=bool(row["model_saw_cluster"]),
            before=facts.before,
            after=facts.after,
            by_name=links_by_name(row["cluster"]),
            by_position=links_by_position(ra, dec, _radius_deg(view)) if ra == ra else [],
            groups=groups_of(view),
            figures=figures,
            comparisons=comparisons if done else [],
            neighbours=[_neighbour(view, other) for other in facts.neighbours],
            downloads=[name for name in out if name.startswith("members.") and "svg" not in name],
            members=members_table(own, view.rule, facts.carried, facts.source) if n else None,
            n_members=f"{n:,}",
            most_rows=f"{MAX_ROWS:,}" if n > MAX_ROWS else None,
            bibtex=facts.bibtex,
        )
    )
    return {**out, "index.html": page.encode("utf-8")}


def _figures(view: ClusterView, out: dict[str, bytes]) -> list[dict[str, Any]]:
    """Draw a cluster's figures into files; return what the page says of them."""
    has_others = len(view.others.get("ra", ())) > 0
    kinds: list[tuple[bool, str, Callable[[ClusterView], Sheet], str, str]] = [
        (
            has_members(view),
            "members",
            draw_members,
            "Members",
            f"Stars from {FAINT_LEVEL:g} on, coloured by {view.rule.members_by}; grey: "
            f"up to {MOST_FIELD:,} of the other candidates"
            + (" and some of the other stars in the cone. " if has_others else ". ")
            + _BOUNDARY,
        ),
        (
            len(view.stars["source_id"]) > 0,
            "selection",
            draw_selection,
            "Selection of candidates",
            "What the search started from and what it kept, below "
            f"{FAINT_LEVEL:g} up to {MOST_FIELD:,} stars. "
            + ("" if has_others else "This run kept no stars that are no candidates. ")
            + _BOUNDARY,
        ),
        (
            has_structure(view),
            "structure",
            draw_structure,
            "Density profile and mass segregation",
            "Left: members per area in rings; a horizontal bar spans its ring, and a ring without "
            "members has no point. The King profile is fitted to each member's radius, not to the "
            "points; compare these with its mean in each ring. It ends at r_t: a point beyond is "
            "of a ring that begins within r_t, of tidal tails, or of field stars that pass as "
            "members. Right: mass segregation ratio of the brightest members against random ones; "
            "above 1 the brightest are concentrated.",
        ),
    ]
    return [
        _picture(out, draw(view), name, title, text)
        for there, name, draw, title, text in kinds
        if there
    ]


def _picture(
    out: dict[str, bytes], sheet: Sheet, name: str, title: str, caption: str
) -> dict[str, Any]:
    file = f"{name}.svg"
    out[file] = sheet.svg()
    panels = [{"name": panel.name, "shows": panel.shows} for panel in sheet.panels]
    key = sheet.has_key
    return {"file": file, "title": title, "caption": caption, "panels": panels, "has_key": key}


def _comparison(
    view: ClusterView, number: int, listed: ListedStars, out: dict[str, bytes]
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
        text = f"Stars from {FAINT_LEVEL:g} on here and in {listed.name} (those the mirror has)."
        sheet = draw_comparison(view, listed)
        title = f"Members here and in {listed.name}"
        figure = _picture(out, sheet, f"comparison_{number}", title, text)
    return {"name": listed.name, "rows": rows, "figure": figure}


def _radius_deg(view: ClusterView) -> float:
    """Return how far around a cluster's centre archives are asked: twice r50, or the cone."""
    cone = float(view.row["radius_deg"])
    r50, distance = view.structure.get("r50", np.nan), view.row["distance"]
    return min(cone, float(np.degrees(2.0 * r50 / distance))) if r50 == r50 and r50 > 0 else cone


def _neighbour(view: ClusterView, other: Mapping[str, Any]) -> dict[str, Any]:
    total = int(view.members(FAINT_LEVEL).sum())
    part = other["n_from_10"] / total if total else None
    counts = {k: words.number(other[k]) for k in ("n_from_10", "n_from_50")}
    return {"name": other["name"], "page": other["page"], "share": words.share(part), **counts}
