"""Figures of one cluster in the paper's manner: selection, members, comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from ocspark.analysis.structure import FAINT_LEVEL
from ocspark.figures import (
    CANDIDATE,
    INK,
    LISTED,
    OTHER,
    OURS,
    PROBABILITY_MAP,
    TRAINING,
    png,
    savable,
)
from ocspark.reports.panels import (
    RING,
    Layer,
    draw_cmd,
    draw_motion,
    draw_parallax,
    draw_sky,
    legend_above,
    set_cmd_limits,
    set_square,
    some_of,
)
from ocspark.reports.sheet import CMD, MOTION, PARALLAX, SKY, Panel, Sheet
from ocspark.reports.view import ClusterView, Columns, ListedStars

_COLOURS: dict[str, Any] = {
    "cmap": PROBABILITY_MAP,
    "norm": Normalize(FAINT_LEVEL, 1.0),
}


def selection_png(view: ClusterView) -> bytes:
    """Sky, parallax, proper motion and CMD of training members, candidates and the rest (Fig. 1).

    Dashed: the boundary beyond which a star without errors is no candidate.
    """
    sheet = _selection_sheet()
    sky, parallax, motion, cmd = sheet.clean()
    stars = view.stars
    training = stars["is_training_member"].astype(bool)
    layers: list[Layer] = [
        (view.others, OTHER, 2.0, "other stars in the cone"),
        (some_of(stars, ~training), CANDIDATE, 2.6, "candidates"),
        (some_of(stars, training), TRAINING, 3.4, "training members"),
    ]
    layers = [layer for layer in layers if len(layer[0].get("ra", ()))]
    draw_sky(sky, view, layers)
    draw_parallax(parallax, view, layers, boundary=True)
    draw_motion(motion, view, layers, boundary=True)
    draw_cmd(cmd, view, layers, boundary=True)
    legend_above(sheet.figure, sky)
    return png(sheet.figure)


@cache
def _selection_sheet() -> Sheet:
    boxes = [(x, y, 0.4, 0.395) for y in (0.55, 0.065) for x in (0.08, 0.58)]
    return Sheet((9.0, 8.6), _four_panels(boxes))


def members_png(view: ClusterView) -> bytes:
    """Sky and CMD of the stars with p ≥ 0.1, coloured by probability."""
    sheet = _members_sheet()
    sky, cmd = sheet.clean()
    own = _rising(some_of(view.stars, view.members(FAINT_LEVEL)))
    style: dict[str, Any] = {"s": 9, "linewidths": 0, **_COLOURS}
    draw_sky(sky, view, [])
    east, north = view.offsets_deg(own)
    sky.scatter(east, north, c=own["probability"], **style)
    set_square(sky, east, north)
    draw_cmd(cmd, view, [], boundary=True)
    cmd.scatter(own["g_rp"], own["phot_g_mean_mag"], c=own["probability"], **style)
    set_cmd_limits(cmd, own)
    return png(sheet.figure)


@cache
def _members_sheet() -> Sheet:
    boxes = ((0.07, 0.11, 0.4, 0.83), (0.54, 0.11, 0.34, 0.83))
    sheet = Sheet((9.6, 4.6), [(boxes[0], *SKY), (boxes[1], *CMD)])
    _colour_bar(sheet, (0.9, 0.11, 0.017, 0.83), "membership probability")
    return sheet


def panels_png(view: ClusterView) -> bytes:
    """Sky, parallax, proper motion and CMD of the stars with p ≥ 0.1, coloured by probability.

    Candidates below that are grey.
    """
    sheet = _panels_sheet()
    sky, parallax, motion, cmd = sheet.clean()
    found = view.members(FAINT_LEVEL)
    own = _rising(some_of(view.stars, found))
    # drawn under the colours, members set the scales
    layers: list[Layer] = [
        (some_of(view.stars, ~found), OTHER, 1.8, "candidates with p < 0.1"),
        (own, CANDIDATE, 0.1, ""),
        (own, CANDIDATE, 0.1, ""),
    ]
    draw_sky(sky, view, layers)
    draw_parallax(parallax, view, layers, boundary=True)
    draw_motion(motion, view, layers, boundary=True)
    draw_cmd(cmd, view, layers, boundary=True)
    set_square(sky, *view.offsets_deg(own))
    places = (
        (sky, *view.offsets_deg(own)),
        (parallax, own["phot_g_mean_mag"], own["parallax"]),
        (motion, own["pmra"], own["pmdec"]),
        (cmd, own["g_rp"], own["phot_g_mean_mag"]),
    )
    for axes, x, y in places:
        axes.scatter(x, y, c=own["probability"], s=8, linewidths=0, zorder=4, **_COLOURS)
    return png(sheet.figure)


@cache
def _panels_sheet() -> Sheet:
    boxes = [(x, y, 0.36, 0.39) for y in (0.56, 0.07) for x in (0.075, 0.52)]
    sheet = Sheet((9.6, 8.6), _four_panels(boxes))
    words = "membership probability (grey: below 0.1)"
    _colour_bar(sheet, (0.91, 0.07, 0.016, 0.88), words)
    return sheet


def _colour_bar(sheet: Sheet, box: tuple[float, float, float, float], words: str) -> None:
    place = sheet.figure.add_axes(box)
    bar = sheet.figure.colorbar(ScalarMappable(**_COLOURS), cax=place)
    bar.set_label(words, fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)


def _rising(stars: Columns) -> dict[str, NDArray]:
    """Return the stars with the most probable last, to be drawn on top."""
    order = np.argsort(stars["probability"], kind="stable")
    return {name: column[order] for name, column in stars.items()}


def comparison_png(view: ClusterView, listed: ListedStars) -> bytes:
    """Members here and in a list: sky, parallax, proper motion, CMD (Fig. 4), p ≥ 0.1 on both."""
    sheet = _comparison_sheet()
    axes = sheet.clean()
    known = np.isfinite(listed.stars["ra"]) & (listed.stars["list_probability"] >= FAINT_LEVEL)
    layers = [
        (some_of(view.stars, view.members(FAINT_LEVEL)), OURS, 3.0, "this run"),
        (some_of(listed.stars, known), LISTED, RING, savable(listed.name)),
    ]
    draw_sky(axes[0], view, layers)
    draw_parallax(axes[1], view, layers, boundary=False)
    draw_motion(axes[2], view, layers, boundary=False)
    draw_cmd(axes[3], view, layers, boundary=False)
    legend_above(sheet.figure, axes[0])
    return png(sheet.figure)


@cache
def _comparison_sheet() -> Sheet:
    width, gap = 0.19, 0.06
    boxes = [(0.045 + i * (width + gap), 0.14, width, 0.72) for i in range(4)]
    return Sheet((13.0, 3.7), _four_panels(boxes))


def _four_panels(boxes: Sequence[tuple[float, float, float, float]]) -> list[Panel]:
    return [(box, *labels) for box, labels in zip(boxes, (SKY, PARALLAX, MOTION, CMD), strict=True)]


def has_members(view: ClusterView) -> bool:
    """Whether there is anything to draw in `members_png`."""
    return bool(view.members(FAINT_LEVEL).any())
