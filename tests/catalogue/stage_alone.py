"""One stage's functions, of tasks and of the driver, run in an interpreter of their own, no Spark.

``python -m tests.catalogue.stage_alone STAGE FOLDER`` prints the modules of ocspark that it loaded.
Each function imports what it calls, so that nothing is loaded for another stage. The folder has
given.json (paths, columns and release) and gets what a stage hands to the next.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa


class NoSpark:
    """A session that ships values to this process."""

    @property
    def sparkContext(self) -> NoSpark:
        return self

    def broadcast(self, payload: bytes) -> SimpleNamespace:
        return SimpleNamespace(value=payload)


class Grouped:
    """A table that hands its clusters to a function, as Spark's groups do."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    def groupBy(self, column: str) -> Grouped:
        self._groups = [rows for _, rows in self._table.groupby(column)]
        return self

    def applyInArrow(self, function: Callable[[pa.Table], pa.Table], schema: Any) -> list[pa.Table]:
        return [function(pa.Table.from_pandas(rows, preserve_index=False)) for rows in self._groups]


def search(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.write import in_tasks

    from ocspark.inputs.clusters import read_clusters
    from ocspark.inputs.members import read_members
    from ocspark.mirror.layout import check_files, open_mirror
    from ocspark.selection.cone import make_cones
    from ocspark.selection.listed_levels import count_listed, possible_members, probability_levels
    from ocspark.selection.listed_members import Listed, find_training_members
    from ocspark.settings import SearchSettings

    clusters = read_clusters(given["clusters"], {}, None)
    members = read_members(given["members"], {}, clusters.all_keys, None, clusters.other_names)
    table = clusters.table[clusters.table["missing"] == ""]
    cones = make_cones(table, SearchSettings())
    mirror = open_mirror(given["mirror"])
    files = check_files(mirror.files, given["columns"], mirror.healpix_column, {})
    levels = probability_levels(1.0, False)
    listed = Listed(possible_members(members.table, levels[-1], table["cluster_key"]))
    process = find_training_members(NoSpark(), listed)
    written = in_tasks(process, str(folder), lambda batch: {"_search": batch})
    assert next(written(_found(files, given["columns"], cones)))["rows"][0].as_py() > 100
    _keep(folder, "clusters", table)
    _keep(folder, "n_listed", count_listed(members.table, levels, table["cluster_key"]))
    _keep(folder, "cones", (files, cones))


def characterise(given: dict[str, Any], folder: Path) -> None:
    from ocspark.inputs.isochrones import read_grid
    from ocspark.release import Release
    from ocspark.selection.calibrate import release_calibration
    from ocspark.selection.characterise_clusters import characterise_clusters, training_rules

    release = Release.model_validate(given["release"])
    clusters, n_listed = (_kept(folder, name) for name in ("clusters", "n_listed"))
    grid = read_grid(None, None, False, own=False, default=True)
    rules = training_rules(
        clusters, n_listed, 15, release_calibration(release), grid, release.extinction
    )
    found = pd.read_parquet(folder / "_search")
    stars = Grouped(found[found["source_id"].notna()])
    rows = pa.concat_tables(characterise_clusters(NoSpark(), stars, rules)).to_pylist()
    _keep(folder, "rows", {row["cluster_key"]: row for row in rows})


def membership(given: dict[str, Any], folder: Path) -> None:
    from ocspark.deepsets.weights import load_model
    from ocspark.membership.engine import Sampling
    from ocspark.membership.evaluate import Evaluation, evaluate_candidates
    from ocspark.release import Release
    from ocspark.selection.calibrate import release_calibration
    from ocspark.selection.model import model_from_row

    rows = _kept(folder, "rows")
    models = {k: model_from_row(row, str(k)) for k, row in rows.items() if row["reason"] is None}
    calibration = release_calibration(Release.model_validate(given["release"]))
    sampling = Sampling(n_samples=2, support_size=10, seed=42, leave_one_out=True)
    evaluation = Evaluation(models, load_model("DS10_v02"), sampling, calibration)
    files, cones = _kept(folder, "cones")
    process = evaluate_candidates(NoSpark(), evaluation, False)
    batches = list(process(_found(files, given["columns"], cones.only(models))))
    assert sum(batch.num_rows for batch in batches) > 100
    _keep(folder, "models", models)


def summary(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.inputs import read_inputs
    from ocspark.catalogue.summary import cluster_rows
    from ocspark.settings import make_settings

    inputs = read_inputs(make_settings(given["settings"]))
    table = cluster_rows(inputs, {}, _kept(folder, "rows"), _kept(folder, "models"), {})
    assert (table["status"] == "done").sum() == 3


def _found(files: Any, columns: dict[str, str], cones: Any) -> Iterator[pa.RecordBatch]:
    from ocspark.mirror.scan import Scan, cut_into_portions
    from ocspark.selection.cone import find

    scans = (Scan(portion, columns) for portion in cut_into_portions(files, cones.cover, 1000))
    return find(scans, cones.cuts, cones.cover)


def _keep(folder: Path, name: str, value: Any) -> None:
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(value))


def _kept(folder: Path, name: str) -> Any:
    return pickle.loads((folder / f"{name}.pickle").read_bytes())


if __name__ == "__main__":
    stage, place = sys.argv[1], Path(sys.argv[2])
    globals()[stage](json.loads((place / "given.json").read_text()), place)
    print(json.dumps(sorted(name for name in sys.modules if name.startswith("ocspark"))))
