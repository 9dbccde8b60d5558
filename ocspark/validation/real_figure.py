"""Draw a real cluster's candidates with members by votes and by posterior marked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes

from ocspark.figures import CURVE, INK, LISTED, OTHER, OURS, new_figure, png, savable, tidy
from ocspark.validation.displaced import Window

_LEVEL = 0.5
#: Number of rings of the profile, which are wider farther out.
_RINGS = 14


def draw_real_cluster(name: str, candidates: pa.Table, window: Window) -> bytes:
    """Return a PNG: colour–magnitude diagram, proper motions and radial profile of a cluster.

    Parameters
    ----------
    name : str
        Name of the cluster.
    candidates : Table
        Its candidates in a run with posteriors.
    window : Window
        The cluster, for its isochrone and radius.
    """
    figure = new_figure(13.0, 4.6)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, 3)
    known = candidates.to_pandas().dropna(subset=["posterior"])
    posterior, votes = known["posterior"] >= _LEVEL, known["probability"] >= _LEVEL
    groups = {
        "neither": (known[~posterior & ~votes], {"marker": ".", "s": 6, "color": OTHER}),
        "both": (known[posterior & votes], {"marker": "o", "s": 8, "color": OURS}),
        "votes alone": (known[votes & ~posterior], {"marker": "x", "s": 16, "color": LISTED}),
        "posterior alone": (
            known[posterior & ~votes],
            {"marker": "+", "s": 26, "color": "#009e73"},
        ),
    }
    points = window.cluster.isochrone
    axes[0].plot(points.colour, points.g_mag, color=CURVE, linewidth=0.7)
    for label, (stars, style) in groups.items():
        text = f"{label} ({len(stars)})"
        axes[0].scatter(stars["g_rp"], stars["phot_g_mean_mag"], label=text, linewidths=1, **style)
        axes[1].scatter(stars["pmra"], stars["pmdec"], linewidths=1, **style)
    training = known[known["is_training_member"] & ~posterior]
    for axis, x, y in ((axes[0], "g_rp", "phot_g_mean_mag"), (axes[1], "pmra", "pmdec")):
        axis.scatter(
            training[x],
            training[y],
            s=60,
            facecolors="none",
            edgecolors=INK,
            label=f"training, posterior < 0.5 ({len(training)})",
        )
    low, high = np.quantile(known["g_rp"], [0.005, 0.995])
    axes[0].set(
        xlim=(low - 0.1, high + 0.1),
        ylim=(known["phot_g_mean_mag"].max() + 0.3, known["phot_g_mean_mag"].min() - 0.5),
    )
    axes[0].legend(fontsize=7, frameon=False)
    _draw_profile(axes[2], known)
    tidy(axes[0], "G − G_RP [mag]", "G [mag]")
    tidy(axes[1], "pmra [mas/yr]", "pmdec [mas/yr]")
    figure.suptitle(
        savable(f"{name}, R = {window.cluster.covered_radius_pc:.1f} pc"), fontsize=11, color=INK
    )
    return png(figure)


def _draw_profile(axes: Axes, known: pd.DataFrame) -> None:
    """Draw the number of stars per pc² in rings."""
    radius = known["f_r"].to_numpy()
    edges = radius.max() * np.linspace(0.0, 1.0, _RINGS + 1) ** 1.5
    area = np.pi * np.diff(edges**2)
    weights = {
        "candidates": (np.ones(len(known)), OTHER, ":"),
        "votes ≥ 0.5": ((known["probability"] >= _LEVEL).to_numpy(float), LISTED, "--"),
        "posterior ≥ 0.5": ((known["posterior"] >= _LEVEL).to_numpy(float), OURS, "-"),
        "sum of posteriors": (known["posterior"].to_numpy(), "#009e73", "-."),
    }
    middle = 0.5 * (edges[1:] + edges[:-1])
    for label, (weight, colour, style) in weights.items():
        density = np.histogram(radius, edges, weights=weight)[0] / area
        axes.plot(middle, np.where(density > 0, density, np.nan), style, color=colour, label=label)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.3 / area.max())  # a third of a star in the widest ring
    axes.set_xlabel("projected radius [pc]", fontsize=9, color=INK)
    axes.set_ylabel("stars per pc²", fontsize=9, color=INK)
    axes.tick_params(labelsize=8, which="both", colors=INK)
    axes.legend(fontsize=8, frameon=False)
