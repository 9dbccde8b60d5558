"""Colours and habits that all figures share."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

#: Colour-blind safe (Okabe & Ito 2008): this run, the literature, and what recedes.
OURS, LISTED = "#0072b2", "#d55e00"
TRAINING, CANDIDATE, OTHER = "#0072b2", "#e69f00", "#aaaaaa"
CURVE, BOUNDARY, INK = "#111111", "#cc3311", "#333333"
#: Of probability: even to the eye and to colour-blind readers. Plasma without its yellow end, so
#: that its lowest colour has a contrast of 3 to white, which WCAG 2.2 wants of graphics.
PROBABILITY_MAP = ListedColormap(
    colormaps["plasma_r"](np.linspace(0.36, 1.0, 256)), name="probability"
)
#: Of PNGs, and of what is drawn as pixels inside an SVG.
_DPI, _PIXELS_IN_SVG = 110, 220


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that no window and no global state knows of."""
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, x_label: str, y_label: str, size: float = 9.0) -> None:
    """Label the axes in a size [points], ticks a point smaller, and quieten the frame."""
    axes.set_xlabel(x_label, fontsize=size, color=INK)
    axes.set_ylabel(y_label, fontsize=size, color=INK)
    axes.tick_params(labelsize=size - 1.0, colors=INK, length=3)
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


def svg(figure: Figure) -> bytes:
    """Return the figure as an SVG whose text is text; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ocspark"}):
        figure.savefig(buffer, format="svg", dpi=_PIXELS_IN_SVG, metadata={"Date": None})
    return buffer.getvalue()


def pdf(figure: Figure) -> bytes:
    """Return the figure as a PDF whose text is text; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", dpi=_PIXELS_IN_SVG, metadata={"CreationDate": None})
    return buffer.getvalue()


def savable(text: str) -> str:
    """Return text that matplotlib takes literally: names may hold its markup sign."""
    return text.replace("$", r"\$")
