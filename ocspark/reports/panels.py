"""The panels that figures of a cluster are made of: sky, parallax, proper motion, CMD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Circle
from numpy.typing import NDArray

from ocspark.figures import BOUNDARY, CURVE
from ocspark.reports.view import ClusterView, Columns

#: Dots of a layer that an SVG draws one by one; more are pixels, which keeps a file small.
_MOST_SHAPES = 300


@dataclass(frozen=True)
class Layer:
    """Stars drawn alike.

    Attributes
    ----------
    stars : mapping of arrays
    colour : str
    size : float
        Of the dots [points].
    label : str
        In the legend; "" for none.
    ring : bool
        Whether they are rings instead of dots.
    values : array, optional
        What colours each dot, by `scale`, instead of `colour`; the largest are drawn on top.
    scale : ScalarMappable, optional
    main : bool
        Whether the panels' limits follow these stars.
    """

    stars: Columns
    colour: str
    size: float
    label: str = ""
    ring: bool = False
    values: NDArray | None = None
    scale: ScalarMappable | None = None
    main: bool = True


def draw_sky(axes: Axes, view: ClusterView, layers: Sequence[Layer]) -> None:
    """Draw offsets from the centre [deg], equal scales; RA increases to the left."""
    away = [np.zeros(1)]
    for layer in layers:
        east, north = view.offsets_deg(layer.stars)
        _dots(axes, east, north, layer)
        if layer.main:
            away.append(np.maximum(np.abs(east), np.abs(north)))
    # a few stars far out leave the scale to the others
    reach = max(1.2 * float(np.percentile(np.concatenate(away), 98.0)), 1e-3)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(reach, -reach)
    axes.set_ylim(-reach, reach)


def draw_parallax(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    """Draw parallax [mas] against G [mag]."""
    for layer in layers:
        _dots(axes, layer.stars["phot_g_mean_mag"], layer.stars["parallax"], layer)
    centre = view.row["parallax"]
    if boundary:
        for edge in (centre - view.row["delta_plx_plus"], centre + view.row["delta_plx_minus"]):
            if np.isfinite(edge):
                axes.axhline(edge, color=BOUNDARY, lw=1, ls="--")
    # the spread of what matters sets the scale; a few outliers with large errors leave it
    values = np.concatenate([np.array([centre]), *_main(layers, "parallax")])
    reach = max(1.15 * float(np.percentile(np.abs(values - centre), 99)), 1e-3)
    axes.set_ylim(centre - reach, centre + reach)
    g = np.concatenate([np.empty(0), *_main(layers, "phot_g_mean_mag")])
    if len(g):
        axes.set_xlim(g.min() - 0.5, g.max() + 0.5)


def draw_motion(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    """Draw proper motions [mas/yr], equal scales."""
    centre = np.array([view.row["pmra"], view.row["pmdec"]])
    away = [np.zeros(1)]
    for layer in layers:
        _dots(axes, layer.stars["pmra"], layer.stars["pmdec"], layer)
        if layer.main:
            offset = layer.stars["pmra"] - centre[0], layer.stars["pmdec"] - centre[1]
            away.append(np.hypot(*offset))
    if boundary:
        circle = {"fill": False, "color": BOUNDARY, "lw": 1, "ls": "--", "zorder": 3}
        axes.add_patch(Circle(tuple(centre), view.row["delta_pm"], **circle))
    reach = float(np.percentile(np.concatenate(away), 97))
    reach = 1.1 * max(reach, 1.05 * view.row["delta_pm"] if boundary else 0.0, 1e-3)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)


def draw_cmd(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    """Draw the colour–magnitude diagram [mag] with the isochrone, broken where stars jump."""
    for layer in layers:
        _dots(axes, layer.stars["g_rp"], layer.stars["phot_g_mean_mag"], layer)
    for line in view.isochrone:
        axes.plot(*line.T, color=CURVE, lw=0.9, zorder=5)  # over the members
    if boundary:
        for line in view.boundary:
            axes.plot(*line.T, color=BOUNDARY, lw=1, ls="--", zorder=3)
    colour, g = (
        np.concatenate([np.empty(0), *_main(layers, n)]) for n in ("g_rp", "phot_g_mean_mag")
    )
    if len(colour):
        low, high = np.percentile(colour, [0.5, 99.5])
        axes.set_xlim(low - 0.25, high + 0.25)
        axes.set_ylim(g.max() + 0.6, g.min() - 0.8)


def some_of(stars: Columns, keep: NDArray[np.bool_]) -> dict[str, NDArray]:
    """Return some rows of columns."""
    return {name: np.asarray(column)[keep] for name, column in stars.items()}


def _main(layers: Sequence[Layer], column: str) -> list[NDArray]:
    return [layer.stars[column] for layer in layers if layer.main]


def _dots(axes: Axes, x: NDArray, y: NDArray, layer: Layer) -> None:
    pixels = len(x) > _MOST_SHAPES
    if layer.values is not None and layer.scale is not None:
        rising = np.argsort(layer.values, kind="stable")
        colours = layer.scale.to_rgba(layer.values[rising])
        size = layer.size**2
        axes.scatter(
            x[rising], y[rising], c=colours, s=size, linewidths=0, zorder=4, rasterized=pixels
        )
        return
    face, edge = ("none", 0.7) if layer.ring else (layer.colour, 0.0)
    style: dict[str, Any] = {"mfc": face, "mec": layer.colour, "mew": edge, "alpha": 0.8, "ls": ""}
    axes.plot(x, y, "o", ms=layer.size, label=layer.label, rasterized=pixels, **style)
