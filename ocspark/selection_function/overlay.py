"""Write the planted stars as an overlay of a mirror, with the tables of the twins (Spark)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from ocspark.mirror.columns import MirrorColumns
from ocspark.mock.planted import PlantedCluster
from ocspark.mock.tables import cluster_tables
from ocspark.selection_function.twins import Planter
from ocspark.sky.healpix import HEALPIX_COLUMN
from ocspark.store.files import TableWriters
from ocspark.store.folder import RunFolder, Work, digest, files_of

#: Names of the tables: the overlay; cluster table, member list and truth of the twins.
OVERLAY = "overlay"
TWIN_CLUSTERS, TWIN_MEMBERS, TWIN_TRUTH = "twin_clusters", "twin_members", "twin_truth"
#: Number of twins that a task draws.
_TWINS_PER_TASK = 50


@dataclass(frozen=True)
class PlantTwins:
    """Draw a few twins and write their tables: the function of a task.

    Attributes
    ----------
    planter : Planter
        Draws the twins.
    columns : MirrorColumns
        Columns of the mirror that a search reads.
    types : mapping
        Types of the mirror's columns (`ocspark.mirror.footers.CheckedFile`), so that its files and
        those of the overlay can be searched together.
    healpix_column : str or None
        Name of the mirror's column with the order-29 HEALPix index, if it has one.
    """

    planter: Planter
    columns: MirrorColumns
    types: Mapping[str, pa.DataType]
    healpix_column: str | None

    def __call__(self, twins: Sequence[int], writers: TableWriters) -> dict[str, int]:
        """Write a file of each table for some twins, given by number; return the stars planted."""
        planted = [self.planter.planted(number) for number in twins]
        stars = self._native_rows(planted)
        name = f"{twins[0]:08d}"
        writers.write(OVERLAY, name, stars)
        for table, rows in cluster_tables(planted).items():
            writers.write(f"twin_{table}", name, rows)
        return {"stars": stars.num_rows}

    def _native_rows(self, planted: Sequence[PlantedCluster]) -> pa.Table:
        """Return the stars of some twins in the mirror's columns and types, in HEALPix order."""
        index = np.concatenate([cluster.sources[HEALPIX_COLUMN] for cluster in planted])
        columns = {
            column: np.concatenate([cluster.sources[name] for cluster in planted])
            for name, column in self.columns.names.items()
        }
        if self.healpix_column is not None:
            columns[self.healpix_column] = index
        order = np.argsort(index, kind="stable")
        schema = pa.schema([(name, self.types[name]) for name in columns])
        arrays = [
            pa.array(columns[field.name][order], from_pandas=True).cast(field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)


def plant_twins(spark: SparkSession, folder: RunFolder, plant: PlantTwins, depends_on: str) -> None:
    """Write the tables of all twins.

    Parameters
    ----------
    spark : SparkSession
        Session whose tasks draw the twins.
    folder : RunFolder
        Folder that gets the tables.
    plant : PlantTwins
        The function of a task.
    depends_on : str
        Digest of everything that determines the twins.
    """
    n_twins = len(plant.planter.twins)
    works = []
    for first in range(0, n_twins, _TWINS_PER_TASK):
        some = list(range(first, min(first + _TWINS_PER_TASK, n_twins)))
        works.append(Work(f"{first:08d}", digest([depends_on, some]), len(some), some))
    manifests = folder.run_step(spark, "plant", "planting", plant, works, "tasks", "twins")
    tables = (OVERLAY, TWIN_CLUSTERS, TWIN_MEMBERS, TWIN_TRUTH)
    folder.delete_unlisted_files(files_of(manifests), tables)
