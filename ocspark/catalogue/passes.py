"""A pass over the mirror, unit by unit, and small tables: what lands in a run's directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession

from ocspark import storage
from ocspark.catalogue.fingerprint import digest
from ocspark.catalogue.write import Route, in_tasks, staged_by_spark, staged_by_tasks
from ocspark.mirror.layout import CheckedFile
from ocspark.selection.cone import Cones, ConeSearch, Process
from ocspark.store.files import StagedFile
from ocspark.store.folder import Manifest, RunDirectory
from ocspark.store.progress import Progress
from ocspark.tables.run import STAGED_FILES


def search_pass(
    spark: SparkSession,
    run: RunDirectory,
    title: str,
    units: Mapping[str, Sequence[CheckedFile]],
    columns: Mapping[str, str],
    cones: Cones,
    process: Process,
    tables: Sequence[str],
    route: Route | None = None,
    also: str = "",
) -> list[Manifest]:
    """Search the mirror unit by unit; tasks write what `process` makes of what they find.

    Parameters
    ----------
    spark : SparkSession
    run : RunDirectory
    title : str
        Of the pass, for progress.
    units : mapping
        Name of each unit to its files.
    columns : mapping
        Canonical name to the release's column.
    cones : Cones
    process : callable
        See `ConeSearch.run`.
    tables : sequence of str
        That the pass writes.
    route : callable, optional
        Gives the rows of a batch by table; by default all go to the only one.
    also : str
        What a unit's rows depend on beside its files, the cones and the run's inputs.
    """
    search = ConeSearch(spark, columns, cones)
    rows = {unit: sum(f.rows for f in files) for unit, files in units.items()}
    progress = Progress(title, len(units), sum(rows.values()))
    only = tables[0]
    by_table: Route = route or (lambda batch: {only: batch})
    keys, manifests = sorted(cones.table["cluster_key"].tolist()), []
    for unit, files in units.items():

        def write(
            staging: str, files: Sequence[CheckedFile] = files
        ) -> dict[str, list[StagedFile]]:
            written = search.run(files, in_tasks(process, staging, by_table), STAGED_FILES)
            return staged_by_tasks(written, tables)

        work = digest([also, keys, [f.footer_sha256 for f in files]])
        manifest = run.land(unit, write, {"mirror_rows": rows[unit]}, work)
        progress.done(rows[unit], manifest["reused"])
        manifests.append(manifest)
    return manifests


def land_small(
    run: RunDirectory,
    unit: str,
    table: str,
    frame: Callable[[], DataFrame],
    work: str | None = None,
) -> Manifest:
    """Land a small table that Spark writes; `work` as in `RunDirectory.land`."""
    return run.land(
        unit,
        lambda staging: {table: staged_by_spark(frame(), storage.join(staging, table))},
        work=work,
    )
