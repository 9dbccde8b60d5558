"""The figure of a cluster's structure: density profile with its King fit, mass segregation."""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ocspark.analysis.king import king_density, king_number
from ocspark.figures import BOUNDARY, INK, OTHER, OURS
from ocspark.reports.sheet import Panel, Sheet
from ocspark.reports.view import ClusterView
from ocspark.tables.member_rule import LEVEL

_PROFILE = Panel("profile", "density profile", "projected radius [pc]", "members per area [pc⁻²]")
_SEGREGATION = Panel(
    "segregation",
    "mass segregation",
    "number of brightest members",
    "mass segregation ratio Λ (1: none)",
)


def has_structure(view: ClusterView) -> bool:
    """Return whether there are enough members for `draw_structure` to show anything."""
    return len(view.structure.get("profile_radius", ())) > 0 or bool(
        int(view.members(LEVEL).sum()) >= 20
    )


def draw_structure(view: ClusterView) -> Sheet:
    """Draw the density profile with its King fit, and the mass segregation ratio."""
    sheet = _sheet()
    profile, ratio = sheet.clean()
    _profile(profile, view)
    _segregation(ratio, view)
    if profile.get_legend_handles_labels()[0]:
        sheet.explain(profile)
    return sheet


@cache
def _sheet() -> Sheet:
    sheet = Sheet([_PROFILE, _SEGREGATION])
    left, right = sheet.clean()
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    return sheet


def _profile(axes: Axes, view: ClusterView) -> None:
    s = view.structure
    inner, outer, radius, density, error = (
        np.asarray(s[f"profile_{name}"], dtype=float)
        for name in ("inner", "outer", "radius", "density", "error")
    )
    if not len(radius):
        _note(axes, "too few members for a profile")
        return
    axes.errorbar(
        radius,
        density,
        error,
        xerr=(
            radius - np.where(inner > 0.0, inner, 0.5 * radius),
            outer - radius,
        ),  # 0: no logarithm
        fmt="o",
        ms=4,
        lw=1,
        color=OURS,
        label="members in rings",
    )
    low = np.where(density > error, density - error, 0.5 * density)
    axes.set_ylim(0.5 * low.min(), 2.0 * (density + error).max())
    axes.set_xlim(0.6 * radius[0], 1.1 * s["extent_pc"])
    core, tidal = s["core_radius"], s["tidal_radius"]
    if not (np.isfinite(core) and np.isfinite(tidal)):
        _note(axes, "King profile " + s["king_status"], low=True)
        return
    extent, flat = s["extent_pc"], s["background_fraction"]
    field = s["n_members"] * flat / (np.pi * extent**2)
    number = _king_within(np.array([extent]), core, tidal)[0]
    scale = s["n_members"] * (1.0 - flat) / number
    line = np.geomspace(0.6 * radius[0], extent, 300)
    axes.plot(
        line,
        scale * king_density(line, core, tidal) + field,
        color=BOUNDARY,
        lw=1.3,
        label="King profile and background",
    )
    held = _king_within(outer, core, tidal) - _king_within(inner, core, tidal)
    mean = scale * held / (np.pi * (outer**2 - inner**2)) + field
    axes.hlines(mean, inner, outer, color=BOUNDARY, lw=2.4, alpha=0.45, label="its mean in a ring")
    if field > axes.get_ylim()[0]:
        axes.axhline(field, color=OTHER, lw=1, ls="--", label="background")
    for value, name in ((core, "core"), (tidal, "tidal")):
        if value < 1.1 * extent:
            axes.axvline(value, color=OTHER, lw=1, ls=":", zorder=0)
            place = axes.get_xaxis_transform()
            axes.text(value, 1.01, name, ha="center", fontsize=10, transform=place)


def _king_within(radius: NDArray[np.float64], core: float, tidal: float) -> NDArray[np.float64]:
    """Return the number of stars within radii of a King profile of central factor k = 1."""
    return np.asarray(np.pi * core**2 * king_number(radius, np.array(core), np.array(tidal)))


def _segregation(axes: Axes, view: ClusterView) -> None:
    s = view.structure
    if not len(s["segregation_sizes"]):
        _note(axes, "too few members for a segregation ratio")
        return
    axes.axhline(1.0, color=OTHER, lw=1)
    sizes = np.asarray(s["segregation_sizes"])
    ratios, errors = s["segregation_ratios"], s["segregation_errors"]
    axes.errorbar(sizes, ratios, errors, fmt="o", ms=5, lw=1.2, capsize=2, color=OURS)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_xlim(7, 1.4 * sizes[-1])
    axes.set_ylim(bottom=0.0)


def _note(axes: Axes, text: str, low: bool = False) -> None:
    y = 0.06 if low else 0.5
    x, align = (0.05, "left") if low else (0.5, "center")
    axes.text(x, y, text, ha=align, fontsize=10, color=INK, transform=axes.transAxes, wrap=True)
