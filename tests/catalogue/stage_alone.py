"""One stage's functions, of tasks and of the driver, run in an interpreter of their own, no Spark.

``python -m tests.catalogue.stage_alone STAGE FOLDER`` prints the modules of ocspark that it loaded.
Each function imports what it calls, so that nothing is loaded for another stage. The folder has
given.json (paths, columns and release) and gets what a stage hands to the next.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq


def search(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.search import CELL_PIECES, FOUND_PIECES, FindListed
    from ocspark.inputs.clusters import read_clusters
    from ocspark.inputs.members import read_members
    from ocspark.mirror.layout import check_files, open_mirror
    from ocspark.selection.cone import make_cones
    from ocspark.selection.listed_levels import count_listed, possible_members, probability_levels
    from ocspark.selection.listed_members import Listed
    from ocspark.settings import SearchSettings
    from ocspark.store.files import TableWriters

    clusters = read_clusters(given["clusters"], {}, None)
    members = read_members(given["members"], {}, clusters.all_keys, None, clusters.other_names)
    table = clusters.table[clusters.table["missing"] == ""]
    cones = make_cones(table, SearchSettings())
    mirror = open_mirror(given["mirror"])
    files = check_files(mirror.files, given["columns"], mirror.healpix_column, {})
    levels = probability_levels(1.0, False)
    listed = Listed(possible_members(members.table, levels[-1], table["cluster_key"]))
    writers = TableWriters(str(folder), "one")
    found = FindListed(cones, listed)(_scans(files, given["columns"], cones), writers)
    assert found["pairs"] > 100
    written = writers.close()
    for table_name in (FOUND_PIECES, CELL_PIECES):
        _keep(folder, table_name, [file for file in written if file.table == table_name])
    _keep(folder, "clusters", table)
    _keep(folder, "n_listed", count_listed(members.table, levels, table["cluster_key"]))
    _keep(folder, "cones", (files, cones))


def characterise(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.characterise import MODEL_TABLE, Characterise, characterise_works
    from ocspark.inputs.isochrones import read_grid
    from ocspark.release import Release
    from ocspark.selection.calibrate import release_calibration
    from ocspark.selection.characterise_clusters import training_rules
    from ocspark.store.files import TableWriters
    from ocspark.store.pieces import files_by_cluster

    release = Release.model_validate(given["release"])
    clusters, n_listed = (_kept(folder, name) for name in ("clusters", "n_listed"))
    grid = read_grid(None, None, False, own=False, default=True)
    rules = training_rules(
        clusters, n_listed, 15, release_calibration(release), grid, release.extinction
    )
    found, cells = (
        files_by_cluster(_kept(folder, name), name) for name in ("_pieces_search", "_pieces_cells")
    )
    keys = sorted(rules.clusters)
    do, writers = Characterise(str(folder), rules), TableWriters(str(folder), "one")
    for work in characterise_works(keys, keys, found, {}, cells):
        do(work.item, writers)
    writers.close()
    rows = pq.read_table(folder / MODEL_TABLE).to_pylist()
    _keep(folder, "rows", {row["cluster_key"]: row for row in rows})


def membership(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.layout import ClusterPieces, LayOut
    from ocspark.catalogue.membership import EvaluateCandidates, count_costs
    from ocspark.deepsets.weights import load_model
    from ocspark.membership.engine import Sampling
    from ocspark.membership.evaluate import Evaluation
    from ocspark.release import Release
    from ocspark.selection.calibrate import release_calibration
    from ocspark.selection.model import model_from_row
    from ocspark.store.files import TableWriters

    rows = _kept(folder, "rows")
    models = {k: model_from_row(row, str(k)) for k, row in rows.items() if row["reason"] is None}
    calibration = release_calibration(Release.model_validate(given["release"]))
    sampling = Sampling(n_samples=2, support_size=10, seed=42, leave_one_out=True)
    evaluation = Evaluation(models, load_model("DS10_v02"), sampling, calibration)
    files, cones = _kept(folder, "cones")
    cones = cones.only(models)
    assert len(count_costs(pd.read_parquet(folder / "_counts"), models, cones))
    writers = TableWriters(str(folder), "one")
    process = EvaluateCandidates(cones, evaluation, False)
    assert process(_scans(files, given["columns"], cones), writers)["candidates"] > 100
    names = [file.name for file in writers.close()]
    pieces = [ClusterPieces(key, str(key), {"candidates": names}, "cpu") for key in models]
    LayOut(str(folder))(pieces, writers)
    _keep(folder, "models", models)


def summary(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.inputs import read_inputs
    from ocspark.catalogue.summary import cluster_rows
    from ocspark.settings import make_settings

    inputs = read_inputs(make_settings(given["settings"]))
    table = cluster_rows(inputs, {}, _kept(folder, "rows"), _kept(folder, "models"), {})
    assert (table["status"] == "done").sum() == 3


def _scans(files: Any, columns: dict[str, str], cones: Any) -> Iterator[Any]:
    from ocspark.mirror.portions import cut_by_rows
    from ocspark.mirror.scan import Scan

    portions = cut_by_rows(files, [file.file.path for file in files], cones.cover, 1000)
    return (Scan(piece, columns) for portion in portions for piece in portion.pieces)


def _keep(folder: Path, name: str, value: Any) -> None:
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(value))


def _kept(folder: Path, name: str) -> Any:
    return pickle.loads((folder / f"{name}.pickle").read_bytes())


if __name__ == "__main__":
    stage, place = sys.argv[1], Path(sys.argv[2])
    globals()[stage](json.loads((place / "given.json").read_text()), place)
    print(json.dumps(sorted(name for name in sys.modules if name.startswith("ocspark"))))
