"""Run the main job on a validation data set and compare with its reference results (method §12)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.build.build_mirror import build_mirror
from ocspark.build.build_output import BuildOptions
from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.session import get_session
from ocspark.settings import Settings, make_settings
from ocspark.store.finished_run import open_run
from ocspark.validation.parity import ClusterParity, compare_cluster, pool

log = logging.getLogger("ocspark")

#: Files of a validation data set.
GAIA = "gaia/edr3_cones.parquet"
MEMBERS = "members/cg18_dr2.parquet"
REFERENCE = "reference_results"
TABLES = ("candidates", "training_members", "non_members")
#: Largest number of rows in a file of the mirror.
_MIRROR_ROWS = 50_000


def validate(data: str, work: str, spark: SparkSession | None = None) -> dict[str, Any]:
    """Run the main job on a data set's Gaia sources and compare with its reference results.

    Parameters
    ----------
    data : str
        Directory with gaia/edr3_cones.parquet, members/cg18_dr2.parquet and reference_results/.
    work : str
        Directory for the mirror and the run.
    spark : SparkSession, optional
        By default the active session, or a new one.

    Returns
    -------
    dict
        ``clusters`` (a `ClusterParity` dictionary each), ``pool``, ``passed``, ``run``.

    Raises
    ------
    InputError
        If a file is missing.
    """
    run = run_validation(data, work, spark or get_session("ocspark: validate"))
    return {**compare_run(Path(data), run.path, run.record["settings"]["model"]), "run": run.path}


def run_validation(data: str, work: str, spark: SparkSession) -> RunResult:
    """Make a mirror of a data set's Gaia sources and run the main job on it.

    Parameters
    ----------
    data, work : str
        See `validate`.
    spark : SparkSession
        Session of the run.

    Raises
    ------
    InputError
        If a file is missing.
    """
    root = Path(data)
    wanted = [GAIA, MEMBERS, *(f"{REFERENCE}/{name}" for name in _reference_files())]
    for name in wanted:
        if not (root / name).is_file():
            raise InputError(f"--data: {root / name}: no such file; expected a validation data set")
    mirror = storage.join(work, "mirror")
    storage.remove_directory(mirror)
    build_mirror(BuildOptions(str(root / GAIA), mirror, "dr3", _MIRROR_ROWS), spark)
    names = pd.read_csv(root / REFERENCE / "clusters.csv")["name"].tolist()
    return run_full_catalogue(validation_settings(root, mirror, work, names), spark)


def _reference_files() -> list[str]:
    tables = [f"{table}.parquet" for table in TABLES]
    return ["clusters.csv", "cluster_parameters.csv", "isochrones_z0.0164.dat.gz", *tables]


def validation_settings(root: Path, mirror: str, work: str, names: list[str]) -> Settings:
    """Return the settings of a run that is comparable with the reference results.

    Parameters
    ----------
    root : Path
        Directory of the data set.
    mirror, work : str
        Mirror of its Gaia sources, and directory for the run.
    names : list of str
        Names of the clusters.
    """
    return make_settings(
        {
            "mirror": {"path": mirror},
            "clusters": {
                "path": str(root / REFERENCE / "cluster_parameters.csv"),
                "names": names,
                "columns": {
                    "cluster": "name",
                    "pmra_dispersion": "pmra_error",
                    "pmdec_dispersion": "pmdec_error",
                    "parallax_dispersion": "parallax_error",
                    "log_age": "age",
                    "distance": "dist",
                },
            },
            "members": {"path": str(root / MEMBERS)},
            "isochrones": {
                "path": str(root / REFERENCE / "isochrones_z0.0164.dat.gz"),
                "interpolate": False,  # the reference took the nearest age
            },
            "membership": {"leave_one_out": False, "adaptive": False},
            "output": {"path": storage.join(work, "runs")},
        }
    )


def compare_run(root: Path, run: str, model: str) -> dict[str, Any]:
    """Compare a finished run with the reference results of a data set.

    Parameters
    ----------
    root : Path
        Directory of the data set.
    run : str
        Directory of the run.
    model : str
        The model of the run, for the standard deviations of the features.

    Returns
    -------
    dict
        ``clusters``, ``pool`` and ``passed``; see `validate`.
    """
    reference = {t: pd.read_parquet(root / REFERENCE / f"{t}.parquet") for t in TABLES}
    finished = open_run(run)
    ours = {t: finished.read_arrow(t).to_pandas() for t in TABLES[:2]}
    parameters = pd.read_csv(root / REFERENCE / "clusters.csv").set_index("name")
    available = pd.Index(pd.read_parquet(root / GAIA, columns=["source_id"])["source_id"])
    members = pd.read_parquet(root / MEMBERS, columns=["cluster", "source_id", "probability"])
    members = members[members["probability"] == 1.0]
    std = load_model(model).source_std
    results: list[ClusterParity] = []
    chi2: list[np.ndarray] = []
    for name, centre in parameters.iterrows():
        result, values = compare_cluster(
            str(name),
            {t: _of(table, str(name)) for t, table in ours.items()},
            {t: _of(table, str(name)) for t, table in reference.items()},
            std,
            _of(members, str(name)).index,
            available,
            {c: float(centre[c]) for c in ("ra", "dec", "pmra", "pmdec", "parallax", "dist")},
        )
        results.append(result)
        chi2.append(values)
    totals = pool(results, np.concatenate(chi2))
    passed = not totals["failures"] and not totals["clusters_failing"]
    return {"clusters": [r.as_dict() for r in results], "pool": totals, "passed": passed}


def _of(table: pd.DataFrame, cluster: str) -> pd.DataFrame:
    """Return the rows of a cluster, indexed by source_id."""
    return table[table["cluster"] == cluster].set_index("source_id")


def parity_lines(report: dict[str, Any]) -> list[str]:
    """Return a line per cluster, the totals, and the reasons for remaining differences.

    Parameters
    ----------
    report : dict
        From `validate`.
    """
    header = (
        f"{'cluster':<16}{'training':>9}{'differ':>7}{'candid.':>8}{'Jaccard':>9}{'feature':>9}"
        f"{'0<p<1':>7}{'chi2':>7}{'mean dp':>9}"
    )
    lines = [header]
    for c in report["clusters"]:
        failures = "  FAILS: " + "; ".join(c["failures"]) if c["failures"] else ""
        lines.append(
            f"{c['cluster']:<16}{c['n_training_reference']:>9}{c['n_training_differing']:>7}"
            f"{c['n_candidates']:>8}{c['jaccard']:>9.4f}"
            f"{max(c['feature_deviation_p99'].values()):>9.4f}{c['n_between']:>7}{c['chi2']:>7.3f}"
            f"{c['mean_difference']:>+9.4f}{failures}"
        )
    p = report["pool"]
    lines.append(
        f"all {p['clusters']} clusters: {p['candidates']} candidates "
        f"({p['candidates_reference']} in the reference), Jaccard {p['jaccard']:.4f}, "
        f"chi2 {p['chi2']:.4f} over {p['sources_between']} sources; {p['clusters_failing']} fail"
    )
    lines += [f"all clusters FAIL: {failure}" for failure in p["failures"]]
    for c in report["clusters"]:
        if c["n_absent"]:
            lines.append(
                f"{c['cluster']}: {c['n_absent']} sources of the reference "
                f"({c['n_training_absent']} training members) are not in the Gaia input and are "
                "left out; features are compared about the reference's centre"
            )
    lines.append(
        "other differences: exact Δ_C and R90 in place of the published steps (candidates, "
        "training members), another random generator (p)"
    )
    return lines


def write_report(report: dict[str, Any], path: str) -> None:
    """Write the report of `validate` as JSON."""
    storage.write_file(path, json.dumps(report, indent=1))
