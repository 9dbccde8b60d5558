"""Judge posteriors of real clusters, whose truth is not known, by conditions that must hold.

Training members and members published by other authors must be found. In windows displaced in
proper motion there are no members. Outside the core, the expected members must equal the excess of
candidates over displaced windows. Mock clusters put into the real field must be found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.names import normalise_name
from ocspark.physics.isochrone import apparent_points
from ocspark.posterior.compute import compute_posterior
from ocspark.posterior.stars import ClusterToFit
from ocspark.selection.run_models import read_models
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun, open_run
from ocspark.validation.displaced import (
    Window,
    WindowSearch,
    displaced_windows,
    refit_without_members,
)
from ocspark.validation.real_figure import draw_real_cluster
from ocspark.validation.real_summary import G_EDGES, pool_clusters
from ocspark.validation.validate import run_validation

#: Published lists besides that of the training members: file, least probability that counts, and
#: whether training members are left out.
LISTS = {
    "Almeida": ("members/almeida_edr3.parquet", 0.0, True),
    "Cantat-Gaudin": ("members/cg18_dr2.parquet", 0.7, True),
    "Tarricq": ("members/t22_edr3.parquet", 0.0, False),
}
#: Columns of the run in the row of each cluster.
_OF_RUN = (
    "cluster posterior_radius_pc expected_members expected_members_error posterior_flags"
).split()
_MOTIONS = ("pmra", "pmdec", "parallax")
#: Inner radius of the outer ring, where a cluster has few members, as a share of R.
RING = 0.7
#: Least posterior or votes of a member, and the seed of twins.
LEVEL, TWIN_SEED = 0.5, 1
#: Least expected number of members with G < 18 of a twin.
LEAST_TWIN = 40.0


def judge_real_posteriors(data: str, work: str, output: str, spark: SparkSession) -> dict[str, Any]:
    """Run the main job on a validation data set; judge its posteriors, write numbers and figures.

    The data set is small: clusters are judged one by one in this process.

    Parameters
    ----------
    data : str
        Directory as for `ocspark.validation.validate.validate`, with the files of `LISTS`.
    work : str
        Directory for the mirror and the run.
    output : str
        Folder that gets real_posteriors.json and a figure of each cluster.
    spark : SparkSession
        Session of the run.

    Returns
    -------
    dict
        ``run``, ``null`` (why clusters have no posterior, by name), ``clusters`` (a row each) and
        ``pool`` (`ocspark.validation.real_summary.pool_clusters`).
    """
    run = open_run(run_validation(data, work, spark).path)
    lists = {name: _read_list(Path(data), *LISTS[name][:2]) for name in LISTS}
    with Claim(output, {"holds": "a judgement"}, "a judgement").hold():
        return _judge(run, lists, output, spark)


def _read_list(root: Path, file: str, least: float) -> pd.DataFrame:
    """Return the stars of a published list with a probability of `least` or more."""
    table = pd.read_parquet(root / file, columns=["cluster", "source_id", "probability"])
    return table[table["probability"] >= least]


def _judge(
    run: FinishedRun, lists: Mapping[str, pd.DataFrame], output: str, spark: SparkSession
) -> dict[str, Any]:
    inputs = read_inputs(run.settings, spark)
    clusters = _by_key(run.clusters)
    own = {
        key: (window, run.read_cluster("candidates", key))
        for key, window in _windows(run, inputs).items()
        if pd.notna(clusters[key]["expected_members"])
    }
    search = WindowSearch(inputs)
    displaced = {key: displaced_windows(*mine) for key, mine in own.items()}
    found = search.search([window for some in displaced.values() for window in some])
    rows = []
    for number, (key, (window, candidates)) in enumerate(own.items()):
        others = [
            (w, _without_members(found[w.model.cluster], candidates))
            for w in displaced[key]
            if w.model.cluster in found
        ]
        name = window.model.cluster
        row = {
            **{column: clusters[key][column] for column in _OF_RUN},
            **_training_members(candidates),
            **{f"list {n}": _listed(candidates, t, name, LISTS[n][2]) for n, t in lists.items()},
            **_displaced(window, candidates, others),
        }
        if others:
            row["twin"] = _twin(search, *others[0], number, row["expected_members"])
        rows.append(row)
        picture = draw_real_cluster(name, candidates, window)
        storage.make_directory(storage.join(output, "clusters"))
        storage.write_file(storage.join(output, "clusters", f"{normalise_name(name)}.png"), picture)
    null = run.clusters[run.clusters["expected_members"].isna()]
    result = {
        "run": run.record["run_id"],
        "null": dict(
            zip(null["cluster"], null["posterior_reason"].fillna(null["reason"]), strict=True)
        ),
        "clusters": rows,
        "pool": pool_clusters(rows),
    }
    storage.write_file(storage.join(output, "real_posteriors.json"), json.dumps(result, indent=1))
    return result


def _by_key(table: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Return the rows of a table by cluster_key."""
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    return {row["cluster_key"]: row for row in rows}


def _windows(run: FinishedRun, inputs: RunInputs) -> dict[int, Window]:
    """Return the windows of the clusters that the run characterised, by key."""
    table, clusters = _by_key(inputs.clusters.table), _by_key(run.clusters)
    extinction = inputs.release.extinction
    windows = {}
    for key, model in sorted(read_models(run).items(), key=lambda item: item[1].cluster):
        row = table[key]
        isochrone = inputs.isochrones.at(model.log_age, row["metallicity"])
        cluster = ClusterToFit(
            key=key,
            **{
                name: getattr(model, name)
                for name in "pmra pmdec parallax delta_pm delta_plx_plus delta_plx_minus".split()
            },
            **{f"{name}_dispersion": row[f"{name}_dispersion"] for name in _MOTIONS},
            isochrone=apparent_points(
                isochrone.points, model.distance, model.a0, extinction.law, extinction.passbands
            ),
            covered_radius_pc=clusters[key]["posterior_radius_pc"],
        )
        windows[key] = Window(model, cluster, row)
    return windows


def _known(candidates: pa.Table) -> pd.DataFrame:
    """Return the candidates with a posterior."""
    return candidates.to_pandas().dropna(subset=["posterior"])


def _without_members(displaced: pa.Table, candidates: pa.Table) -> pa.Table:
    """Return the candidates of a displaced window that are not members of the cluster."""
    known = _known(candidates)
    members = known.loc[known["posterior"] >= LEVEL, "source_id"]
    return displaced.filter(~np.isin(displaced["source_id"].to_numpy(), members))


def _training_members(candidates: pa.Table) -> dict[str, Any]:
    """Count training members, and those with a posterior of `LEVEL` or more, also by G."""
    known = _known(candidates)
    training = known[known["is_training_member"]]
    found = training["posterior"] >= LEVEL
    by_g = np.searchsorted(G_EDGES, training["phot_g_mean_mag"], side="right") - 1
    return {
        "n_training": len(training),
        "recovered": float(found.mean()) if len(training) else None,
        "training_by_g": [
            [int((by_g == i).sum()), int(found[by_g == i].sum())] for i in range(len(G_EDGES) - 1)
        ],
    }


def _listed(
    candidates: pa.Table, listed: pd.DataFrame, cluster: str, without_training: bool
) -> dict[str, int]:
    """Count the stars of a list among the candidates, and the members among them by each method."""
    names = listed["cluster"].map(normalise_name)
    ids = listed.loc[names == normalise_name(cluster), "source_id"]
    known = _known(candidates)
    some = known[known["source_id"].isin(ids)]
    if without_training:
        some = some[~some["is_training_member"]]
    return {
        "n": len(some),
        "posterior": int((some["posterior"] >= LEVEL).sum()),
        "votes": int((some["probability"] >= LEVEL).sum()),
    }


def _displaced(
    window: Window, candidates: pa.Table, others: Sequence[tuple[Window, pa.Table]]
) -> dict[str, Any]:
    """Return expected members in displaced windows, and counts in the ring beyond `RING` R."""
    inner, outer = RING * window.cluster.covered_radius_pc, window.cluster.covered_radius_pc

    def in_ring(f_r: NDArray[Any]) -> NDArray[Any]:
        return (f_r > inner) & (f_r <= outer)

    training = window.stars(candidates)
    training = training.take(np.flatnonzero(training.is_training))
    expected, n, ring = [], [], []
    for other, table in others:
        stars, q = refit_without_members(other, table, training)
        expected.append(float(q.sum()))
        n.append(len(stars))
        ring.append(int(in_ring(stars.radius).sum()))
    known = _known(candidates)
    mine = known[in_ring(known["f_r"].to_numpy())]
    return {
        "displaced_expected": expected,
        "displaced_candidates": n,
        "ring_candidates": len(mine),
        "ring_displaced": float(np.mean(ring)) if ring else None,
        "ring_expected": float(mine["posterior"].sum()),
    }


def _twin(
    search: WindowSearch, window: Window, field: pa.Table, index: int, like: float
) -> dict[str, Any]:
    """Put a twin as rich as the cluster into a displaced window, and count what is found of it."""
    planted, stars = search.twin(window, field, index, max(like, LEAST_TWIN), TWIN_SEED)
    result = compute_posterior(planted.candidates(stars), planted.cluster)
    true, q = stars["is_true"].to_numpy(), np.nan_to_num(result.q)
    if result.totals is None or not true.any():
        return {"reason": result.reason or "no member of the twin is a candidate"}
    within = np.isfinite(result.q)
    called = within & (q >= LEVEL)
    return {
        "true": int((true & within).sum()),
        "expected": result.totals.expected_members,
        "error": result.totals.expected_members_error,
        "n_called": int(called.sum()),
        "n_true": int((called & true).sum()),
    }
