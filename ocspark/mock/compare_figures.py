"""Draw the mock's field beside a real field."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocspark.figures import png
from ocspark.mock.frame import Array

_REAL, _MOCK = "#1f4e79", "#d95f02"


def field_figure(
    name: str, real: pd.DataFrame, mock: pd.DataFrame, errors: Array, mock_errors: Array
) -> bytes:
    """Return a PNG: counts by G, colour–magnitude diagrams, errors, parallaxes, proper motions.

    Parameters
    ----------
    name : str
        Name of the field.
    real, mock : DataFrame
        Sources; see `ocspark.mock.compare.compare_samples`.
    errors, mock_errors : array
        Parallax errors by the release's performance model [mas].
    """
    figure = Figure(figsize=(13, 7), dpi=90, layout="constrained")
    axes = figure.subplots(2, 4)
    figure.suptitle(f"{name}: {len(real):,} real field stars, {len(mock):,} in the mock")
    both = ((real, _REAL, "real"), (mock, _MOCK, "mock"))
    faintest = float(real["phot_g_mean_mag"].max())
    _histogram(axes[0, 0], [t["phot_g_mean_mag"] for t, _, _ in both], np.arange(9, 21.1, 0.5))
    axes[0, 0].set(xlabel="G [mag]", ylabel="sources", yscale="log")
    for axis, (table, colour, label) in zip(axes[0, 1:3], both, strict=True):
        g_rp = table["phot_g_mean_mag"] - table["phot_rp_mean_mag"]
        axis.plot(g_rp, table["phot_g_mean_mag"], ".", ms=1.5, alpha=0.5, color=colour)
        axis.set(
            xlim=(-0.1, 1.6), ylim=(faintest + 0.2, 8), xlabel="G − RP [mag]", ylabel="G [mag]"
        )
        axis.set_title(label)
    colours = [t["phot_g_mean_mag"] - t["phot_rp_mean_mag"] for t, _, _ in both]
    _histogram(axes[0, 3], colours, np.arange(0.0, 1.7, 0.05), share=True)
    axes[0, 3].set(xlabel="G − RP [mag]", ylabel="share")
    for (table, colour, label), model in zip(both, (errors, mock_errors), strict=True):
        axes[1, 0].semilogy(
            table["phot_g_mean_mag"],
            table["parallax_error"],
            ".",
            ms=1.5,
            alpha=0.5,
            color=colour,
            label=label,
        )
        order = np.argsort(table["phot_g_mean_mag"].to_numpy())
        axes[1, 0].plot(table["phot_g_mean_mag"].to_numpy()[order], model[order], "k-", lw=0.8)
    axes[1, 0].set(xlabel="G [mag]", ylabel="parallax error [mas]; line: PyGaia")
    for axis, column, unit in zip(
        axes[1, 1:], ("parallax", "pmra", "pmdec"), ("mas", "mas/yr", "mas/yr"), strict=True
    ):
        low, high = np.nanquantile(real[column], (0.01, 0.99))
        reach = (high - low) * 0.25
        bins = np.linspace(low - reach, high + reach, 40)
        _histogram(axis, [t[column] for t, _, _ in both], bins, share=True)
        axis.set(xlabel=f"{column} [{unit}]", ylabel="share")
    axes[0, 0].legend(loc="upper left", frameon=False)
    return png(figure)


def _histogram(axis: Axes, values: list[pd.Series], edges: Array, share: bool = False) -> None:
    """Draw histograms of the real and the mock sources, as numbers or as shares."""
    bins = edges.tolist()
    for column, colour, label in zip(values, (_REAL, _MOCK), ("real", "mock"), strict=True):
        kept = column.dropna().to_numpy(float)
        weights = np.full(len(kept), 1.0 / max(len(kept), 1)) if share else None
        axis.hist(kept, bins, weights=weights, histtype="step", color=colour, label=label, lw=1.4)
