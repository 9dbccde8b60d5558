"""Read the mirror once, as one Spark job whose tasks search their portions and write the results.

The Spark partitions of a catalogue's table differ from attempt to attempt, so that a task's
manifest would not identify its work. A table is therefore read range by range: some Spark jobs at a
time, each for a group of ranges, for which the driver writes the manifest. Their tasks get only the
rows that pass the cuts of a cone, which Spark chooses.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from ocspark.catalogue.inputs import RunInputs
from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.footers import CheckedFile, group_by_rows
from ocspark.mirror.portions import Portion, cut_by_counts, cut_by_rows
from ocspark.mirror.read import read_places, read_rows
from ocspark.mirror.scan import ReadPortion
from ocspark.selection.cones import Cones
from ocspark.selection.sources_in_cones import SortedSources
from ocspark.selection.table_rows import rows_near, sort_batches
from ocspark.session import ship
from ocspark.sky.cover import Cover
from ocspark.sky.healpix import index_ranges
from ocspark.store.files import TableFile, TableWriters
from ocspark.store.folder import RunFolder, Work, digest, write_manifest
from ocspark.store.manifests import Manifest
from ocspark.store.tasks import attempt, max_attempts, raise_faults

#: Rows of a table that one Spark job searches, and how many such jobs run side by side.
ROWS_PER_JOB, JOBS_AT_ONCE = 5_000_000, 4

#: A function that processes the sources that a task reads: it writes rows and returns numbers for
#: the manifest. It can be pickled.
PassFunction = Callable[[Iterator[SortedSources], TableWriters], Mapping[str, int]]


@dataclass(frozen=True)
class Ranges:
    """Neighbouring ranges of a table, which one Spark job searches."""

    files: tuple[CheckedFile, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(file.rows for file in self.files)

    @property
    def cost(self) -> float:
        """Expected cost relative to others: the number of rows."""
        return float(self.rows)

    def cover(self, cones: Cones) -> Cover:
        """Return the part of the cones' cover that lies on these ranges."""
        pixels = [file.file.pixel for file in self.files]
        if any(pixel is None for pixel in pixels):
            return cones.cover
        low, high = index_ranges([pixel for pixel in pixels if pixel is not None])
        return cones.cover.take((cones.cover.start < max(high)) & (cones.cover.end > min(low)))


@dataclass(frozen=True)
class MirrorPass:
    """One reading of the mirror.

    Attributes
    ----------
    step, title : str
        Name of the step, and its title in progress messages.
    files : sequence of CheckedFile
        Files of the mirror, or ranges of a table.
    names : sequence of str
        Names of the files inside their mirror.
    columns : MirrorColumns
        Columns to read.
    cones : Cones
        Cones to search.
    also : object
        What the rows depend on besides files, cones and the run's inputs; JSON can hold it.
    counts : DataFrame, optional
        Counts of sources in these cones from pass 1, for `cut_by_counts`.
    counts_all : bool
        Whether the process counts all sources, in cones or not.
    """

    step: str
    title: str
    files: Sequence[CheckedFile]
    names: Sequence[str]
    columns: MirrorColumns
    cones: Cones
    also: Any = None
    counts: pd.DataFrame | None = None
    counts_all: bool = False

    def works(self) -> list[Work]:
        """Return the work of each task: the mirror cut into portions, or a table into ranges."""
        shared = digest([self.also, sorted(self.cones.table["cluster_key"].tolist())])
        parts: Iterator[tuple[list[Any], Any]] = (
            self._ranges() if self._is_table else self._portions()
        )
        return [
            Work(f"{number:05d}", digest([shared, *facts]), item.rows, item, item.cost)
            for number, (facts, item) in enumerate(parts)
        ]

    def _ranges(self) -> Iterator[tuple[list[Any], Ranges]]:
        """Yield groups of ranges of a table, each after the facts that identify it."""
        for files in group_by_rows(self.files, ROWS_PER_JOB):
            yield [[file.footer_sha256, file.rows] for file in files], Ranges(tuple(files))

    def _portions(self) -> Iterator[tuple[list[Any], Portion]]:
        """Yield portions of a mirror of files, each after the facts that identify it."""
        footers = {file.file.path: file.footer_sha256 for file in self.files}
        if self.counts is None:
            portions = cut_by_rows(self.files, self.names, self.cones.cover)
        else:
            portions = cut_by_counts(self.files, self.names, self.counts)
        for portion in portions:
            yield (
                [[p.name, p.groups, p.first, p.last, footers[p.path]] for p in portion.pieces],
                portion,
            )

    def run(self, spark: SparkSession, folder: RunFolder, process: PassFunction) -> list[Manifest]:
        """Run all tasks that have no valid manifest, and return the manifests of all.

        Raises
        ------
        InputError
            If a mirror file is damaged.
        OutputError
            If there is no space left, or the storage cannot be reached.
        """
        works = self.works()
        if self._is_table:
            return self._run_on_table(spark, folder, process, works)
        function = ReadPortion(self.columns, process)
        return folder.run_step(spark, self.step, self.title, function, works)

    @property
    def _is_table(self) -> bool:
        return any(file.file.in_table for file in self.files)

    def _run_on_table(
        self, spark: SparkSession, folder: RunFolder, process: PassFunction, works: Sequence[Work]
    ) -> list[Manifest]:
        manifests = folder.kept_manifests(self.step, self.title, works, "ranges")
        missing = [work for work in works if work.key not in manifests.manifests]
        with ThreadPoolExecutor(JOBS_AT_ONCE) as pool:
            for _ in pool.map(lambda w: self._search_ranges(spark, folder, process, w), missing):
                manifests.look()
        return [manifests.manifests[work.key] for work in works]

    def _search_ranges(
        self, spark: SparkSession, folder: RunFolder, process: PassFunction, work: Work
    ) -> None:
        started = time.monotonic()
        shipped = ship(spark, (process, folder.root, work.key, self.columns))
        search = _search_rows(shipped, max_attempts(spark))
        rows = [
            row
            for frame in self._rows_of(spark, work.item)
            for row in frame.mapInArrow(search, "result string, fault string").collect()
        ]
        raise_faults([row["fault"] for row in rows])
        results = [json.loads(row["result"]) for row in rows]
        facts: dict[str, int] = {}
        for result in results:
            for name, value in result["facts"].items():
                facts[name] = facts.get(name, 0) + value
        files = [file for result in results for file in result["files"]]
        write_manifest(folder.root, self.step, work, files, time.monotonic() - started, facts)

    def _rows_of(self, spark: SparkSession, ranges: Ranges) -> Iterator[DataFrame]:
        """Yield the rows of some ranges that the process gets."""
        rows = read_rows(spark, ranges.files, self.columns)
        yield rows_near(spark, rows, self.cones.cuts, ranges.cover(self.cones))
        if self.counts_all:
            yield read_places(spark, ranges.files, self.columns)


def _search_rows(
    shipped: Callable[[], Any], attempts: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that a task applies to its partition of a table."""

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        process, root, key, columns = shipped()

        def do(parts: Iterator[SortedSources]) -> str:
            writers = TableWriters(root, f"{key}-{uuid4().hex[:6]}")
            try:
                facts = process(parts, writers)
                files: list[TableFile] = writers.close()
            except BaseException:
                writers.discard()
                raise
            return json.dumps({"facts": dict(facts), "files": [file.as_json() for file in files]})

        result, fault = attempt(do, sort_batches(batches, columns, key), attempts)
        yield pa.RecordBatch.from_pydict(
            {"result": pa.array([result], pa.string()), "fault": pa.array([fault], pa.string())}
        )

    return search


def search_pass(inputs: RunInputs, cones: Cones) -> MirrorPass:
    """Return pass 1 for some cones of a run."""
    return mirror_pass(inputs, "search", "pass 1 (search)", cones, counts_all=True)


def mirror_pass(
    inputs: RunInputs,
    step: str,
    title: str,
    cones: Cones,
    also: Any = None,
    counts: pd.DataFrame | None = None,
    carry: bool = False,
    counts_all: bool = False,
) -> MirrorPass:
    """Return a pass over the files that some cones of a run touch.

    Parameters
    ----------
    inputs : RunInputs
        Inputs of the run.
    step, title, cones, also, counts
        As `MirrorPass` has them. With `counts`, all files of the run are cut by them.
    carry : bool
        Whether columns that candidates only carry over are read, too.
    """
    files, names = inputs.files, inputs.file_names
    if counts is None and len(cones.table) < len(inputs.cones.table):
        touched = set(inputs.mirror.touched_by(cones.cover)) if len(cones.table) else set()
        keep = [number for number, file in enumerate(files) if file.file in touched]
        files, names = [files[n] for n in keep], [names[n] for n in keep]
    columns = inputs.columns_to_carry if carry else inputs.columns
    return MirrorPass(step, title, files, names, columns, cones, also, counts, counts_all)
