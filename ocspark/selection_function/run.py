"""Measure a selection function: plant twins, find them by the main job, tabulate and draw."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.catalogue.fingerprint import fingerprint_inputs
from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.summary import typed_table
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.mock.clusters import LIST_LIMIT
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.observatory import Observatory
from ocspark.selection_function.by_cluster import describe_twins, expected_clusters
from ocspark.selection_function.count import count_offsets, count_planted, done_clusters
from ocspark.selection_function.figures import (
    check_figure,
    comparison_figure,
    distance_figure,
    selection_figure,
)
from ocspark.selection_function.offsets import OFFSETS, count_offset_cones, search_offsets
from ocspark.selection_function.overlay import (
    OVERLAY,
    TWIN_CLUSTERS,
    TWIN_MEMBERS,
    TWIN_TRUTH,
    PlantTwins,
    plant_twins,
)
from ocspark.selection_function.tabulate import selection_function
from ocspark.selection_function.twins import Planter, Twin, plan_twins
from ocspark.session import get_session
from ocspark.settings import Settings
from ocspark.store.claim import NOTE, Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.store.folder import RunFolder, digest
from ocspark.tables.candidates import EVALUATED
from ocspark.tables.fields import Field
from ocspark.tables.member_rule import POSTERIOR, VOTES
from ocspark.tables.mock import MOCK_TRUTH
from ocspark.tables.selection_function import (
    SELECTION_CLUSTERS,
    SELECTION_COUNTS,
    SELECTION_FUNCTION,
    SELECTION_TWINS,
)

log = logging.getLogger("ocspark")

#: File of a finished selection function, written last.
SUMMARY = "selection_function.json"
#: Raised by one whenever the same inputs give another result.
_FORMAT = 2
_LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class SelectionResult:
    """A finished selection function.

    Attributes
    ----------
    path : str
        Its folder.
    summary : dict
        The content of selection_function.json.
    already_finished : bool
        Whether it had been finished by an earlier call.
    """

    path: str
    summary: dict[str, Any]
    already_finished: bool


def measure_selection_function(
    settings: Settings, output: str, copies: int, seed: int, spark: SparkSession | None = None
) -> SelectionResult:
    """Plant twins of a run's clusters into its mirror, and measure which share of them is found.

    Parameters
    ----------
    settings : Settings
        Settings of the main job, which is run first unless that run is finished.
    output : str
        Folder, which is new, empty or holds an interrupted or finished call with the same inputs.
    copies : int
        Number of twins of each cluster.
    seed : int
        Seed of every random draw for the twins.
    spark : SparkSession, optional
        By default the active session, classic or Connect, or a new one.

    Raises
    ------
    InputError
        For invalid settings or inputs, or a folder with something else in it.
    OutputError
        If the output cannot be written.
    """
    if not 1 <= copies <= 1000:
        raise InputError(f"--copies {copies}: expected 1 to 1000")
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed}: expected 0 to 2^63 - 1")
    if is_table(settings.mirror.path):
        raise InputError(
            f"mirror.path: {settings.mirror.path}: expected a mirror of files to plant into"
        )
    inputs = read_inputs(settings, spark)
    depends = fingerprint_inputs(settings, inputs.release, inputs.network, inputs.files)
    fingerprint = {"run": depends, "copies": copies, "seed": seed, "format": _FORMAT}
    claim = Claim(output, fingerprint, "a selection function")
    claim.check()
    folder = RunFolder(output)
    summary = storage.read_json(folder.path(SUMMARY))
    if summary is not None:
        return SelectionResult(output, summary, True)
    with claim.hold():
        session = spark or get_session("ocspark: selection function", settings.spark.config)
        real = run_full_catalogue(settings, session)
        summary = _Measurement(inputs, real, folder, session).execute(copies, seed)
    return SelectionResult(output, summary, False)


class _Measurement:
    """The steps of a measurement; they share inputs, real run, folder and session."""

    def __init__(
        self, inputs: RunInputs, real: RunResult, folder: RunFolder, spark: SparkSession
    ) -> None:
        self._inputs, self._real, self._folder, self._spark = inputs, real, folder, spark
        self._real_run = FinishedRun(real.path, real.record)
        self._real_clusters = self._real_run.read_arrow("clusters").to_pandas()
        inputs_of_twins = storage.read_json(folder.path(NOTE))
        self._depends_on = digest([inputs_of_twins, real.record["run_id"]])

    def execute(self, copies: int, seed: int) -> dict[str, Any]:
        """Run all steps; return the summary."""
        twins = self._plan(copies, seed)
        self._plant(twins, seed)
        made = run_full_catalogue(
            self._settings_of_twins(), self._spark, self._folder.path(OVERLAY)
        )
        found = FinishedRun(made.path, made.record)
        search_offsets(
            self._spark, self._inputs, self._real_run, twins, self._folder, self._depends_on
        )
        table = self._describe(twins, found)
        done = table[table["status"] == "done"].reset_index(drop=True)
        if done.empty:
            raise InputError(
                f"clusters: none of {len(table)} twins could be processed; the first one's "
                f"reason: {table['reason'].iloc[0]}"
            )
        counts = self._count(found, done)
        curves = selection_function(counts, done)
        clusters = expected_clusters(counts, done, self._real_clusters)
        thin = (clusters["n_twins"] > 0) & clusters["contamination_p10"].isna()
        if thin.any():
            log.warning(
                "the mirror has far fewer sources about the twins of %d of %d clusters than about "
                "the clusters (does it cover a part of the sky only?): the contamination of these "
                "clusters is left empty, and contamination by bin is too low",
                int(thin.sum()),
                int((clusters["n_twins"] > 0).sum()),
            )
        self._write("twins", table, SELECTION_TWINS)
        self._write("selection_function", curves, SELECTION_FUNCTION)
        self._write("clusters", clusters, SELECTION_CLUSTERS)
        pictures = {
            "votes_and_posterior": comparison_figure(curves),
            "contamination_check": check_figure(counts, done, curves),
        }
        for by in (VOTES, POSTERIOR):
            own = curves[curves["by"] == by]
            if own["value"].isna().all():
                continue  # no twin has a posterior
            pictures[f"selection_function_{by}"] = selection_figure(own)
            pictures[f"completeness_by_distance_{by}"] = distance_figure(own)
        storage.make_directory(self._folder.path("figures"))
        for name, picture in pictures.items():
            storage.write_file(self._folder.path("figures", f"{name}.png"), picture)
        summary = {
            "run_id": self._real.record["run_id"],
            "run": self._real.path,
            "run_with_twins": found.path,
            "copies": copies,
            "seed": seed,
            "clusters": int((self._real_clusters["status"] == "done").sum()),
            "twins": len(table),
            "twins_done": len(done),
            "twins_with_posterior": int(done["expected_members"].notna().sum()),
            "planted": int(done["n_planted"].sum()),
            "overall": _overall(curves),
        }
        storage.write_file(self._folder.path(SUMMARY), json.dumps(summary, indent=1) + "\n")
        return summary

    def _plan(self, copies: int, seed: int) -> list[Twin]:
        """Return the twins of all clusters that are done."""
        names = ["cluster", "radius_deg", "n_training_members", "training_probability"]
        done = self._real_clusters.loc[self._real_clusters["status"] == "done", names]
        if done.empty:
            raise InputError(
                f"clusters: {self._real.path}: no cluster is done, so none has a twin; the first "
                f"one's reason: {self._real_clusters['reason'].iloc[0]}"
            )
        rows = self._inputs.clusters.table.merge(done, on="cluster", validate="1:1")
        twins = plan_twins(rows, self._inputs.isochrones.ages(), copies, seed)
        log.info("%d twins of %d clusters", len(twins), len(rows))
        return twins

    def _plant(self, twins: Sequence[Twin], seed: int) -> None:
        """Write the overlay, and the cluster table and member list of the twins."""
        ages = {twin.cluster.log_age for twin in twins}
        planter = Planter(
            twins=twins,
            isochrones={age: self._inputs.isochrones.at(age).points for age in ages},
            extinction=ExtinctionGrid.build(),
            observatory=Observatory.from_release(self._inputs.release),
            seed=seed,
        )
        mirror = self._inputs.files[0]
        plant = PlantTwins(planter, self._inputs.columns, mirror.types, mirror.healpix_column)
        plant_twins(self._spark, self._folder, plant, self._depends_on)

    def _settings_of_twins(self) -> Settings:
        """Return the settings of the main job for the twins."""
        tree = self._inputs.settings.model_dump()
        tree["clusters"] = {"path": self._folder.path(TWIN_CLUSTERS)}
        tree["members"] |= {"path": self._folder.path(TWIN_MEMBERS), "columns": {}}
        tree["members"]["neighbourhood"] = None
        tree["output"] |= {"path": self._folder.path("runs"), "run_id": None}
        tree["output"] |= {"work": None, "base": None, "columns": []}
        return Settings.model_validate(tree)

    def _describe(self, twins: Sequence[Twin], found: FinishedRun) -> pd.DataFrame:
        """Return the `SELECTION_TWINS` table."""
        stars = self._read(TWIN_TRUTH, MOCK_TRUTH).groupBy("cluster")
        bright = F.count_if(F.col("phot_g_mean_mag") < LIST_LIMIT)
        planted = stars.agg(F.count("*").alias("n_planted"), bright.alias("richness"))
        run = found.read_arrow("clusters").to_pandas()
        in_cone = count_offset_cones(self._folder)
        return describe_twins(twins, run, planted.toPandas(), in_cone)  # a row per twin

    def _count(self, found: FinishedRun, done: pd.DataFrame) -> pd.DataFrame:
        """Count the stars of twins that are done, writing and returning the counts."""
        candidates = found.read(self._spark, "candidates")
        twins = done_clusters(self._spark, done)
        counts = count_planted(candidates, self._read(TWIN_TRUTH, MOCK_TRUTH), twins)
        counts = counts.unionByName(count_offsets(self._read(OFFSETS, EVALUATED)))
        cells = [field.name for field in SELECTION_COUNTS if field.name != "n"]
        table = counts.toPandas().sort_values(cells, ignore_index=True)
        self._write("counts", table, SELECTION_COUNTS)
        return table

    def _read(self, table: str, fields: list[Field]) -> DataFrame:
        """Return a table of the folder."""
        return self._folder.read(self._spark, table, fields)

    def _write(self, table: str, rows: pd.DataFrame, fields: list[Field]) -> None:
        """Write a small table, replacing what an earlier attempt wrote."""
        file = self._folder.write_table(table, typed_table(rows, fields))
        self._folder.delete_unlisted_files([file], [table])


def _overall(curves: pd.DataFrame) -> dict[str, Any]:
    """Return the estimates over all twins by method, level and quantity."""
    every = curves[(curves["axis"] == "all") & curves["probability"].isin(_LEVELS)]
    overall: dict[str, Any] = {}
    for row in every.to_dict("records"):
        levels = overall.setdefault(row["by"], {})
        levels.setdefault(f"{row['probability']:g}", {})[row["quantity"]] = {
            name: None if pd.isna(row[name]) else row[name]
            for name in ("n", "k", "value", "low", "high")
        }
    return overall
