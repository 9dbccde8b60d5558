"""The paper's training set from a mirror, a cluster table and a member list (§3.2), distributed."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.catalogue.fingerprint import fingerprint_inputs
from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.passes import land_small, search_pass
from ocspark.deepsets.training_set import CARD, CLUSTERS, INSTANCES, standardisation
from ocspark.deepsets.training_settings import InstanceSettings, TrainingSettings
from ocspark.deepsets.weights import SOURCE_FEATURES
from ocspark.errors import InputError
from ocspark.membership.instances import choose_validation, draw_instances
from ocspark.mirror.layout import group_by_rows
from ocspark.runs.training_inputs import choose_clusters, data_card, test_cluster_names
from ocspark.selection.arrow import to_batch
from ocspark.selection.characterise_clusters import characterise_clusters
from ocspark.selection.cone import Cones, Process
from ocspark.selection.listed_members import Listed, find_training_members
from ocspark.selection.model import ClusterModel, model_from_row
from ocspark.selection.training_stars import Selection, moments, select_training_stars
from ocspark.session import get_session, ship
from ocspark.store.folder import RunDirectory
from ocspark.store.lock import hold_lock
from ocspark.tables.fields import struct
from ocspark.tables.run import SEARCH
from ocspark.tables.training import TRAINING_CLUSTERS, TRAINING_INSTANCES, TRAINING_SELECTED

log = logging.getLogger("ocspark")


def make_training_set(
    settings: TrainingSettings, output: str, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Make a training set, or go on with one that was interrupted.

    Parameters
    ----------
    settings : TrainingSettings
        With mirror, clusters and members.
    output : str
        Folder for the tables `TRAINING_INSTANCES` and `TRAINING_CLUSTERS` and the data card.
    spark : SparkSession, optional

    Returns
    -------
    dict
        The data card.

    Raises
    ------
    InputError
        For anything wrong with settings or inputs, or too few clusters for a validation set.
    """
    table, run_settings = choose_clusters(settings)
    inputs = read_inputs(run_settings)
    fingerprint = _fingerprint(settings, inputs)
    run = RunDirectory(output)
    storage.make_directory(output)
    with hold_lock(run.path("_lock")):
        claim = run.path("_inputs.json")
        if storage.exists(claim) and json.loads(storage.read_text(claim)) != fingerprint:
            raise InputError(
                f"{output}: holds a training set of other inputs or settings; expected another "
                "folder"
            )
        if storage.exists(run.path(CARD)):
            return dict(json.loads(storage.read_text(run.path(CARD))))
        storage.write_file(claim, json.dumps(fingerprint, indent=1))
        session = spark or get_session("ocspark: training set", settings.spark.config)
        return _Maker(settings, inputs, table, run, session).make(fingerprint)


def _fingerprint(settings: TrainingSettings, inputs: RunInputs) -> dict[str, Any]:
    whole = fingerprint_inputs(inputs.settings, inputs.release, inputs.network, inputs.files)
    read = ("clusters", "members", "neighbourhood", "isochrones", "mirror")
    chosen = {part: whole[part] for part in (*read, "release", "magnitude_errors")}
    used = {name: whole["settings"][name] for name in ("members", "isochrones", "search")}
    instances = settings.instances.model_dump(mode="json")
    instances["test_clusters"] = sorted(test_cluster_names(settings.instances))
    return dict(json.loads(json.dumps({**chosen, "settings": used, "instances": instances})))


class _Maker:
    """The steps share inputs, folder and session."""

    def __init__(
        self,
        settings: TrainingSettings,
        inputs: RunInputs,
        table: pd.DataFrame,
        run: RunDirectory,
        spark: SparkSession,
    ) -> None:
        self._rules: InstanceSettings = settings.instances
        self._inputs, self._table, self._run, self._spark = inputs, table, run, spark
        self._min_members = inputs.settings.members.min_members
        self._units = group_by_rows(inputs.files, settings.spark.rows_per_unit)

    def make(self, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
        self._search()
        reasons, models = self._characterise()
        self._select(models)
        clusters, sums = self._outcome(reasons, models)
        chosen = clusters[clusters["split"] != ""]
        self._draw([int(key) for key in chosen["cluster_key"]])
        table = self._spark.createDataFrame(
            pa.Table.from_pandas(clusters, preserve_index=False), struct(TRAINING_CLUSTERS)
        )
        land_small(self._run, "clusters", CLUSTERS, lambda: table.coalesce(1))
        means, variances = moments(
            chosen["n_cone"].to_numpy(dtype=np.int64),
            np.stack([sums[key] for key in chosen["cluster_key"]]),
        )
        constants = standardisation(
            means, variances, chosen[["a0", "log_age", "parallax"]].to_numpy(dtype=float)
        )
        card = data_card(clusters, self._rules)
        card |= {"standardisation": constants.as_dict(), "inputs": fingerprint}
        storage.remove_directory(self._run.path("_staging"))
        storage.write_file(self._run.path(CARD), json.dumps(card, indent=1))
        return card

    def _search(self) -> None:
        process = find_training_members(self._spark, Listed(self._inputs.listed()))
        self._pass("training set 1 (search)", "search", self._inputs.cones, process, "_search")

    def _pass(self, title: str, unit: str, cones: Cones, process: Process, table: str) -> None:
        units = {f"{unit}-{number:05d}": files for number, files in enumerate(self._units)}
        columns = self._inputs.release.columns
        search_pass(self._spark, self._run, title, units, columns, cones, process, [table])

    def _characterise(self) -> tuple[dict[int, str], dict[int, ClusterModel]]:
        """Return why clusters are left out, and the models of the others."""
        found = self._run.read(self._spark, "_search", SEARCH).where("source_id is not null")
        rules = self._inputs.training_rules()
        land_small(
            self._run, "models", "_models", lambda: characterise_clusters(self._spark, found, rules)
        )
        reasons, models = dict(self._inputs.skipped), {}
        for row in self._run.read_arrow("_models").to_pylist():
            key = row["cluster_key"]
            if row["reason"] is not None:
                reasons[key] = row["reason"]
            elif len(row["support_id"]) < self._min_members:
                reasons[key] = (
                    f"{len(row['support_id'])} members pass the candidate conditions, of "
                    f"{row['n_training_members']} in the cone; needs {self._min_members}"
                )
            else:
                models[key] = model_from_row(row, rules.clusters[key]["cluster"])
        log.info("%d clusters characterised for training", len(models))
        return reasons, models

    def _select(self, models: Mapping[int, ClusterModel]) -> None:
        per_member = self._rules.duplicates * self._rules.non_members_per_instance
        selection = Selection(models, self._inputs.calibration, self._rules.seed, per_member)
        cones = self._inputs.cones.only(models)
        process = select_training_stars(self._spark, selection)
        self._pass("training set 2 (stars)", "stars", cones, process, "_selected")

    def _outcome(
        self, reasons: Mapping[int, str], models: Mapping[int, ClusterModel]
    ) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
        """Return the table of all clusters, split and all, and the fixed-point sums by cluster."""
        counts = ("n_cone", "n_candidates", "n_non_members")
        tally = (
            self._run.read(self._spark, "_selected", TRAINING_SELECTED)
            .where("source_id is null")
            .groupBy("cluster_key")
            .agg(
                *[F.sum(c).alias(c) for c in counts], *[F.sum(F.col("sums")[i]) for i in range(10)]
            )
        )
        rows = {int(row[0]): row for row in tally.collect()}  # one a cluster
        sums = {key: np.array(row[4:], dtype=np.int64) for key, row in rows.items()}
        table = self._table.copy()
        keys = table["cluster_key"]
        for i, name in enumerate(counts):
            table[name] = [int(rows[k][1 + i]) if k in rows else 0 for k in keys]
        table["n_members"] = [len(models[k].support_id) if k in models else 0 for k in keys]
        table["parallax"] = [models[k].parallax if k in models else np.nan for k in keys]
        late = []
        for key, early, n_others in zip(keys, table["reason"], table["n_non_members"], strict=True):
            if early or key in reasons:
                late.append(early or reasons[key])
            elif key not in models:
                late.append("no listed member in the cone")
            else:
                late.append("" if n_others else "no non-members in the cone")
        table["reason"] = late
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

    def _draw(self, keys: list[int]) -> None:
        rules = self._rules.model_dump(
            include={"seed", "duplicates", "non_members_per_instance", "support_size"}
        )
        names = dict(zip(self._table["cluster_key"], self._table["cluster"], strict=True))
        shipped = ship(self._spark, (rules, {key: names[key] for key in keys}))

        def draw(stars: pa.Table) -> pa.Table:
            how, named = shipped()
            return _draw_cluster(stars, how, named)

        stars = self._run.read(self._spark, "_selected", TRAINING_SELECTED)
        wanted = stars.where("source_id is not null").where(F.col("cluster_key").isin(keys))
        drawn = wanted.groupBy("cluster_key").applyInArrow(draw, struct(TRAINING_INSTANCES))
        land_small(self._run, "instances", INSTANCES, lambda: drawn)


def _draw_cluster(stars: pa.Table, rules: Mapping[str, int], names: Mapping[int, str]) -> pa.Table:
    """Return the instances of one cluster from all its selected stars."""
    key = int(stars["cluster_key"][0].as_py())
    stars = stars.sort_by("source_id")
    member = stars["is_member"].to_numpy()
    source_id = stars["source_id"].to_numpy()
    rows = (np.flatnonzero(member), np.flatnonzero(~member))
    drawn = draw_instances(
        rules["seed"],
        key,
        source_id[rows[0]],
        source_id[rows[1]],
        duplicates=rules["duplicates"],
        non_members_per_instance=rules["non_members_per_instance"],
        support_size=rules["support_size"],
    )
    n = int(drawn.is_member.sum())
    row = np.concatenate((rows[0][drawn.star[:n]], rows[1][drawn.star[n:]]))
    columns = {name: stars[name].to_numpy()[row] for name in SOURCE_FEATURES}
    support = np.empty(len(row), dtype=object)
    support[:] = list(drawn.support)
    columns |= {
        "cluster_key": np.full(len(row), key, dtype=np.int64),
        "cluster": np.full(len(row), names[key], dtype=object),
        "source_id": source_id[row],
        "copy": drawn.copy,
        "is_member": drawn.is_member,
        "support": support,
    }
    return pa.Table.from_batches([to_batch(columns, TRAINING_INSTANCES)])
