"""Figures of a grid of panels, drawn on again for cluster after cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from ocspark.figures import INK, new_figure, png, svg, tidy

Box = tuple[float, float, float, float]


class Panel(NamedTuple):
    """A panel's name, what it shows in words, and the labels of its axes."""

    name: str
    shows: str
    x_label: str
    y_label: str


SKY = Panel("sky", "positions on the sky", "Δα cos δ [deg]", "Δδ [deg]")
PARALLAX = Panel("parallax", "parallax against G", "G [mag]", "parallax ϖ [mas]")
MOTION = Panel("motion", "proper motions", "μα* [mas/yr]", "μδ [mas/yr]")
CMD = Panel("cmd", "colour–magnitude diagram", "G − RP [mag]", "G [mag]")
#: Name of the strip above the panels that says what symbols and colours mean.
KEY = "key"

#: Width and height of a panel with its labels, and height of the key [inch]. On a telephone a
#: panel fills the screen's width, so letters of 10 points stay some 11 pixels high.
_WIDTH, _HEIGHT, _KEY_HEIGHT = 4.4, 4.0, 0.62
#: Room inside a panel: left, bottom, right, top [inch].
_MARGINS = (0.68, 0.55, 0.15, 0.15)
_FONT = 10.0
_POINTS = 72.0


class Sheet:
    """A figure of labelled panels, to be drawn on by one cluster after another.

    Making axes with their ticks takes longer than drawing a few hundred stars in them: with
    thousands of clusters that is half the time of a report.

    Parameters
    ----------
    panels : sequence of Panel
    colours : ScalarMappable, optional
        Of a colour bar in the key.
    colours_mean : str
        Its label.
    """

    def __init__(
        self,
        panels: Sequence[Panel],
        colours: ScalarMappable | None = None,
        colours_mean: str = "",
    ) -> None:
        self.panels = panels
        rows = -(-len(panels) // 2)
        self._size = 2 * _WIDTH, rows * _HEIGHT + _KEY_HEIGHT
        self.figure: Figure = new_figure(*self._size)
        self._axes = []
        left, bottom, right, top = _MARGINS
        for place, panel in enumerate(panels):
            x, y = self._corner(place)
            box = (x + left, y + bottom, _WIDTH - left - right, _HEIGHT - bottom - top)
            self._axes.append(self.figure.add_axes(self._share(*box)))
            tidy(self._axes[-1], panel.x_label, panel.y_label, _FONT)
        if colours is not None:
            place_of_bar = self._share(0.5 * self._size[0] - 1.5, self._size[1] - 0.22, 3.0, 0.13)
            bar = self.figure.colorbar(
                colours, cax=self.figure.add_axes(place_of_bar), orientation="horizontal"
            )
            bar.set_label(colours_mean, fontsize=_FONT - 1.0, color=INK, labelpad=1.0)
            bar.ax.tick_params(labelsize=_FONT - 1.5, colors=INK, length=2, pad=1.5)

    @property
    def has_key(self) -> bool:
        """Whether the key says something: there is a colour bar or a legend."""
        return len(self.figure.axes) > len(self.panels) or bool(self.figure.legends)

    def clean(self) -> list[Axes]:
        """Take away all that was drawn and return the axes; scales and labels stay."""
        _remove(self.figure.legends)
        for axes in self._axes:
            # the curves' own containers keep them in the legend
            axes.containers.clear()
            _remove(chain(axes.lines, axes.collections, axes.patches, axes.texts))
            legend = axes.get_legend()
            if legend is not None:
                legend.remove()
            axes.relim()
            axes.autoscale(True)
        return self._axes

    def explain(self, axes: Axes) -> None:
        """Put the legend of one panel into the key, each label once."""
        handles, labels = axes.get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))
        self.figure.legend(
            once.values(),
            once.keys(),
            loc="upper center",
            ncols=2,
            fontsize=_FONT - 1.0,
            frameon=False,
            markerscale=1.6,
            borderaxespad=0.1,
            columnspacing=1.2,
            handletextpad=0.4,
        )

    def png(self) -> bytes:
        """Return what is drawn as a PNG."""
        return png(self.figure)

    def svg(self) -> bytes:
        """Return what is drawn as an SVG that fills what it is shown in.

        Its address with ``#`` and a panel's name, or `KEY`, shows that part alone.
        """
        text = svg(self.figure).decode("utf-8")
        head = re.search("<svg [^>]*>", text)
        assert head is not None, "an SVG of matplotlib"
        sizeless = re.sub(r' (?:width|height)="[^"]*"', "", head.group())
        text = text.replace(head.group(), sizeless, 1)
        middle = 0.5 * (self._size[0] - _WIDTH)
        parts = [(KEY, (middle, self._size[1] - _KEY_HEIGHT, _WIDTH, _KEY_HEIGHT))]
        for place, panel in enumerate(self.panels):
            parts.append((panel.name, (*self._corner(place), _WIDTH, _HEIGHT)))
        views = []
        for name, (x, y, width, height) in parts:
            box = (x, self._size[1] - y - height, width, height)
            numbers = " ".join(f"{_POINTS * value:g}" for value in box)
            views.append(f'<view id="{name}" viewBox="{numbers}"/>\n')
        end = text.rindex("</svg>")
        return (text[:end] + "".join(views) + text[end:]).encode("utf-8")

    def _corner(self, place: int) -> tuple[float, float]:
        """Return left and bottom of a panel [inch]."""
        row, column = divmod(place, 2)
        return column * _WIDTH, self._size[1] - _KEY_HEIGHT - (row + 1) * _HEIGHT

    def _share(self, x: float, y: float, width: float, height: float) -> Box:
        return x / self._size[0], y / self._size[1], width / self._size[0], height / self._size[1]


def panel_size() -> tuple[int, int]:
    """Return width and height of a panel [points]."""
    return round(_POINTS * _WIDTH), round(_POINTS * _HEIGHT)


def key_size() -> tuple[int, int]:
    """Return width and height of the key [points]."""
    return round(_POINTS * _WIDTH), round(_POINTS * _KEY_HEIGHT)


def _remove(artists: Iterable[Artist]) -> None:
    for artist in list(artists):
        artist.remove()
