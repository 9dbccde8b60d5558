"""Make a training set from a mirror, a cluster table and a member list with Spark (paper §3.2)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.characterise import MODEL_TABLE, TRAINING_TABLE, Characterise
from ocspark.catalogue.fingerprint import fingerprint_inputs
from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.passes import MirrorPass, PassFunction
from ocspark.catalogue.search import CELL_PIECES, COUNT_TABLE, FOUND_PIECES, FindListed
from ocspark.catalogue.summary import typed_table
from ocspark.catalogue.works import characterise_works
from ocspark.errors import InputError
from ocspark.selection.cones import Cones
from ocspark.selection.listed_members import MemberLookup
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.session import get_session
from ocspark.store.claim import Claim
from ocspark.store.files import TableFile
from ocspark.store.folder import TASKS, RunFolder, files_of
from ocspark.store.pieces import files_by_cluster
from ocspark.tables.characterised import MODELS
from ocspark.tables.run import COUNTS
from ocspark.tables.training import (
    TRAINING_CLUSTERS,
    TRAINING_INSTANCES,
    TRAINING_SELECTED,
    TRAINING_SUMS,
)
from ocspark.training.instances import choose_validation
from ocspark.training.training_inputs import choose_clusters, data_card, test_cluster_names
from ocspark.training.training_set import CARD, CLUSTERS, INSTANCES, standardisation
from ocspark.training.training_settings import InstanceSettings, TrainingSettings
from ocspark.training.training_stars import SELECTED_TABLE, SUMS_TABLE, Selection, moments
from ocspark.training.training_tasks import DrawInstances, SelectStars, draw_works, pair_costs

log = logging.getLogger("ocspark")

#: Folders that only the steps use, removed once the set is finished.
_TEMPORARY = (
    FOUND_PIECES,
    CELL_PIECES,
    COUNT_TABLE,
    MODEL_TABLE,
    TRAINING_TABLE,
    SELECTED_TABLE,
    SUMS_TABLE,
    TASKS,
)


def make_training_set(
    settings: TrainingSettings, output: str, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Make a training set, or continue an interrupted one.

    Parameters
    ----------
    settings : TrainingSettings
        Settings with mirror, clusters and members.
    output : str
        Folder that gets the tables `TRAINING_INSTANCES` and `TRAINING_CLUSTERS` and the data card.
    spark : SparkSession, optional
        By default the active session, or a new one.

    Returns
    -------
    dict
        The data card.

    Raises
    ------
    InputError
        For invalid settings or inputs, or too few clusters for a validation set.
    OutputError
        If the output cannot be written.
    """
    table, run_settings = choose_clusters(settings)
    inputs = read_inputs(run_settings)
    fingerprint = _fingerprint(settings, inputs)
    run = RunFolder(output)
    with Claim(output, fingerprint, "a training set").hold():
        if storage.read_json(run.path(CARD)) is None:
            session = spark or get_session("ocspark: training set", settings.spark.config)
            card = _Maker(settings, inputs, table, run, session).make(fingerprint)
            storage.write_file(run.path(CARD), json.dumps(card, indent=1))
        for folder in _TEMPORARY:
            storage.remove_directory(run.path(folder))
        return dict(storage.read_json(run.path(CARD)))


def _fingerprint(settings: TrainingSettings, inputs: RunInputs) -> dict[str, Any]:
    """Return everything that determines the set; another set in the folder is refused."""
    whole = fingerprint_inputs(inputs.settings, inputs.release, inputs.network, inputs.files)
    read = ("clusters", "members", "neighbourhood", "isochrones", "mirror")
    chosen = {part: whole[part] for part in (*read, "release", "magnitude_errors")}
    used = {name: whole["settings"][name] for name in ("members", "isochrones", "search")}
    instances = settings.instances.model_dump(mode="json")
    instances["test_clusters"] = sorted(test_cluster_names(settings.instances))
    return dict(json.loads(json.dumps({**chosen, "settings": used, "instances": instances})))


class _Maker:
    """The steps that make a set; they share inputs, folder and session."""

    def __init__(
        self,
        settings: TrainingSettings,
        inputs: RunInputs,
        table: pd.DataFrame,
        run: RunFolder,
        spark: SparkSession,
    ) -> None:
        self._rules: InstanceSettings = settings.instances
        self._inputs, self._table, self._run, self._spark = inputs, table, run, spark
        self._min_members = inputs.settings.members.min_members

    def make(self, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        """Run all steps; return the data card."""
        found = self._search()
        written = self._characterise(found)
        reasons, models = self._read_models()
        selected = self._select(models, sorted(file.sha256 for file in written))
        clusters, sums = self._outcome(reasons, models)
        chosen = clusters[clusters["split"] != ""]
        self._draw([int(key) for key in chosen["cluster_key"]], selected)
        table = self._run.write_table(CLUSTERS, typed_table(clusters, TRAINING_CLUSTERS))
        self._run.delete_unlisted_files([table], [CLUSTERS])
        means, variances = moments(
            chosen["n_cone"].to_numpy(dtype=np.int64),
            np.stack([sums[key] for key in chosen["cluster_key"]]),
        )
        constants = standardisation(
            means, variances, chosen[["a0", "log_age", "parallax"]].to_numpy(dtype=float)
        )
        card = data_card(clusters, self._rules)
        return card | {"standardisation": constants.as_dict(), "inputs": fingerprint}

    def _pass(
        self, step: str, title: str, cones: Cones, process: PassFunction, **further: Any
    ) -> list[TableFile]:
        """Run a pass over the mirror; return the files that it wrote."""
        inputs = self._inputs
        files, names, columns = inputs.files, inputs.file_names, inputs.columns
        whole = MirrorPass(step, title, files, names, columns, cones, **further)
        return files_of(whole.run(self._spark, self._run, process))

    def _search(self) -> list[TableFile]:
        """Find the listed members in the cones, and count sources; return the files."""
        cones = self._inputs.cones
        process = FindListed(cones.cuts, cones.cover, MemberLookup(self._inputs.possible_members()))
        found = self._pass("search", "training set 1 (search)", cones, process)
        self._run.finish_tables(found, {COUNT_TABLE: COUNTS})
        return found

    def _characterise(self, found: Sequence[TableFile]) -> list[TableFile]:
        """Characterise the clusters; return the files of their models."""
        keys = self._inputs.along_sky(self._inputs.cones.table["cluster_key"].tolist())
        pieces = files_by_cluster(found, FOUND_PIECES)
        works = characterise_works(keys, (), {}, pieces, {})
        do = Characterise(self._run.root, self._inputs.training_rules())
        manifests = self._run.run_step(
            self._spark, "characterise", "characterising", do, works, "tasks", "clusters"
        )
        return self._run.finish_tables(files_of(manifests), {MODEL_TABLE: MODELS})

    def _read_models(self) -> tuple[dict[int, str], dict[int, ClusterModel]]:
        """Return the reasons why clusters are left out, and the models of the others."""
        names = self._inputs.cluster_names
        reasons, models = dict(self._inputs.skipped), {}
        for row in self._run.read_arrow(MODEL_TABLE).to_pylist():
            key = row["cluster_key"]
            if row["reason"] is not None:
                reasons[key] = row["reason"]
            elif len(row["support_id"]) < self._min_members:
                reasons[key] = (
                    f"{len(row['support_id'])} members pass the candidate conditions, of "
                    f"{row['n_training_members']} in the cone; needs {self._min_members}"
                )
            else:
                models[key] = model_from_row(row, names[key])
        log.info("%d clusters characterised for training", len(models))
        return reasons, models

    def _select(self, models: Mapping[int, ClusterModel], of_models: list[str]) -> list[TableFile]:
        """Select members and non-members in a second pass; return the files.

        Checksums of the models' files, `of_models`, are part of what the step depends on.
        """
        per_member = self._rules.duplicates * self._rules.non_members_per_instance
        selection = Selection(models, self._inputs.calibration, self._rules.seed, per_member)
        cones = self._inputs.cones.only(models)
        counts = None
        if not self._inputs.is_table:
            counts = pair_costs(self._run.read_arrow(COUNT_TABLE).to_pandas(), models)
        process = SelectStars(cones, selection)
        selected = self._pass(
            "stars", "training set 2 (stars)", cones, process, also=of_models, counts=counts
        )
        tables = {SELECTED_TABLE: TRAINING_SELECTED, SUMS_TABLE: TRAINING_SUMS}
        return self._run.finish_tables(selected, tables)

    def _outcome(
        self, reasons: Mapping[int, str], models: Mapping[int, ClusterModel]
    ) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
        """Return the table of all clusters with split, and the fixed-point sums by cluster."""
        counts = ["n_cone", "n_candidates", "n_non_members"]
        tally = self._run.read_arrow(SUMS_TABLE).to_pandas().groupby("cluster_key")
        totals = tally[counts].sum()
        sums = {int(key): np.stack(own.to_list()).sum(axis=0) for key, own in tally["sums"]}
        table = self._table.copy()
        keys = table["cluster_key"]
        for name in counts:
            table[name] = keys.map(totals[name]).fillna(0).astype(np.int64)
        table["n_members"] = [len(models[k].support_id) if k in models else 0 for k in keys]
        table["parallax"] = [models[k].parallax if k in models else np.nan for k in keys]
        final = []
        for key, early, n_others in zip(keys, table["reason"], table["n_non_members"], strict=True):
            if early or key in reasons:
                final.append(early or reasons[key])
            elif key not in models:
                final.append("no listed member in the cone")
            else:
                final.append("" if n_others else "no non-members in the cone")
        table["reason"] = final
        usable = (table["reason"] == "").to_numpy()
        validation = choose_validation(
            self._rules.seed, keys.to_numpy()[usable], self._rules.validation_fraction
        )
        if not validation.any():
            raise InputError(
                f"clusters: {usable.sum()} clusters are left for training; "
                f"instances.validation_fraction {self._rules.validation_fraction:g} of them is "
                "less than one"
            )
        table["split"] = ""
        table.loc[usable, "split"] = np.where(validation, "validation", "training")
        table = table.sort_values("cluster_key")[[f.name for f in TRAINING_CLUSTERS]]
        return table, sums

    def _draw(self, keys: Sequence[int], selected: Sequence[TableFile]) -> None:
        """Draw the instances of the chosen clusters from the selected stars."""
        works = draw_works(keys, files_by_cluster(selected, SELECTED_TABLE))
        do = DrawInstances(self._run.root, self._inputs.cluster_names, self._rules)
        manifests = self._run.run_step(
            self._spark, "draw", "drawing instances", do, works, "tasks", "clusters"
        )
        self._run.finish_tables(files_of(manifests), {INSTANCES: TRAINING_INSTANCES})
