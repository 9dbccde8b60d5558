"""Read a cluster table of the literature, whose clusters are planted at their own positions."""

from __future__ import annotations

import hashlib
import logging

import pandas as pd
import yaml

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, read_clusters

log = logging.getLogger(__name__)


def read_cluster_table(path: str, config: str | None = None) -> tuple[pd.DataFrame, str]:
    """Read a cluster table, leaving out clusters that lack a value (a warning counts them).

    Parameters
    ----------
    path : str
        Any table that `ocspark.inputs.clusters.read_clusters` reads.
    config : str, optional
        Configuration file whose ``clusters.columns`` maps canonical column names to the table's.

    Returns
    -------
    table : DataFrame
        The complete clusters, in canonical columns.
    fingerprint : str
        SHA-256 of that table.

    Raises
    ------
    InputError
        For a table or configuration that cannot be read, or if no cluster is complete.
    """
    whole = read_clusters(path, _columns(config) if config else {}).table
    complete = whole[whole["fault"] == ""].reset_index(drop=True)[list(CLUSTER_COLUMNS)]
    if complete.empty:
        raise InputError(f"--cluster-table {path}: no cluster has a value in every column")
    if len(complete) < len(whole):
        log.warning(
            "%d of %d clusters are not planted: they lack a value or have inconsistent values",
            len(whole) - len(complete),
            len(whole),
        )
    return complete, hashlib.sha256(complete.to_csv(index=False).encode()).hexdigest()


def _columns(config: str) -> dict[str, str]:
    """Return the map of columns in a configuration file."""
    try:
        content = yaml.safe_load(storage.read_text(config))
        return {str(k): str(v) for k, v in content["clusters"]["columns"].items()}
    except (FileNotFoundError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"--cluster-columns {config}: expected a YAML file with clusters.columns"
        ) from None
