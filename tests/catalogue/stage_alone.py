"""One stage's functions, of tasks and of the driver, run in an interpreter of their own, no Spark.

``python -m tests.catalogue.stage_alone STAGE FOLDER`` prints the modules of ocspark that it loaded.
Each function imports what it calls, so that nothing is loaded for another stage. The folder has
given.json (paths and release) and gets what a stage hands to the next.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd


def search(given: dict[str, Any], folder: Path) -> None:
    import ocspark.mirror.read
    import ocspark.selection.table_rows  # noqa: F401 -- by which mirrors that are tables are read
    from ocspark.catalogue.search import CELL_PIECES, FOUND_PIECES, FindListed
    from ocspark.inputs.clusters import read_clusters
    from ocspark.inputs.members import read_members
    from ocspark.mirror.footers import check_files
    from ocspark.mirror.layout import list_pieces
    from ocspark.release import Release
    from ocspark.selection.cones import make_cones
    from ocspark.selection.listed_levels import count_listed, possible_members, probability_levels
    from ocspark.selection.listed_members import MemberLookup
    from ocspark.settings import SearchSettings
    from ocspark.store.files import TableWriters

    clusters = read_clusters(given["clusters"], {}, None)
    members = read_members(given["members"], {}, clusters.all_keys, None, clusters.other_names)
    table = clusters.table[clusters.table["fault"] == ""]
    cones = make_cones(table, SearchSettings())
    mirror = list_pieces(given["mirror"])
    files = check_files(
        mirror.files, Release.model_validate(given["release"]), mirror.healpix_column
    )
    levels = probability_levels(1.0, False)
    listed = MemberLookup(possible_members(members.table, levels[-1], table["cluster_key"]))
    writers = TableWriters(str(folder), "pass-1")
    FindListed(cones.cuts, cones.cover, listed)(_scans(files, cones), writers)
    written = {file.table: file for file in writers.close()}
    assert written[FOUND_PIECES].rows > 100
    _keep(folder, "found", written[FOUND_PIECES])
    _keep(folder, "cells", written[CELL_PIECES].name)
    _keep(folder, "clusters", table)
    _keep(folder, "n_listed", count_listed(members.table, levels, table["cluster_key"]))
    _keep(folder, "cones", (files, cones))
    _keep(folder, "cone_table", cones.table)


def characterise(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.characterise import MODEL_TABLE, Characterise, ClusterGroup
    from ocspark.inputs.isochrones import read_grid
    from ocspark.release import Release
    from ocspark.selection.calibrate import release_calibration
    from ocspark.selection.characterise_clusters import training_rules
    from ocspark.store.files import TableWriters

    release = Release.model_validate(given["release"])
    clusters, n_listed, found = (_kept(folder, name) for name in ("clusters", "n_listed", "found"))
    grid = read_grid(None, None, False, own=False, default=True)
    rules = training_rules(
        clusters, n_listed, 15, release_calibration(release), grid, release.extinction
    )
    keys = tuple(found.clusters)
    writers = TableWriters(str(folder), "barrier")
    Characterise(str(folder), rules)(
        ClusterGroup(keys, frozenset(keys), (found.name,), ()), writers
    )
    names = {file.table: file.name for file in writers.close()}
    rows = pd.read_parquet(folder / names[MODEL_TABLE]).to_dict("records")
    _keep(folder, "rows", {row["cluster_key"]: row for row in rows})


def membership(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.layout import ClusterPieces, LayOut
    from ocspark.catalogue.membership import PIECES, EvaluateCandidates
    from ocspark.deepsets.weights import load_model
    from ocspark.membership.engine import Sampling
    from ocspark.membership.evaluate import Evaluation
    from ocspark.release import Release
    from ocspark.selection.calibrate import release_calibration
    from ocspark.selection.model import model_from_row
    from ocspark.store.files import TableWriters

    rows, table = _kept(folder, "rows"), _kept(folder, "clusters")
    names = dict(zip(table["cluster_key"], table["cluster"], strict=True))
    models = {k: model_from_row(row, names[k]) for k, row in rows.items() if row["reason"] is None}
    calibration = release_calibration(Release.model_validate(given["release"]))
    sampling = Sampling(n_samples=2, support_size=10, seed=42, leave_one_out=True)
    evaluation = Evaluation(models, load_model("DS10_v02"), sampling, calibration)
    files, cones = _kept(folder, "cones")
    cones = cones.only(models)
    writers = TableWriters(str(folder), "pass-2")
    process = EvaluateCandidates(cones.cuts, cones.cover, evaluation, False)
    process(_scans(files, cones), writers)
    (pieces,) = (file for file in writers.close() if file.table == PIECES["candidates"])
    assert pieces.rows > 100
    writers = TableWriters(str(folder), "layout")
    clusters = [
        ClusterPieces(key, names[key], {"candidates": [pieces.name]}, None) for key in models
    ]
    LayOut(str(folder))(clusters, writers)
    laid_out = writers.close()
    assert sum(file.rows for file in laid_out) == pieces.rows
    _keep(folder, "models", models)
    _keep(folder, "candidates", {key: file for file in laid_out for key in file.clusters})


def posterior(given: dict[str, Any], folder: Path) -> None:
    import pyarrow.parquet as pq

    from ocspark.catalogue.posterior import CLAIM_TABLE, ComputePosterior, posterior_rules
    from ocspark.inputs.isochrones import read_grid
    from ocspark.posterior.settings import PosteriorSettings
    from ocspark.release import Release
    from ocspark.store.files import TableWriters

    models, cones = _kept(folder, "models"), _kept(folder, "cone_table")
    grid = read_grid(None, None, False, own=False, default=True)
    law = Release.model_validate(given["release"]).extinction
    metallicity = dict.fromkeys(models, float("nan"))
    settings = PosteriorSettings(n_replicates=0)
    rules = posterior_rules(settings, models, cones, metallicity, grid, law)
    writers = TableWriters(str(folder), "posterior")
    compute = ComputePosterior(str(folder), rules)
    for key, file in _kept(folder, "candidates").items():
        rows = pq.read_table(folder / file.name)
        compute(key, rows, [_kept(folder, "cells")], writers)
    written = {file.table: file for file in writers.close()}
    assert written[CLAIM_TABLE].rows > 100
    _keep(folder, "posterior", written)


def summary(given: dict[str, Any], folder: Path) -> None:
    from ocspark.catalogue.inputs import read_inputs
    from ocspark.catalogue.sharing import TOTAL_PIECES, Claimant, ShareStars, neighbours
    from ocspark.catalogue.summary import summarise_clusters
    from ocspark.posterior.settings import PosteriorSettings
    from ocspark.settings import make_settings
    from ocspark.store.files import TableWriters

    written, candidates = _kept(folder, "posterior"), _kept(folder, "candidates")
    fits = pd.read_parquet(folder / written["_fits"].name).to_dict("records")
    others = neighbours(_kept(folder, "cone_table"))
    claims = (written["_claims"].name,)
    clusters = [
        Claimant(key, candidates[key], fit, others[key], claims)
        for fit in fits
        for key in [fit["cluster_key"]]
    ]
    writers = TableWriters(str(folder), "share")
    ShareStars(str(folder), PosteriorSettings())(clusters, writers)
    totals = next(file for file in writers.close() if file.table == TOTAL_PIECES)
    by_key = pd.read_parquet(folder / totals.name).set_index("cluster_key").to_dict("index")

    inputs = read_inputs(make_settings(given["settings"]))
    models = _kept(folder, "models")
    table = summarise_clusters(inputs, {}, {}, _kept(folder, "rows"), models, {}, by_key)
    assert (table["status"] == "done").sum() == table["n_members"].notna().sum() == 3


def _scans(files: Any, cones: Any) -> Iterator[Any]:
    from ocspark.mirror.portions import cut_by_rows
    from ocspark.mirror.scan import Scan

    portions = cut_by_rows(files, [file.file.path for file in files], cones.cover, 1000)
    return (Scan(piece, files[0].columns) for portion in portions for piece in portion.pieces)


def _keep(folder: Path, name: str, value: Any) -> None:
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(value))


def _kept(folder: Path, name: str) -> Any:
    return pickle.loads((folder / f"{name}.pickle").read_bytes())


if __name__ == "__main__":
    stage, place = sys.argv[1], Path(sys.argv[2])
    globals()[stage](json.loads((place / "given.json").read_text()), place)
    loaded = sorted(name for name in sys.modules if name.startswith("ocspark"))
    print(json.dumps(loaded), flush=True)
    os._exit(0)  # threads of Arrow may be killed the hard way at an interpreter's end
