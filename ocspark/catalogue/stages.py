"""The steps of a run over stars; each does what is new and leaves alone what is taken over."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.characterise import CELL_TABLE, MODEL_TABLE, SEARCH_TABLE, Characterise
from ocspark.catalogue.dependence import STAGES, carried_digest
from ocspark.catalogue.inputs import RunInputs
from ocspark.catalogue.layout import LayOut
from ocspark.catalogue.membership import PIECES, EvaluateCandidates, count_costs
from ocspark.catalogue.passes import mirror_pass, search_pass
from ocspark.catalogue.posterior import (
    CLAIM_TABLE,
    FIT_TABLE,
    ComputePosterior,
    PosteriorRules,
    posterior_rules,
)
from ocspark.catalogue.reuse import CopyUnchanged, Reuse, plan_copies
from ocspark.catalogue.search import (
    CELL_PIECES,
    COUNT_TABLE,
    FOUND_PIECES,
    LACKING_TABLE,
    FindListed,
)
from ocspark.catalogue.sharing import TOTAL_PIECES, ShareStars, neighbours
from ocspark.catalogue.summary import cluster_rows, count_lacking, table_of
from ocspark.catalogue.works import characterise_works, layout_works, sharing_works
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, expected_device
from ocspark.posterior.settings import PosteriorSettings
from ocspark.selection.listed_members import Listed
from ocspark.selection.model import ClusterModel, models_of_rows
from ocspark.store.files import TableFile
from ocspark.store.folder import RunFolder, Work, empty_table, files_of
from ocspark.store.manifests import Manifest
from ocspark.store.pieces import files_by_cluster, read_clusters
from ocspark.tables.fields import Field
from ocspark.tables.posterior import TOTALS
from ocspark.tables.run import CELLS
from ocspark.tables.run_tables import fields_of

log = logging.getLogger("ocspark")

#: Folders that only serve the steps, and go when the run is finished.
TEMPORARY = (FOUND_PIECES, CELL_PIECES, *PIECES.values(), TOTAL_PIECES, "_tasks")


class RunStages:
    """One execution: the steps share inputs, folder, session and what is taken over.

    Parameters
    ----------
    inputs : RunInputs
    folder : RunFolder
    spark : SparkSession
    reuse : Reuse
    tables : sequence of str
        That the run writes.
    """

    def __init__(
        self,
        inputs: RunInputs,
        folder: RunFolder,
        spark: SparkSession,
        reuse: Reuse,
        tables: Sequence[str],
    ) -> None:
        self._inputs, self._folder, self._spark, self._reuse = inputs, folder, spark, reuse
        self._tables = tables
        self._manifests: dict[str, list[Manifest]] = {}
        self._pieces: list[TableFile] = []
        #: Files of the run's tables.
        self.files: list[TableFile] = []
        #: What sources in the cones lack, by cluster_key.
        self.lacking: dict[int, dict[str, int]] = {}

    def execute(self) -> pd.DataFrame:
        """Do all that is not done; return the clusters table.

        Raises
        ------
        InputError
            If a mirror file is damaged, or a source is in the mirror twice.
        OutputError
            If there is no room, or the storage stays away.
        DamagedFiles
            If files of the earlier run are damaged.
        """
        self._copy_unchanged()
        self._search()
        self._characterise()
        self._evaluate()
        self._lay_out()
        self._share()
        return self._summarise()

    @property
    def portions(self) -> list[dict[str, Any]]:
        """The manifests of all tasks, for run.json."""
        return [
            {"step": step, **manifest, "files": [_without_clusters(f) for f in manifest["files"]]}
            for step, manifests in self._manifests.items()
            for manifest in manifests
        ]

    def _again(self, stage: str) -> list[int]:
        return sorted(self._reuse.redone[stage])

    def _take(self, step: str, manifests: list[Manifest]) -> None:
        """Sort the files that a step wrote into the run's tables and pieces."""
        self._manifests[step] = manifests
        for file in files_of(manifests):
            (self._pieces if file.table in TEMPORARY else self.files).append(file)

    def _copy_unchanged(self) -> None:
        """Take over the rows of unchanged clusters, of all stages."""
        works = [work for s in STAGES for work in plan_copies(self._reuse, s, self._tables)]
        source = self._reuse.base.folder.root if self._reuse.base else ""
        copy = CopyUnchanged(source)
        self._take("kept", self._run_step("kept", "taking over", copy, works, "tasks"))

    def _search(self) -> None:
        """Pass 1: listed members in the cones, and counts."""
        cones = self._inputs.cones.only(self._again("search"))
        if len(cones.table):
            process = FindListed(cones.cuts, cones.cover, Listed(self._inputs.listed()))
            step = search_pass(self._inputs, cones)
            self._take("search", step.run(self._spark, self._folder, process))

    def _characterise(self) -> None:
        """Characterise the clusters once all of pass 1 is done."""
        again = self._again("characterise")
        if not again:
            return
        works = characterise_works(
            self._inputs.along_sky(again),
            set(self._again("search")),
            files_by_cluster(self._pieces, FOUND_PIECES),
            files_by_cluster(self.files, SEARCH_TABLE),
            files_by_cluster(self._pieces, CELL_PIECES),
        )
        do = Characterise(self._folder.root, self._inputs.training_rules())
        manifests = self._run_step("characterise", "characterising", do, works, "tasks", "clusters")
        self._take("characterise", manifests)
        log.info("%d clusters characterised", len(self._models(again)))

    def _run_step(
        self,
        step: str,
        title: str,
        do: Any,
        works: Sequence[Work],
        noun: str,
        counted: str = "rows",
    ) -> list[Manifest]:
        return self._folder.run_step(self._spark, step, title, do, works, noun, counted)

    @cached_property
    def _counts(self) -> pd.DataFrame:
        return self._read(COUNT_TABLE).to_pandas()

    @cached_property
    def _characterised(self) -> dict[int, dict[str, Any]]:
        rows = self._read(MODEL_TABLE).to_pylist()
        return {row["cluster_key"]: row for row in sorted(rows, key=lambda r: r["cluster_key"])}

    def _models(self, keys: Sequence[int]) -> dict[int, ClusterModel]:
        """Return the models of some clusters, where they have one."""
        wanted = set(keys)
        names = {k: name for k, name in self._inputs.cluster_names.items() if k in wanted}
        return models_of_rows(self._characterised.values(), names)

    def _evaluate(self) -> None:
        """Pass 2: candidates and their probabilities."""
        inputs = self._inputs
        models = self._models(self._again("membership"))
        if not models:
            return
        cones = inputs.cones.only(models)
        membership = inputs.settings.membership
        sampling = Sampling(**membership.model_dump(exclude={"device"}))
        evaluation = Evaluation(
            models,
            inputs.network,
            sampling,
            inputs.calibration,
            membership.device,
            tuple(inputs.carried),
        )
        others = inputs.settings.output.non_members
        written = files_of(self._manifests.get("characterise", []))
        also = [
            expected_device(membership.device, self._spark),
            others,
            carried_digest(inputs),
            sorted(file.sha256 for file in written if file.table == MODEL_TABLE),
        ]
        counts = None if inputs.is_table else count_costs(self._counts, models)
        step = mirror_pass(
            inputs, "membership", "pass 2 (membership)", cones, also, counts, carry=True
        )
        process = EvaluateCandidates(cones.cuts, cones.cover, evaluation, others)
        self._take("membership", step.run(self._spark, self._folder, process))

    def _lay_out(self) -> None:
        """Lay the new candidates out by cluster, and compute posteriors."""
        pieces = {
            table: dict(files_by_cluster(self._pieces, name)) for table, name in PIECES.items()
        }
        again = self._again("posterior")
        laid_out = files_by_cluster(self.files, "candidates")
        for key in again:
            if key in laid_out:  # taken over, and only its posterior is not
                pieces["candidates"].setdefault(key, laid_out[key])
        keys = self._inputs.along_sky(set().union(*pieces.values()))
        all_cells = files_by_cluster(self.files, CELL_TABLE)
        cells = {key: all_cells.get(key, []) for key in again if key in pieces["candidates"]}
        works = layout_works(keys, pieces, self._inputs.cluster_names, cells)
        posterior = ComputePosterior(self._folder.root, self._posterior_rules(list(cells)))
        do = LayOut(self._folder.root, tuple(self._inputs.carried), posterior)
        self._take("layout", self._run_step("layout", "by cluster", do, works, "tasks", "stars"))

    @cached_property
    def _posterior_settings(self) -> PosteriorSettings:
        settings = self._inputs.settings
        chosen = settings.posterior.model_dump(exclude={"enabled"})
        return PosteriorSettings(seed=settings.membership.seed, **chosen)

    def _posterior_rules(self, keys: Sequence[int]) -> PosteriorRules:
        inputs = self._inputs
        table = inputs.clusters.table
        return posterior_rules(
            self._posterior_settings if inputs.settings.posterior.enabled else None,
            self._models(keys),
            inputs.cones.table,
            dict(zip(table["cluster_key"].tolist(), table["metallicity"].tolist(), strict=True)),
            inputs.isochrones,
            inputs.release.extinction,
        )

    def _share(self) -> None:
        """Share stars that several clusters claim, and sum up posteriors; of all clusters."""
        found = files_by_cluster(self.files, "candidates")
        candidates = {key: file for key, (file,) in found.items()}
        claims = files_by_cluster(self.files, CLAIM_TABLE)
        with_posterior = [k for k, fit in self._fits.items() if fit["posterior_reason"] is None]
        others = neighbours(self._inputs.cones.only(with_posterior).table)
        keys = self._inputs.along_sky(candidates)
        works = sharing_works(keys, candidates, self._fits, claims, others)
        do = ShareStars(self._folder.root, self._posterior_settings)
        manifests = self._run_step("share", "sharing stars", do, works, "tasks", "stars")
        anew = files_by_cluster(files_of(manifests), "candidates").keys()
        self.files = [
            file
            for file in self.files
            if file.table != "candidates" or not anew & (file.clusters or {}).keys()
        ]
        self._take("share", manifests)

    @cached_property
    def _fits(self) -> dict[int, dict[str, Any]]:
        return {row["cluster_key"]: row for row in self._read(FIT_TABLE).to_pylist()}

    def _summarise(self) -> pd.DataFrame:
        """Write the clusters table, give every table a file, delete files that do not count."""
        counts = {
            key: {"n_candidates": file.rows, **file.counts}
            for file in self.files
            if file.table == "candidates"
            for key in file.clusters or {}
        }
        keys = [int(key) for key in self._inputs.clusters.table["cluster_key"]]
        in_cone = self._counts.groupby("cluster_key")["n_cone"].sum()
        n_cone = dict(zip(in_cone.index.tolist(), in_cone.tolist(), strict=True))
        self.lacking = count_lacking(self._read(LACKING_TABLE))
        totals = {r["cluster_key"]: r for r in self._read(TOTAL_PIECES, TOTALS).to_pylist()}
        posteriors = {key: {**self._fits[key], **total} for key, total in totals.items()}
        rows = cluster_rows(
            self._inputs,
            n_cone,
            self.lacking,
            self._characterised,
            self._models(keys),
            counts,
            posteriors,
            self._sources_in_empty_cones(n_cone),
        )
        for table, of_clusters in (("clusters", rows), ("_cones", self._inputs.cones.table)):
            whole = table_of(of_clusters, fields_of(table))
            self.files.append(self._folder.write_table(table, whole))
        every = [*self._tables, "clusters", "_cones"]
        fields = {table: fields_of(table, self._inputs.carried) for table in every}
        self.files = self._folder.finish_tables(self.files, fields)
        return rows

    def _sources_in_empty_cones(self, n_cone: Mapping[int, int]) -> dict[int, int]:
        """Return how many sources the mirror has in the cones in which none is kept."""
        empty = {int(key) for key in self._inputs.cones.table["cluster_key"]} - n_cone.keys()
        files = files_by_cluster(self.files, CELL_TABLE)
        names = sorted({file.name for key in empty for file in files.get(key, [])})
        cells = read_clusters(self._folder.root, names, empty, CELLS)
        total = cells.group_by("cluster_key").aggregate([("n_sources", "sum")])
        return dict(total.select(["cluster_key", "n_sources_sum"]).to_pandas().to_numpy().tolist())

    def _read(self, table: str, fields: list[Field] | None = None) -> pa.Table:
        """Read a small table of the run, or its pieces, on the driver."""
        empty = empty_table(fields_of(table) if fields is None else fields)

        def read(file: TableFile) -> pa.Table:
            filesystem, inner = storage.resolve(self._folder.path(file.name))
            return storage.retry(lambda: pq.read_table(inner, filesystem=filesystem))

        with ThreadPoolExecutor(8) as pool:
            files = [file for file in (*self.files, *self._pieces) if file.table == table]
            parts = list(pool.map(read, files))
        return pa.concat_tables([empty, *(part.cast(empty.schema) for part in parts)])


def _without_clusters(file: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in file.items() if key != "clusters"}


def rows_by_device(files: Iterable[TableFile]) -> dict[str, int]:
    """Return how many candidates each device evaluated."""
    rows: dict[str, int] = {}
    for file in files:
        if file.table == "candidates" and file.device:
            rows[file.device] = rows.get(file.device, 0) + file.rows
    return rows
