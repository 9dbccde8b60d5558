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
from ocspark.reports.view import ClusterView, Columns, ListedStars

#: Candidates below 0.1 that are drawn, in a crowded field some of them; more would be a block.
MOST_FIELD = 4000
_FOUR = (SKY, PARALLAX, MOTION, CMD)
_SCALE = ScalarMappable(Normalize(FAINT_LEVEL, 1.0), PROBABILITY_MAP)


def draw_members(view: ClusterView) -> Sheet:
    """Draw members coloured by posterior or votes over the field in grey: four panels.

    Members have at least 0.1. The field is candidates below that, at most `MOST_FIELD` of them,
    and, where the run has them, other stars of the cone.
    """
    found = view.members(FAINT_LEVEL)
    layers = [
        Layer(view.others, OTHER, 1.6, main=False),
        Layer(_thinned(some_of(view.stars, ~found)), OTHER, 2.2, main=not found.any()),
        Layer(some_of(view.stars, found), OURS, 3.2, values=view.chances[found], scale=_SCALE),
    ]
    return _draw_four(_members_sheet(view.rule.members_by), view, layers, boundary=True)


def draw_selection(view: ClusterView) -> Sheet:
    """Draw training members, candidates and other stars of the cone: four panels (Fig. 1).

    At most `MOST_FIELD` of the candidates below 0.1 are drawn. Dashed: the boundary beyond which
    a star without errors is no candidate.
    """
    training = view.stars["is_training_member"].astype(bool)
    found = view.members(FAINT_LEVEL) | training
    layers = [
        Layer(view.others, OTHER, 1.6, "other stars in the cone", main=False),
        Layer(
            _thinned(some_of(view.stars, ~found)),
            CANDIDATE,
            2.4,
            "candidates",
            main=not found.any(),
        ),
        # those that may be members set the limits
        Layer(some_of(view.stars, found & ~training), CANDIDATE, 2.4, "candidates"),
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


def _thinned(stars: Columns) -> Columns:
    """Return at most `MOST_FIELD` stars, evenly spread over their order."""
    step = max(1, -(-len(stars["ra"]) // MOST_FIELD))
    return {name: column[::step] for name, column in stars.items()}


@cache
def _members_sheet(members_by: str) -> Sheet:
    return Sheet(_FOUR, _SCALE, f"{members_by} (grey: below {FAINT_LEVEL:g})")


@cache
def _plain_sheet() -> Sheet:
    return Sheet(_FOUR)
