"""All clusters of a run on the sky, in Galactic coordinates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from matplotlib.colors import LogNorm
from numpy.typing import ArrayLike, NDArray

from ocspark.figures import INK, PROBABILITY_MAP, new_figure, png


def galactic(ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return Galactic longitude in [0, 360) and latitude [deg]."""
    there = SkyCoord(ra_deg, dec_deg, unit="deg", frame="icrs").galactic
    return there.l.deg, there.b.deg


def sky_png(clusters: pd.DataFrame) -> bytes:
    """Draw the clusters that are done, coloured by their members.

    Parameters
    ----------
    clusters : DataFrame
        l, b [deg], members (NaN where unknown).
    """
    figure = new_figure(10.0, 5.2)
    axes = figure.add_axes((0.04, 0.14, 0.92, 0.84), projection="mollweide")
    done = clusters[clusters["l"].notna() & clusters["members"].notna()].sort_values("members")
    counts = np.maximum(done["members"].to_numpy(float), 1.0)
    top = max(float(counts.max(initial=1.0)), 10.0)
    dots = axes.scatter(
        *_place(done), c=counts, s=16, cmap=PROBABILITY_MAP, norm=LogNorm(1.0, top), linewidths=0
    )
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    # longitude grows to the left, the Galactic centre in the middle
    ticks = np.arange(-150, 151, 60)
    axes.set_xticks(np.radians(ticks), [f"{-t % 360}°" for t in ticks])
    axes.tick_params(labelsize=8, colors=INK)
    for label in axes.get_xticklabels():
        label.set_bbox({"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5})
    bar = figure.colorbar(
        dots, cax=figure.add_axes((0.3, 0.09, 0.4, 0.022)), orientation="horizontal"
    )
    bar.set_label("members", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return png(figure)


def _place(clusters: pd.DataFrame) -> tuple[NDArray, NDArray]:
    longitude = (clusters["l"].to_numpy(float) + 180.0) % 360.0 - 180.0
    return -np.radians(longitude), np.radians(clusters["b"].to_numpy(float))
