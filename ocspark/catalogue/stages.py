"""Run the steps of a run in order, for the clusters that are not copied from an earlier run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

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
from ocspark.catalogue.step_files import StepFiles
from ocspark.catalogue.summary import count_lacking, summarise_clusters, typed_table
from ocspark.catalogue.works import characterise_works, layout_works, sharing_works
from ocspark.membership.engine import Sampling
from ocspark.membership.evaluate import Evaluation, expected_device
from ocspark.posterior.settings import PosteriorSettings
from ocspark.selection.listed_members import MemberLookup
from ocspark.selection.model import ClusterModel, models_of_rows
from ocspark.store.folder import RunFolder, Work
from ocspark.store.pieces import read_rows_of_clusters
from ocspark.tables.posterior import TOTALS
from ocspark.tables.run import CELLS
from ocspark.tables.run_tables import fields_of

log = logging.getLogger("ocspark")


class RunStages:
    """The steps of one run.

    Parameters
    ----------
    inputs : RunInputs
        Inputs of the run.
    folder : RunFolder
        Its directory.
    spark : SparkSession
        Session that runs the steps.
    reuse : Reuse
        Which clusters are copied from an earlier run.
    tables : sequence of str
        Tables that the run writes.
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
        #: Files that the steps have written so far.
        self.files = StepFiles(folder)
        #: Numbers of sources in each cone by missing value.
        self.lacking: dict[int, dict[str, int]] = {}

    def execute(self) -> pd.DataFrame:
        """Run the steps, skipping tasks that are done, and return the clusters table.

        Raises
        ------
        InputError
            If a mirror file is damaged, or a source is in the mirror twice.
        OutputError
            If there is no space left, or the storage cannot be reached.
        DamagedFiles
            If files of the earlier run have changed since it wrote them.
        """
        self._copy_unchanged()
        self._search()
        self._characterise()
        self._evaluate()
        self._lay_out()
        self._share()
        return self._summarise()

    def _redone(self, stage: str) -> list[int]:
        return sorted(self._reuse.redone[stage])

    def _copy_unchanged(self) -> None:
        """Copy the rows of unchanged clusters, of all stages."""
        works = [work for s in STAGES for work in plan_copies(self._reuse, s, self._tables)]
        source = self._reuse.base.folder.root if self._reuse.base else ""
        copy = CopyUnchanged(source)
        self._run_step("kept", "copying unchanged clusters", copy, works)

    def _search(self) -> None:
        """Run pass 1: find listed members in the cones, and count sources."""
        cones = self._inputs.cones.only(self._redone("search"))
        if len(cones.table):
            process = FindListed(
                cones.cuts, cones.cover, MemberLookup(self._inputs.possible_members())
            )
            step = search_pass(self._inputs, cones)
            self.files.add("search", step.run(self._spark, self._folder, process))

    def _characterise(self) -> None:
        """Characterise the clusters once all of pass 1 is done."""
        redone = self._redone("characterise")
        if not redone:
            return
        works = characterise_works(
            self._inputs.along_sky(redone),
            set(self._redone("search")),
            self.files.by_cluster(FOUND_PIECES),
            self.files.by_cluster(SEARCH_TABLE),
            self.files.by_cluster(CELL_PIECES),
        )
        do = Characterise(self._folder.root, self._inputs.training_rules())
        self._run_step("characterise", "characterising", do, works, "clusters")
        log.info("%d clusters characterised", len(self._models(redone)))

    def _run_step(
        self, step: str, title: str, do: Any, works: Sequence[Work], counted: str = "rows"
    ) -> None:
        """Run those tasks of a step that are not done yet, and add their files."""
        folder = self._folder
        manifests = folder.run_step(self._spark, step, title, do, works, "tasks", counted)
        self.files.add(step, manifests)

    @cached_property
    def _counts(self) -> pd.DataFrame:
        return self.files.read(COUNT_TABLE).to_pandas()

    @cached_property
    def _characterised(self) -> dict[int, dict[str, Any]]:
        rows = self.files.read(MODEL_TABLE).to_pylist()
        return {row["cluster_key"]: row for row in sorted(rows, key=lambda r: r["cluster_key"])}

    def _models(self, keys: Sequence[int]) -> dict[int, ClusterModel]:
        """Return the models of some clusters, where they have one."""
        wanted = set(keys)
        names = {k: name for k, name in self._inputs.cluster_names.items() if k in wanted}
        return models_of_rows(self._characterised.values(), names)

    def _evaluate(self) -> None:
        """Run pass 2: select candidates and compute their probabilities."""
        inputs = self._inputs
        models = self._models(self._redone("membership"))
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
        characterised = self.files.written_by("characterise")
        also = [
            expected_device(membership.device, self._spark),
            others,
            carried_digest(inputs),
            sorted(file.sha256 for file in characterised if file.table == MODEL_TABLE),
        ]
        counts = None if inputs.is_table else count_costs(self._counts, models)
        step = mirror_pass(
            inputs, "membership", "pass 2 (membership)", cones, also, counts, carry=True
        )
        process = EvaluateCandidates(cones.cuts, cones.cover, evaluation, others)
        self.files.add("membership", step.run(self._spark, self._folder, process))

    def _lay_out(self) -> None:
        """Write new candidates by cluster, and compute posteriors."""
        pieces = {table: self.files.by_cluster(name) for table, name in PIECES.items()}
        redone = self._redone("posterior")
        laid_out = self.files.by_cluster("candidates")
        for key in redone:
            if key in laid_out:  # copied, and only its posterior is new
                pieces["candidates"].setdefault(key, laid_out[key])
        keys = self._inputs.along_sky(set().union(*pieces.values()))
        all_cells = self.files.by_cluster(CELL_TABLE)
        cells = {key: all_cells.get(key, []) for key in redone if key in pieces["candidates"]}
        works = layout_works(keys, pieces, self._inputs.cluster_names, cells)
        posterior = ComputePosterior(self._folder.root, self._posterior_rules(list(cells)))
        do = LayOut(self._folder.root, tuple(self._inputs.carried), posterior)
        self._run_step("layout", "by cluster", do, works, "stars")

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
        """Share stars that several clusters claim, and sum up posteriors, for all clusters."""
        found = self.files.by_cluster("candidates")
        candidates = {key: file for key, (file,) in found.items()}
        claims = self.files.by_cluster(CLAIM_TABLE)
        with_posterior = [k for k, fit in self._fits.items() if fit["posterior_reason"] is None]
        others = neighbours(self._inputs.cones.only(with_posterior).table)
        keys = self._inputs.along_sky(candidates)
        works = sharing_works(keys, candidates, self._fits, claims, others)
        do = ShareStars(self._folder.root, self._posterior_settings)
        self._run_step("share", "sharing stars", do, works, "stars")

    @cached_property
    def _fits(self) -> dict[int, dict[str, Any]]:
        return {row["cluster_key"]: row for row in self.files.read(FIT_TABLE).to_pylist()}

    def _summarise(self) -> pd.DataFrame:
        """Write the clusters table; give every table a file; delete files of no manifest."""
        counts = {
            key: {"n_candidates": file.rows, **file.counts}
            for file in self.files.tables
            if file.table == "candidates"
            for key in file.clusters or {}
        }
        keys = [int(key) for key in self._inputs.clusters.table["cluster_key"]]
        in_cone = self._counts.groupby("cluster_key")["n_cone"].sum()
        n_cone = dict(zip(in_cone.index.tolist(), in_cone.tolist(), strict=True))
        self.lacking = count_lacking(self.files.read(LACKING_TABLE))
        totals = {r["cluster_key"]: r for r in self.files.read(TOTAL_PIECES, TOTALS).to_pylist()}
        posteriors = {key: {**self._fits[key], **total} for key, total in totals.items()}
        rows = summarise_clusters(
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
            whole = typed_table(of_clusters, fields_of(table))
            self.files.tables.append(self._folder.write_table(table, whole))
        every = [*self._tables, "clusters", "_cones"]
        fields = {table: fields_of(table, self._inputs.carried) for table in every}
        self.files.tables = self._folder.finish_tables(self.files.tables, fields)
        return rows

    def _sources_in_empty_cones(self, n_cone: Mapping[int, int]) -> dict[int, int]:
        """Return the number of sources in the cones of which none is kept, by cluster_key."""
        empty = {int(key) for key in self._inputs.cones.table["cluster_key"]} - n_cone.keys()
        files = self.files.by_cluster(CELL_TABLE)
        names = sorted({file.name for key in empty for file in files.get(key, [])})
        cells = read_rows_of_clusters(self._folder.root, names, empty, CELLS)
        total = cells.group_by("cluster_key").aggregate([("n_sources", "sum")])
        return dict(total.select(["cluster_key", "n_sources_sum"]).to_pandas().to_numpy().tolist())
