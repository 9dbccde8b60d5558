"""Tables that link the source ids of two releases, such as ``gaiadr4.dr3_neighbourhood``.

A whole one has as many rows as a release has sources: only the pairs of the ids in question are
brought to the driver.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.files import (
    id_column,
    is_parquet,
    is_spark_table,
    numeric_column,
    read_spark_table,
    read_table,
)

log = logging.getLogger("ocspark")

_KEY = "members.neighbourhood"


def bring_forward(members: pd.DataFrame, path: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Replace ids of an older release through a neighbourhood table.

    Repeated pairs are dropped, then the smallest angular distance, then the smallest
    |magnitude difference| decides. Ids without a neighbour are lost and counted.

    Parameters
    ----------
    members : DataFrame
        cluster_key, source_id (old), probability.
    path : str
        Table with two ``…source_id`` columns (old release first in the alphabet, as
        dr2_source_id and dr3_source_id, or dr3_source_id and source_id), angular_distance and
        magnitude_difference.

    Returns
    -------
    members : DataFrame
        The same columns with new ids.
    counts : dict
        ids_lost, ids_with_several_neighbours, ids_merged.
    """
    pairs = read_pairs(path, members["source_id"].to_numpy()).drop_duplicates(["old", "new"])
    pairs = pairs.assign(size=pairs["size"].abs().fillna(np.inf))
    several = int((pairs["old"].value_counts() > 1).sum())
    pairs = pairs.sort_values(["distance", "size", "new"]).drop_duplicates("old")
    moved = members.merge(pairs, left_on="source_id", right_on="old")
    lost = members["source_id"].nunique() - moved["source_id"].nunique()
    found = len(moved)
    moved = moved.sort_values(["distance", "size", "old"])
    moved = moved.drop_duplicates(["cluster_key", "new"])
    moved = moved.assign(source_id=moved["new"].astype(np.int64))[list(members.columns)]
    counts = {
        "ids_lost": int(lost),
        "ids_with_several_neighbours": several,
        "ids_merged": found - len(moved),
    }
    return moved, counts


def read_pairs(path: str, ids: NDArray[np.int64]) -> pd.DataFrame:
    """Return the pairs of some old ids: old, new, distance, size (the difference in magnitude).

    Parameters
    ----------
    path : str
        Parquet file or directory, or ``table:NAME``, of any size; or a small table of another
        kind. Columns as for `bring_forward`.
    ids : array of int64

    Raises
    ------
    InputError
        If it is missing or has other columns.
    """
    wanted = np.unique(ids)
    log.info("%s: looking for the neighbours of %d ids", path, len(wanted))
    if is_spark_table(path):
        table = read_spark_table(path, _KEY, lambda table: _narrowed(table, path, wanted))
    elif storage.is_directory(path) or (is_parquet(path) and storage.exists(path)):
        table = _read_parquet(path, wanted)
    else:
        table = read_table(path, _KEY)
    old, new, distance, size = neighbourhood_columns(table.columns, path, _KEY)
    pairs = pd.DataFrame(
        {
            "old": id_column(table, old, path, _KEY),
            "new": id_column(table, new, path, _KEY),
            "distance": numeric_column(table, distance, path, _KEY, "mas"),
            "size": numeric_column(table, size, path, _KEY, "mag"),
        }
    )
    return pairs[pairs["old"].isin(wanted)]


def _narrowed(table: DataFrame, path: str, wanted: NDArray[np.int64]) -> DataFrame:
    columns = neighbourhood_columns(table.columns, path, _KEY)
    ids = table.sparkSession.createDataFrame(pa.table({columns[0]: wanted}))
    return table.select(*columns).join(F.broadcast(ids), columns[0], "left_semi")


def _read_parquet(path: str, wanted: NDArray[np.int64]) -> pd.DataFrame:
    filesystem, inner = storage.resolve(path)
    try:
        dataset = ds.dataset(inner, filesystem=filesystem, format="parquet")
        columns = neighbourhood_columns(dataset.schema.names, path, _KEY)
        kind = dataset.schema.field(columns[0]).type
        if not pa.types.is_integer(kind):
            raise InputError(
                f"{_KEY}: {path}: column {columns[0]}: expected 64-bit integers, got {kind}"
            )
        chosen = ds.field(columns[0]).isin(pa.array(wanted))
        table = dataset.to_table(columns=list(columns), filter=chosen)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{_KEY}: {path}: cannot be read as Parquet: {reason}") from None
    return table.to_pandas(integer_object_nulls=True)


def neighbourhood_columns(
    columns: Iterable[object], path: str, key: str
) -> tuple[str, str, str, str]:
    """Return a neighbourhood table's columns: old id, new id, distance, magnitude difference.

    Raises
    ------
    InputError
        If they are not there, naming the setting `key`.
    """
    names = [str(c) for c in columns]
    ids = sorted((n for n in names if n.lower().endswith("source_id")), key=str.lower)
    distance = next((n for n in names if n.lower().startswith("angular_distance")), None)
    magnitude = next((n for n in names if n.lower().startswith("magnitude_difference")), None)
    if len(ids) != 2 or distance is None or magnitude is None:
        raise InputError(
            f"{key}: {path}: expected two …_source_id columns, angular_distance and "
            f"magnitude_difference; the file has {', '.join(names)}"
        )
    return ids[0], ids[1], distance, magnitude
