"""The figure of a cluster's structure: density profile with its King fit, mass segregation."""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ocspark.analysis.king import king_density, king_number
from ocspark.analysis.structure import MEMBER_LEVEL
from ocspark.figures import BOUNDARY, INK, OTHER, OURS, png
from ocspark.reports.sheet import Sheet
from ocspark.reports.view import ClusterView


def has_structure(view: ClusterView) -> bool:
    """Whether there are enough members for `structure_png` to show anything."""
    return len(view.structure.get("profile_radius", ())) > 0 or bool(
        int(view.members(MEMBER_LEVEL).sum()) >= 20
    )


def structure_png(view: ClusterView) -> bytes:
    """Density profile with its King fit, and the mass segregation ratio."""
    sheet = _sheet()
    profile, ratio = sheet.clean()
    _profile(profile, view)
    _segregation(ratio, view)
    return png(sheet.figure)


@cache
def _sheet() -> Sheet:
    profile = ("projected radius [pc]", "members per area [pc$^{-2}$]")
    ratio = ("number of brightest members", "mass segregation ratio $\\Lambda_{MSR}$")
    boxes = ((0.08, 0.14, 0.4, 0.78), (0.58, 0.14, 0.39, 0.78))
    sheet = Sheet((9.6, 4.0), [(boxes[0], *profile), (boxes[1], *ratio)])
    left, right = sheet.clean()
    left.set_yscale("log")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.minorticks_off()
    return sheet


def _profile(axes: Axes, view: ClusterView) -> None:
    s = view.structure
    radius, density, error = (
        np.asarray(s[f"profile_{name}"], dtype=float) for name in ("radius", "density", "error")
    )
    if not len(radius):
        _note(axes, "too few members for a profile")
        return
    axes.errorbar(radius, density, error, fmt="o", ms=4, lw=1, color=OURS, label="p ≥ 0.5")
    _log_limits(axes, density, error)
    axes.set_xlim(0.7 * radius[0], 1.25 * s["extent_pc"])
    core, tidal = s["core_radius"], s["tidal_radius"]
    if np.isfinite(core) and np.isfinite(tidal):
        line = np.geomspace(0.7 * radius[0], s["extent_pc"], 200)
        area, flat = np.pi * s["extent_pc"] ** 2, s["background_fraction"]
        within = np.pi * core**2 * king_number(np.array(s["extent_pc"]), core, tidal)
        model = (1.0 - flat) * king_density(line, core, tidal) / within + flat / area
        axes.plot(line, s["n_members"] * model, color=BOUNDARY, lw=1.3, label="King profile")
        for value, name in ((core, "$r_c$"), (tidal, "$r_t$")):
            if value < 1.25 * s["extent_pc"]:
                axes.axvline(value, color=OTHER, lw=1, ls=":", zorder=0)
                axes.text(
                    value, 1.01, name, ha="center", fontsize=9, transform=axes.get_xaxis_transform()
                )
    else:
        _note(axes, "King profile " + s["king_status"], low=True)
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def _segregation(axes: Axes, view: ClusterView) -> None:
    s = view.structure
    if not len(s["segregation_sizes"]):
        _note(axes, "too few members for a segregation ratio")
        return
    axes.axhline(1.0, color=OTHER, lw=1)
    sizes = np.asarray(s["segregation_sizes"])
    axes.errorbar(
        sizes,
        s["segregation_ratios"],
        s["segregation_errors"],
        fmt="o",
        ms=5,
        lw=1.2,
        capsize=2,
        color=OURS,
    )
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_xlim(7, 1.4 * sizes[-1])
    axes.set_ylim(bottom=0.0)
    axes.text(
        0.99,
        1.0,
        "no segregation",
        ha="right",
        va="bottom",
        fontsize=8,
        color="#888888",
        transform=axes.get_yaxis_transform(),
    )


def _log_limits(axes: Axes, density: NDArray, error: NDArray) -> None:
    low = np.where(density > error, density - error, 0.5 * density)
    axes.set_ylim(0.5 * low.min(), 2.0 * (density + error).max())


def _note(axes: Axes, text: str, low: bool = False) -> None:
    y = 0.06 if low else 0.5
    x, align = (0.05, "left") if low else (0.5, "center")
    axes.text(x, y, text, ha=align, fontsize=9, color=INK, transform=axes.transAxes, wrap=True)
