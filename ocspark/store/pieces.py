"""Read the rows of single clusters from files that tasks wrote, a portion of the mirror each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.errors import OutputError
from ocspark.store.files import TableFile, cluster_column, rows_of_clusters
from ocspark.tables.fields import Field, struct


def read_rows_of_clusters(
    root: str,
    names: Sequence[str],
    keys: Collection[int],
    fields: list[Field],
    sort_by: Sequence[str] = (),
) -> pa.Table:
    """Return the rows of some clusters, in an order that does not depend on how they were cut.

    Parameters
    ----------
    root : str
        Folder of the tables.
    names : sequence of str
        Files of one table, below it.
    keys : collection of int
        cluster_key of the clusters.
    fields : list of Field
        The columns wanted, among them that of the cluster.
    sort_by : sequence of str
        Columns that rows are sorted by, after the cluster.

    Raises
    ------
    OutputError
        If a file is damaged.
    OSError
        If the storage does not give it.
    """
    schema, wanted = to_arrow_schema(struct(fields)), frozenset(keys)
    parts = [schema.empty_table()]
    for name in names:
        table = _read(storage.join(root, name), schema.names).replace_schema_metadata(None)
        parts.append(rows_of_clusters(table, wanted).cast(schema))
    whole = pa.concat_tables(parts)
    order = [cluster_column(schema), *sort_by]
    return whole.sort_by([(str(column), "ascending") for column in order]).combine_chunks()


def _read(path: str, columns: list[str]) -> pa.Table:
    filesystem, inner = storage.resolve(path)
    try:
        return storage.retry(lambda: pq.read_table(inner, columns=columns, filesystem=filesystem))
    except (OSError, pa.ArrowException) as error:
        if not isinstance(error, OSError) or storage.can_be_read(path):
            raise OutputError(
                f"output: {path}: gone or damaged; the same command makes it again"
            ) from error
        raise OSError(f"{path}: {error}") from error


def files_by_cluster(files: Iterable[TableFile], table: str) -> Mapping[int, list[TableFile]]:
    """Return the files of a table that have rows of each cluster, by its key."""
    result: dict[int, list[TableFile]] = {}
    for file in files:
        if file.table == table:
            for key in file.clusters or {}:
                result.setdefault(key, []).append(file)
    return result
