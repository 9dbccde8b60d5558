"""Tables that link the source ids of two releases, such as ``gaiadr4.dr3_neighbourhood``.

A whole one has as many rows as a release has sources: only the pairs of the ids in question are
brought to the driver.
"""

from __future__ import annotations

import logging
import re
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
from ocspark.inputs.columns import numeric_column
from ocspark.inputs.files import is_parquet, read_spark_table, read_table
from ocspark.inputs.ids import id_column
from ocspark.locations import is_table

log = logging.getLogger("ocspark")

_KEY = "members.neighbourhood"
#: Stand for a release without a number.
_OLD, _NEW = 0.0, float("inf")


def bring_forward(members: pd.DataFrame, path: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Replace ids of an older release through a neighbourhood table.

    Repeated pairs are dropped, then the smallest angular distance, then the smallest
    |magnitude difference| decides. Ids without a neighbour are lost and counted.

    Parameters
    ----------
    members : DataFrame
        cluster_key, source_id (old), probability.
    path : str
        Table with two columns of ids whose names tell which release is older
        (`neighbourhood_columns`), angular_distance and magnitude_difference.

    Returns
    -------
    members : DataFrame
        The same columns with new ids.
    counts : dict
        ids_lost, ids_with_several_neighbours, ids_merged.

    Raises
    ------
    InputError
        As `read_pairs`, or if none of the ids has a neighbour.
    """
    pairs = read_pairs(path, members["source_id"].to_numpy()).drop_duplicates(["old", "new"])
    if pairs.empty:
        raise InputError(
            f"{_KEY}: {path}: none of the {members['source_id'].nunique()} listed ids is among its "
            "old ones; expected a table that begins at the list's release"
        )
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
    if is_table(path):
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
        check_id_types(dataset.schema, columns[:2], path, _KEY)
        chosen = ds.field(columns[0]).isin(pa.array(wanted))
        table = dataset.to_table(columns=list(columns), filter=chosen)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{_KEY}: {path}: cannot be read as Parquet: {reason}") from None
    return table.to_pandas(integer_object_nulls=True)


def check_id_types(schema: pa.Schema, columns: Iterable[str], path: str, key: str) -> None:
    """Raise an `InputError` if columns of ids are not of integers, naming the setting `key`."""
    for column in columns:
        kind = schema.field(column).type
        if not pa.types.is_integer(kind):
            raise InputError(
                f"{key}: {path}: column {column}: expected 64-bit integers, got {kind}"
            )


def neighbourhood_columns(
    columns: Iterable[object], path: str, key: str
) -> tuple[str, str, str, str]:
    """Return a neighbourhood table's columns: old id, new id, distance, magnitude difference.

    The ids are those of a numbered release (``dr2_source_id``, ``source_id_edr3``), called ``old``
    or ``new``, or plain ``source_id``, which is newer than any other.

    Raises
    ------
    InputError
        If they are not there, or do not tell which id is older, naming the setting `key`.
    """
    names = [str(c) for c in columns]
    ids = [n for n in names if re.search("source_?id", n.lower())]
    distance = next((n for n in names if n.lower().startswith("angular_distance")), None)
    magnitude = next((n for n in names if n.lower().startswith("magnitude_difference")), None)
    if len(ids) != 2 or distance is None or magnitude is None:
        raise InputError(
            f"{key}: {path}: expected two …_source_id columns, angular_distance and "
            f"magnitude_difference; the file has {', '.join(names)}"
        )
    first, second = (_release_of(name) for name in ids)
    if first is None or second is None or first == second:
        raise InputError(
            f"{key}: {path}: columns {ids[0]} and {ids[1]} do not tell which ids are older; "
            "expected names like dr2_source_id and dr3_source_id"
        )
    old, new = ids if first < second else ids[::-1]
    return old, new, distance, magnitude


def _release_of(column: str) -> float | None:
    """Return the number of the release whose ids a column has; None if its name does not tell."""
    words = re.split(r"[\W_]+", re.sub("source_?id", "", column.lower()))
    told = [word for word in words if word not in ("", "gaia")]
    if not told:
        return _NEW
    numbered = re.fullmatch(r"e?dr(\d+)", told[0])
    if len(told) > 1:
        return None
    return float(numbered.group(1)) if numbered else {"old": _OLD, "new": _NEW}.get(told[0])
