"""Colours and habits that all figures share."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

#: Colour-blind safe (Okabe & Ito 2008): this run, the literature, and what recedes.
OURS, LISTED = "#0072b2", "#d55e00"
TRAINING, CANDIDATE, OTHER = "#0072b2", "#e69f00", "#aaaaaa"
CURVE, BOUNDARY, INK = "#111111", "#cc3311", "#333333"
#: Of probability; even to the eye and to colour-blind readers.
PROBABILITY_MAP = "viridis_r"
_DPI = 110


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that no window and no global state knows of."""
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, x_label: str, y_label: str) -> None:
    """Label the axes, and quieten frame and ticks."""
    axes.set_xlabel(x_label, fontsize=9, color=INK)
    axes.set_ylabel(y_label, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.locator_params(nbins=6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color("#888888")


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 6})
    return buffer.getvalue()


def savable(text: str) -> str:
    """Return text that matplotlib takes literally: names may hold its markup sign."""
    return text.replace("$", r"\$")
