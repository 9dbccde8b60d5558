"""Run the main job, open what it wrote, read one cluster's members."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import NoneType
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.api.results import Run, RunPlan
from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.catalogue.plan import plan_full_catalogue
from ocspark.errors import InputError
from ocspark.inputs.files import read_table
from ocspark.inputs.write import write_frame
from ocspark.names import cluster_key, did_you_mean
from ocspark.settings import Section, Settings, lay_over, make_settings, settings_tree
from ocspark.store.finished_run import FinishedRun
from ocspark.store.finished_run import open_run as open_finished
from ocspark.store.folder import digest
from ocspark.store.progress import messages_shown
from ocspark.tables.member_rule import member_rule

#: Sections that a path alone may stand for.
_PLACES = ("mirror", "clusters", "members", "isochrones", "output")
#: Of these, sections that a table in memory may stand for, too.
_TABLES = ("clusters", "members")
#: What `settings` may be.
AnySettings = Settings | str | os.PathLike[str] | Mapping[str, Any]


def run(
    settings: AnySettings | None = None,
    *,
    spark: SparkSession | None = None,
    progress: bool = True,
    **sections: Any,
) -> Run:
    """Compute membership probabilities for all clusters of a table.

    The same call continues an interrupted run, and returns a finished one at once.

    Parameters
    ----------
    settings : str, mapping or Settings, optional
        A YAML file such as ``conf/cantat_gaudin_2020.yaml``, a tree of settings, or a `Settings`
        object; what it leaves out is as in ``conf/default.yaml``, which explains every key.
    spark : SparkSession, optional
        Classic or Connect; by default the active session, or a new one.
    progress : bool
        Whether to show progress: a line on a terminal and in a notebook, log lines elsewhere.
        Warnings are shown in any case.
    **sections
        Laid over the settings: ``mirror``, ``clusters``, ``members``, ``isochrones`` and
        ``output`` take a path or a mapping, ``membership`` and ``search`` a mapping, ``model``
        and ``release`` a name. For a path, ``clusters`` and ``members`` also take a table of
        pandas, Arrow or astropy, which is kept in the output's folder ``inputs``.

    Returns
    -------
    Run
        Printed, and in a notebook, it is a table of its clusters.

    Raises
    ------
    InputError
        For anything wrong with settings or inputs.

    Examples
    --------
    >>> import ocspark
    >>> run = ocspark.run(
    ...     mirror="gaia_dr3",
    ...     clusters={"path": "clusters.csv", "names": ["NGC 2423", "NGC 2422"]},
    ...     members="members.csv",
    ...     membership={"n_samples": 50},
    ...     output="runs/two",
    ... )
    >>> run
    Run(2 clusters done, 0 skipped, ... members with posterior >= 0.5 in ..., in runs/two/...)
    >>> run.clusters[["cluster", "n_training_members", "members_by", "n_members", "n_p50"]]
        cluster  n_training_members members_by  n_members  n_p50
    0  NGC_2422  ...
    """
    with messages_shown(progress):
        result = run_full_catalogue(settings_of(settings, sections), spark)
    return Run(result.path, result.record)


@messages_shown()
def plan(
    settings: AnySettings | None = None, *, spark: SparkSession | None = None, **sections: Any
) -> RunPlan:
    """Return what `run` would do with the same arguments, and why; nothing is written.

    A run reuses the newest finished one in its output folder for clusters on which nothing has
    changed.

    Parameters
    ----------
    settings, spark, **sections
        As for `run`.

    Returns
    -------
    RunPlan
        Printed, it is a table; ``stages`` and ``why`` (reason to names of clusters) have it as
        data.

    Raises
    ------
    InputError
        For anything wrong with settings or inputs.

    Examples
    --------
    >>> ocspark.plan(run.settings, model="mock_g21")
    run run-... is new, in runs/two/...
    2 clusters with a cone; unchanged ones copied from: run-..., finished ...
                     reused   redone     copies (done)   portions (done)         mirror rows
    search                2        0             3 (0)                 -                   -
    characterise          2        0             2 (0)                 -                   -
    membership            0        2             0 (0)             ...
    redone, because of
      model: 2 (NGC_2422, NGC_2423)
    """
    return RunPlan(**vars(plan_full_catalogue(settings_of(settings, sections), spark)))


def settings_of(settings: AnySettings | None, sections: Mapping[str, Any]) -> Settings:
    """Return the settings that the arguments of `run` stand for."""
    config = None if isinstance(settings, Settings | Mapping) else settings
    tree, where = settings_tree("default.yaml", os.fspath(config) if config else None, ())
    if isinstance(settings, Settings):
        lay_over(tree, settings.model_dump())
    elif isinstance(settings, Mapping):
        lay_over(tree, _expanded(settings))
    lay_over(tree, _expanded(sections))
    for name in _TABLES:
        place = tree[name] if isinstance(tree[name], dict) else {}
        if not isinstance(place.get("path"), str | NoneType):
            place["path"] = _kept(name, place["path"], tree)
    return make_settings(tree, where)


def _expanded(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections with ``{"path": …}`` for those that are given as a path or table alone."""
    return {name: _expanded_section(name, value) for name, value in sections.items()}


def _expanded_section(name: str, value: Any) -> Any:
    if name in _PLACES and isinstance(value, str | os.PathLike):
        return {"path": os.fspath(value)}
    if name in _TABLES and not isinstance(value, Mapping | Section):
        return {"path": value}
    if (
        name in _PLACES
        and isinstance(value, Mapping)
        and isinstance(value.get("path"), os.PathLike)
    ):
        return {**value, "path": os.fspath(value["path"])}
    return value


def _kept(name: str, table: Any, tree: Mapping[str, Any]) -> str:
    """Write a table that is given in memory into the output's folder; return its path."""
    frame = read_table(table, name)
    output = tree["output"] if isinstance(tree["output"], dict) else {}
    root = output.get("work") or output.get("path")
    rows = pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy()
    facts = [list(map(str, frame.columns)), frame.attrs.get("units", {}), rows.tolist()]
    path = storage.join(str(root), "inputs", f"{name}-{digest(facts)[:16]}.parquet")
    write_frame(frame, path)
    return path


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a finished run.

    Parameters
    ----------
    path : str
        Its directory; one with several runs, whose newest is opened; or ``table:…``, as its
        ``output.path`` was.

    Raises
    ------
    InputError
        If there is no finished run.

    Examples
    --------
    >>> import ocspark
    >>> run = ocspark.open_run("runs/two")
    >>> run.record["release"], run.settings.membership.n_samples
    ('dr3', 50)
    >>> run.table("candidates").where("probability >= 0.9").count() > 50
    True
    """
    run = open_finished(os.fspath(path), "run")
    return Run(run.path, run.record, run.catalogue, run.option)


def members_of(
    run: FinishedRun | str | os.PathLike[str],
    cluster: str,
    *,
    min_posterior: float | None = None,
    min_probability: float | None = None,
) -> pd.DataFrame:
    """Return the members of one cluster, most probable first.

    With neither level they are its candidates with posterior >= 0.5; of a cluster without a
    posterior, or with one whose check by field stars failed, those with votes >= 0.5. The column
    ``members_by`` says which. Reads the cluster's own file; a run in files needs no Spark session.

    Parameters
    ----------
    run : Run or str
        A finished run, or its path.
    cluster : str
        Its name in the cluster table; blanks and underscores are alike.
    min_posterior : float, optional
        Least posterior of a member; stars without one are none.
    min_probability : float, optional
        Least share of votes, the method's probability, of a member; 0 for all candidates.

    Returns
    -------
    DataFrame
        The columns of the candidates table: astrometry and photometry with errors, the five
        features, ``probability`` (votes) with its 95 % interval ``p_low`` to ``p_high``,
        ``posterior`` with ``posterior_low`` and ``posterior_high``, …; and ``members_by``.

    Raises
    ------
    InputError
        If the run has no such cluster (naming near ones) or skipped it (naming the reason), or
        for both levels, or one that is not within 0 to 1.

    Examples
    --------
    >>> import ocspark
    >>> members = ocspark.members_of("runs/two", "NGC 2423", min_probability=0.9)
    >>> members[["source_id", "probability", "p_low"]].head(2)
               source_id  probability     p_low
    0 ...
    >>> ocspark.members_of("runs/two", "NGC 2432")
    Traceback (most recent call last):
    ocspark.errors.InputError: cluster: 'NGC 2432' is not in the run ...; did you mean NGC_2423...?
    """
    opened = open_run(run) if isinstance(run, str | os.PathLike) else run
    row = find_cluster(opened, cluster)
    rule = member_rule(row["members_by"], min_posterior, min_probability)
    stars = opened.read_cluster("candidates", row["cluster_key"]).to_pandas()
    stars = stars[rule.members(stars)].assign(members_by=rule.members_by)
    return stars.sort_values(
        [rule.column, "mean_logit", "source_id"],
        ascending=[False, False, True],
        ignore_index=True,
    )


def find_cluster(run: FinishedRun, name: str) -> dict[str, Any]:
    """Return a cluster's row of the clusters table; see `members_of` for the errors."""
    table = run.clusters
    row = table[table["cluster_key"] == cluster_key(name)]
    if row.empty:
        near = did_you_mean(name, table["cluster"])
        raise InputError(f"cluster: {name!r} is not in the run {run.path}{near}")
    found = {str(k): v for k, v in row.iloc[0].to_dict().items()}
    if found["status"] != "done":
        raise InputError(f"cluster: {name!r} was skipped in {run.path}: {found['reason']}")
    return found
