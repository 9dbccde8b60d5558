"""Figures of one cluster in the paper's manner: members, selection, comparison with a list."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from ocspark.analysis.structure import FAINT_LEVEL
from ocspark.figures import CANDIDATE, LISTED, OTHER, OURS, PROBABILITY_MAP, TRAINING, savable
from ocspark.reports.panels import (
    Layer,
    draw_cmd,
    draw_motion,
    draw_parallax,
    draw_sky,
    some_of,
)
from ocspark.reports.sheet import CMD, MOTION, PARALLAX, SKY, Sheet
from ocspark.reports.view import ClusterView, ListedStars

_FOUR = (SKY, PARALLAX, MOTION, CMD)
_SCALE = ScalarMappable(Normalize(FAINT_LEVEL, 1.0), PROBABILITY_MAP)


def draw_members(view: ClusterView) -> Sheet:
    """Draw members coloured by probability over the field in grey: four panels.

    Members have p ≥ 0.1. The field is candidates below that and, where the run has them, other
    stars of the cone.
    """
    found = view.members(FAINT_LEVEL)
    own = some_of(view.stars, found)
    layers = [
        Layer(view.others, OTHER, 1.6, main=False),
        Layer(some_of(view.stars, ~found), OTHER, 2.2, main=not found.any()),
        Layer(own, OURS, 3.2, values=view.chances[found], scale=_SCALE),
    ]
    return _draw_four(_members_sheet(), view, layers, boundary=True)


def draw_selection(view: ClusterView) -> Sheet:
    """Draw training members, candidates and other stars of the cone: four panels (Fig. 1).

    Dashed: the boundary beyond which a star without errors is no candidate.
    """
    training = view.stars["is_training_member"].astype(bool)
    layers = [
        Layer(view.others, OTHER, 1.6, "other stars in the cone", main=False),
        Layer(some_of(view.stars, ~training), CANDIDATE, 2.4, "candidates"),
        Layer(some_of(view.stars, training), TRAINING, 3.2, "training members"),
    ]
    return _draw_four(_plain_sheet(), view, layers, boundary=True)


def draw_comparison(view: ClusterView, listed: ListedStars) -> Sheet:
    """Draw members here and in a list, p ≥ 0.1 on both sides: four panels (Fig. 4)."""
    known = np.isfinite(listed.stars["ra"]) & (listed.stars["list_probability"] >= FAINT_LEVEL)
    layers = [
        Layer(some_of(view.stars, view.members(FAINT_LEVEL)), OURS, 2.8, "this run"),
        Layer(some_of(listed.stars, known), LISTED, 4.2, savable(listed.name), ring=True),
    ]
    return _draw_four(_plain_sheet(), view, layers, boundary=False)


def panels_png(view: ClusterView) -> bytes:
    """Return `draw_members` as a PNG."""
    return draw_members(view).png()


def selection_png(view: ClusterView) -> bytes:
    """Return `draw_selection` as a PNG."""
    return draw_selection(view).png()


def has_members(view: ClusterView) -> bool:
    """Return whether there is a member for `draw_members` to draw."""
    return bool(view.members(FAINT_LEVEL).any())


def _draw_four(sheet: Sheet, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> Sheet:
    layers = [layer for layer in layers if len(layer.stars.get("ra", ()))]
    sky, parallax, motion, cmd = sheet.clean()
    draw_sky(sky, view, layers)
    draw_parallax(parallax, view, layers, boundary)
    draw_motion(motion, view, layers, boundary)
    draw_cmd(cmd, view, layers, boundary)
    if any(layer.label for layer in layers):
        sheet.explain(sky)
    return sheet


@cache
def _members_sheet() -> Sheet:
    return Sheet(_FOUR, _SCALE, "membership probability (grey: below 0.1)")


@cache
def _plain_sheet() -> Sheet:
    return Sheet(_FOUR)
