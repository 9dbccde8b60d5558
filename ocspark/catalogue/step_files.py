"""Keep track of the files that the steps of a run write: its tables, and pieces for later steps."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.catalogue.membership import PIECES
from ocspark.catalogue.search import CELL_PIECES, FOUND_PIECES
from ocspark.catalogue.sharing import TOTAL_PIECES
from ocspark.store.files import TableFile
from ocspark.store.folder import RunFolder, empty_table, files_of
from ocspark.store.manifests import Manifest
from ocspark.store.pieces import files_by_cluster
from ocspark.tables.fields import Field
from ocspark.tables.run_tables import fields_of

#: Folders of pieces and manifests, which only later steps read: removed when the run is finished.
TEMPORARY = (FOUND_PIECES, CELL_PIECES, *PIECES.values(), TOTAL_PIECES, "_tasks")


class StepFiles:
    """The files that the steps of a run have written so far.

    Parameters
    ----------
    folder : RunFolder
        Folder of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._manifests: dict[str, list[Manifest]] = {}
        self._pieces: list[TableFile] = []
        #: Files of the run's tables.
        self.tables: list[TableFile] = []

    def add(self, step: str, manifests: list[Manifest]) -> None:
        """Add the files that the tasks of a step wrote.

        If they include candidates of a cluster, these replace the ones of earlier steps.

        Parameters
        ----------
        step : str
            Name of the step.
        manifests : list of Manifest
            One for each of its tasks.
        """
        self._manifests[step] = manifests
        added = files_of(manifests)
        again = files_by_cluster(added, "candidates").keys()
        self.tables = [
            file
            for file in self.tables
            if file.table != "candidates" or not again & (file.clusters or {}).keys()
        ]
        for file in added:
            (self._pieces if file.table in TEMPORARY else self.tables).append(file)

    def written_by(self, step: str) -> list[TableFile]:
        """Return the files that a step wrote; none if it had nothing to do."""
        return files_of(self._manifests.get(step, []))

    def by_cluster(self, table: str) -> dict[int, list[TableFile]]:
        """Return the files of a table, or of its pieces, by the clusters that have rows in them."""
        return dict(files_by_cluster([*self.tables, *self._pieces], table))

    def read(self, table: str, fields: list[Field] | None = None) -> pa.Table:
        """Return a small table of the run, or its pieces, as a whole.

        Parameters
        ----------
        table : str
            Its name.
        fields : list of Field, optional
            Its columns; by default those of the run's table of that name.
        """
        empty = empty_table(fields_of(table) if fields is None else fields)

        def read(file: TableFile) -> pa.Table:
            filesystem, inner = storage.resolve(self._folder.path(file.name))
            return storage.retry(lambda: pq.read_table(inner, filesystem=filesystem))

        with ThreadPoolExecutor(8) as pool:
            files = [file for file in (*self.tables, *self._pieces) if file.table == table]
            parts = list(pool.map(read, files))
        return pa.concat_tables([empty, *(part.cast(empty.schema) for part in parts)])

    def rows_by_device(self) -> dict[str, int]:
        """Return how many candidates each device evaluated."""
        rows: dict[str, int] = {}
        for file in self.tables:
            if file.table == "candidates" and file.device:
                rows[file.device] = rows.get(file.device, 0) + file.rows
        return rows

    @property
    def portions(self) -> list[dict[str, Any]]:
        """The manifests of all tasks, for run.json."""
        return [
            {"step": step, **manifest, "files": [_without_clusters(f) for f in manifest["files"]]}
            for step, manifests in self._manifests.items()
            for manifest in manifests
        ]


def _without_clusters(file: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in file.items() if key != "clusters"}
