"""Venn diagrams of a comparison, areas in proportion (the paper's Fig. 3)."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib_venn import venn2

from ocspark import storage
from ocspark.analysis.literature import Comparison
from ocspark.figures import LISTED, OURS, new_figure, png, savable

_OVERLAP = "#b5a7c9"


def draw_venns(comparison: Comparison) -> None:
    """Write ``venn_<cut>.png`` into a comparison's folder, one for each cut."""
    for cut in comparison.record["cuts"]:
        row = comparison.record["combined"][cut["name"]]
        figure = draw_venn(row, comparison.record["name"], cut["description"])
        path = storage.join(comparison.path, f"venn_{cut['name']}.png")
        storage.write_file(path, png(figure))


def draw_venn(row: dict[str, Any], name: str, cut: str) -> Figure:
    """Return the diagram of Venn counts n_listed_only, n_both, n_ours_only.

    Each number is written with its region; where a region is too thin, beside it.
    """
    figure = new_figure(5.0, 3.4)
    axes = figure.add_axes((0.1, 0.2, 0.8, 0.68))
    only_listed, both, only_ours = (row[f"n_{k}"] for k in ("listed_only", "both", "ours_only"))
    axes.set_title(cut, fontsize=11)
    if only_listed + both + only_ours == 0:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no stars on either side", ha="center", transform=axes.transAxes)
    else:
        circles = venn2((only_listed, only_ours, both), ("", ""), ax=axes)
        for region, colour in (("10", LISTED), ("01", OURS), ("11", _OVERLAP)):
            patch = circles.get_patch_by_id(region)
            if patch is not None:
                patch.set(facecolor=colour, alpha=0.75, edgecolor="white", linewidth=1.5)
            label = circles.get_label_by_id(region)
            if label is not None:
                label.set_text("")
    for x, colour, title, count in (
        (0.02, LISTED, f"only {savable(name)}", only_listed),
        (0.5, "#7a68a0", "both", both),
        (0.98, OURS, "only this run", only_ours),
    ):
        align = {0.02: "left", 0.5: "center", 0.98: "right"}[x]
        figure.text(x, 0.10, f"{count:,}", ha=align, fontsize=13, weight="bold", color=colour)
        figure.text(x, 0.035, title, ha=align, fontsize=10, color=colour)
    return figure
