"""Read the characterised clusters of a finished run."""

from __future__ import annotations

from collections.abc import Mapping

from ocspark.selection.model import ClusterModel, models_of_rows
from ocspark.store.finished_run import FinishedRun


def read_models(
    run: FinishedRun, names: Mapping[int, str] | None = None
) -> dict[int, ClusterModel]:
    """Return the models of a run by key: means, Δs, apparent isochrone, training members.

    Parameters
    ----------
    run : FinishedRun
        The run.
    names : mapping, optional
        Names of the wanted clusters by key; by default all.
    """
    rows = run.read_arrow("_models").to_pylist()
    return models_of_rows(rows, run.cluster_names if names is None else names)
