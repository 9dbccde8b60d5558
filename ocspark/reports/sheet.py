"""Figures that are drawn on again for cluster after cluster: their axes are made only once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocspark.figures import new_figure, tidy

#: Where axes stand (left, bottom, width, height as shares of the figure), and their labels.
Panel = tuple[tuple[float, float, float, float], str, str]

SKY = ("Δα cos δ [deg]", "Δδ [deg]")
PARALLAX = ("G [mag]", "parallax [mas]")
MOTION = ("$\\mu_{\\alpha*}$ [mas yr$^{-1}$]", "$\\mu_\\delta$ [mas yr$^{-1}$]")
CMD = ("G − G$_{RP}$ [mag]", "G [mag]")


class Sheet:
    """A figure with labelled axes, to be drawn on by one cluster after another.

    Making axes with their ticks takes longer than drawing a few hundred stars in them: with
    thousands of clusters that is half the time of a report.
    """

    def __init__(self, size_in: tuple[float, float], panels: Sequence[Panel]) -> None:
        self.figure: Figure = new_figure(*size_in)
        self._axes = []
        for box, x_label, y_label in panels:
            self._axes.append(self.figure.add_axes(box))
            tidy(self._axes[-1], x_label, y_label)

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


def _remove(artists: Iterable[Artist]) -> None:
    for artist in list(artists):
        artist.remove()
