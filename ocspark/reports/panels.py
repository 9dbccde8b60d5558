"""The panels that figures of a cluster are made of: sky, parallax, proper motion, CMD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from ocspark.figures import BOUNDARY, CURVE
from ocspark.reports.view import ClusterView, Columns

#: Stars, colour, size of the dots [points] (rings where it is `RING`), legend.
Layer = tuple[Columns, str, float, str]
RING = 4.2


def draw_sky(axes: Axes, view: ClusterView, layers: Sequence[Layer]) -> None:
    """Draw offsets from the centre [deg], equal scales."""
    places = []
    for stars, colour, size, label in layers:
        places.append(view.offsets_deg(stars))
        draw_dots(axes, *places[-1], colour, size, label)
    if places:
        set_square(axes, *(np.concatenate([place[i] for place in places]) for i in (0, 1)))


def draw_parallax(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    """Draw parallax [mas] against G [mag]; the scale follows the last two layers."""
    for stars, colour, size, label in layers:
        draw_dots(axes, stars["phot_g_mean_mag"], stars["parallax"], colour, size, label)
    centre = view.row["parallax"]
    if boundary:
        for edge in (centre - view.row["delta_plx_plus"], centre + view.row["delta_plx_minus"]):
            if np.isfinite(edge):
                axes.axhline(edge, color=BOUNDARY, lw=1, ls="--")
    # the spread of what matters sets the scale; a few outliers with large errors leave it
    values = np.concatenate([np.array([centre]), *(s["parallax"] for s, *_ in layers[-2:])])
    reach = max(1.15 * float(np.percentile(np.abs(values - centre), 99)), 1e-3)
    axes.set_ylim(centre - reach, centre + reach)


def draw_motion(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    """Draw proper motions [mas/yr]; the scale follows the last two layers."""
    for stars, colour, size, label in layers:
        draw_dots(axes, stars["pmra"], stars["pmdec"], colour, size, label)
    centre = np.array([view.row["pmra"], view.row["pmdec"]])
    if boundary:
        axes.add_patch(
            Circle(tuple(centre), view.row["delta_pm"], fill=False, color=BOUNDARY, lw=1, ls="--")
        )
    away = [
        np.hypot(stars["pmra"] - centre[0], stars["pmdec"] - centre[1]) for stars, *_ in layers[-2:]
    ]
    reach = float(np.percentile(np.concatenate(away), 99)) if away else 0.0
    reach = 1.1 * max(reach, 1.05 * view.row["delta_pm"] if boundary else 0.0, 1e-3)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)


def draw_cmd(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    """Draw the colour–magnitude diagram [mag] with the isochrone."""
    for stars, colour, size, label in layers:
        draw_dots(axes, stars["g_rp"], stars["phot_g_mean_mag"], colour, size, label)
    axes.plot(*view.curve.T, color=CURVE, lw=0.9, zorder=3)
    if boundary:
        for line in view.boundary:
            axes.plot(*line.T, color=BOUNDARY, lw=1, ls="--", zorder=3)
    main = [stars for stars, *_ in layers[-2:]]
    if main:
        names = ("g_rp", "phot_g_mean_mag")
        set_cmd_limits(axes, {name: np.concatenate([s[name] for s in main]) for name in names})


def set_cmd_limits(axes: Axes, stars: Columns) -> None:
    """Show the colours and magnitudes of these stars, a few outliers left out."""
    colour, g = stars["g_rp"], stars["phot_g_mean_mag"]
    if not len(colour):
        return
    low, high = np.percentile(colour, [0.5, 99.5])
    axes.set_xlim(low - 0.25, high + 0.25)
    axes.set_ylim(g.max() + 0.6, g.min() - 0.8)


def draw_dots(axes: Axes, x: NDArray, y: NDArray, colour: str, size: float, label: str) -> None:
    """Draw dots of a size [points], rings where it is `RING`."""
    ring = size == RING
    face, edge = ("none", 0.7) if ring else (colour, 0.0)
    axes.plot(x, y, "o", ms=size, mfc=face, mec=colour, mew=edge, alpha=0.8, ls="", label=label)


def set_square(axes: Axes, x: NDArray, y: NDArray) -> None:
    """Set equal scales around the origin; RA increases to the left."""
    reach = 1.04 * float(max(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0), 1e-3))
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(reach, -reach)
    axes.set_ylim(-reach, reach)


def legend_above(figure: Figure, axes: Axes) -> None:
    """Put the legend of one panel above all."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=3, fontsize=9, frameon=False, markerscale=1.6
    )


def some_of(stars: Columns, keep: NDArray[np.bool_]) -> dict[str, NDArray]:
    """Return some rows of columns."""
    return {name: np.asarray(column)[keep] for name, column in stars.items()}
