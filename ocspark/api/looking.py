"""Look at a run: draw a cluster, compare with a list or another run, write the report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from ocspark.analysis.differences import find_differences
from ocspark.analysis.literature import compare_with_list
from ocspark.analysis.structure import measure_structure
from ocspark.api.picture import Picture
from ocspark.api.results import APPLICATION, Comparison, Differences
from ocspark.api.running import find_cluster, open_run
from ocspark.errors import InputError
from ocspark.inputs.files import AnyTable, is_path
from ocspark.reports.differences_figure import draw_differences
from ocspark.reports.figures import draw_members, draw_selection
from ocspark.reports.page_stars import MAX_OTHERS
from ocspark.reports.site import make_report
from ocspark.reports.structure_figure import draw_structure
from ocspark.reports.venn import draw_venns
from ocspark.reports.view import ClusterView
from ocspark.selection.model import models_of_rows
from ocspark.session import get_session
from ocspark.store.finished_run import FinishedRun
from ocspark.store.progress import messages_shown
from ocspark.tables.member_rule import member_rule

_KINDS = {
    "members": draw_members,
    "selection": draw_selection,
    "structure": draw_structure,
}


def plot(run: FinishedRun | str | os.PathLike[str], cluster: str, kind: str = "members") -> Picture:
    """Draw one cluster of a run. Needs no Spark session.

    Parameters
    ----------
    run : Run or str
        A finished run, or its path.
    cluster : str
        Its name in the cluster table; blanks and underscores are alike.
    kind : {"members", "selection", "structure"}
        ``members``: sky, parallax, proper motion and colour–magnitude diagram of the members,
        coloured by probability. ``selection``: the same panels with training members, candidates
        and, if the run kept non_members, the rest of the cone (the paper's Fig. 1).
        ``structure``: density profile and mass segregation.

    Raises
    ------
    InputError
        For a cluster that the run does not have or skipped, or an unknown kind.

    Examples
    --------
    >>> import ocspark
    >>> picture = ocspark.plot("runs/two", "NGC 2423")  # shown, if it is a cell's last line
    >>> picture.save("ngc2423.pdf")  # or .png, .svg
    """
    if kind not in _KINDS:
        raise InputError(f"kind: {kind!r} is none of {', '.join(_KINDS)}")
    draw, view = _KINDS[kind], view_of(_opened(run), cluster)
    return Picture(draw(view).png(), lambda: draw(view).figure)


def view_of(run: FinishedRun, cluster: str) -> ClusterView:
    """Return what the pictures of a cluster are drawn from."""
    row = find_cluster(run, cluster)
    key = int(row["cluster_key"])
    stars = _columns(run, "candidates", key)
    others: dict[str, NDArray] = {}
    if run.has("non_members"):
        others = _columns(run, "non_members", key)
        step = max(1, len(others["ra"]) // MAX_OTHERS)  # more would only hide each other
        others = {name: column[::step] for name, column in others.items()}
    rule = member_rule(row["members_by"])
    structure = measure_structure(stars, (row["ra"], row["dec"]), row["distance"], key, rule)
    models = models_of_rows(run.read_cluster("_models", key).to_pylist(), run.cluster_names)
    return ClusterView(row, stars, others, models[key].curve, structure, [])


def _columns(run: FinishedRun, table: str, key: int) -> dict[str, NDArray]:
    stars = run.read_cluster(table, key)
    return {name: np.asarray(stars[name].to_numpy()) for name in stars.column_names}


@messages_shown()
def compare(
    run: FinishedRun | str | os.PathLike[str],
    members: AnyTable,
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    table: str | int | None = None,
    spark: SparkSession | None = None,
) -> Comparison:
    """Compare a run with a member list, star by star, and draw the Venn diagrams.

    Parameters
    ----------
    run : Run or str
        A finished run, or its path.
    members : path or table
        The list, a file of any kind that runs read, or a table of pandas, Arrow or astropy:
        cluster, source_id, probability.
    output : str
        Folder for the tables and diagrams: new, empty, or with an earlier comparison.
    name : str, optional
        What the list is called; by default its file name, or ``list``.
    columns : mapping, optional
        Canonical name to the list's column.
    table : str or int, optional
        Which table of a file with several: its name, or its number from 1.
    spark : SparkSession, optional
        Classic or Connect; by default the active session, or a new one.

    Returns
    -------
    Comparison
        ``record`` has the totals; ``table("clusters")`` a row per cluster and cut: listed, ours,
        both, and why listed stars are missed; ``stars(spark)`` every listed star.

    Raises
    ------
    InputError
        For a bad list, or no cluster in common.

    Examples
    --------
    >>> import ocspark
    >>> comparison = ocspark.compare("runs/two", "members.csv", "runs/compared", name="mine")
    >>> comparison.record["combined"]["all"]["n_listed"]
    100
    """
    folder = os.fspath(output)
    listed = os.fspath(members) if is_path(members) else "list"
    called = name or listed.rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    opened = _opened(run)  # before Spark starts
    session = spark or get_session(APPLICATION)
    comparison = compare_with_list(
        session, opened, members, folder, name=called, columns=dict(columns or {}), table=table
    )
    draw_venns(comparison)
    return Comparison(comparison.path, comparison.record)


def _opened(run: FinishedRun | str | os.PathLike[str]) -> FinishedRun:
    return run if isinstance(run, FinishedRun) else open_run(run)


@messages_shown()
def differences(
    run: FinishedRun | str | os.PathLike[str],
    later: FinishedRun | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    min_posterior: float | None = None,
    min_probability: float | None = None,
    neighbourhood: str | None = None,
    same_ids: bool = False,
    spark: SparkSession | None = None,
) -> Differences:
    """Compare two runs star by star: members gained, lost and changed beyond noise.

    Parameters
    ----------
    run, later : Run or str
        The runs before and after: finished runs, or their paths.
    output : str
        Folder for tables and pictures: new, empty, or with earlier differences.
    min_posterior, min_probability : float, optional
        Least posterior, or least share of votes, of a member; with neither, as `members_of`.
    neighbourhood : str, optional
        Table of old and new ids, for runs on two releases.
    same_ids : bool
        Whether two releases have the same ids, so that no table is needed.
    spark : SparkSession, optional
        Classic or Connect; by default the active session, or a new one.

    Returns
    -------
    Differences
        ``record`` has the totals, ``table("clusters")`` a row per cluster, and ``path`` the
        pictures ``members.png``, ``probabilities.png`` and ``reasons.png``.

    Raises
    ------
    InputError
        For runs that are not finished, have no cluster in common, or need a table of ids.

    Examples
    --------
    >>> import ocspark
    >>> settings = ocspark.open_run("runs/two").settings
    >>> again = ocspark.run(settings, membership={"seed": 7}, output="runs/seven")
    >>> changed = ocspark.differences("runs/two", again, "runs/changed")
    >>> changed.record["clusters"]["done_in_both"]
    2
    """
    earlier, newer = _opened(run), _opened(later)  # before Spark starts
    session = spark or get_session(APPLICATION)
    found = find_differences(
        session,
        earlier,
        newer,
        os.fspath(output),
        min_posterior=min_posterior,
        min_probability=min_probability,
        neighbourhood=neighbourhood,
        same_ids=same_ids,
    )
    draw_differences(found)
    return Differences(found.path, found.record)


@messages_shown()
def report(
    run: FinishedRun | str | os.PathLike[str],
    output: str | os.PathLike[str],
    comparisons: Sequence[Comparison] = (),
    changes: Sequence[Differences] = (),
    *,
    spark: SparkSession | None = None,
) -> str:
    """Write a web site of a run: all clusters to sort and search, a page for each.

    Parameters
    ----------
    run : Run or str
        A finished run, or its path.
    output : str
        Folder of the site: new, empty, or with an earlier report.
    comparisons : sequence of Comparison
        Results of `compare` to show.
    changes : sequence of Differences
        Results of `differences` to show.
    spark : SparkSession, optional
        Classic or Connect; by default the active session, or a new one.

    Returns
    -------
    str
        Path of its index.html, which opens from disk, without a server or a network.

    Raises
    ------
    InputError
        For a run that is not finished, or a folder with other things in it.

    Examples
    --------
    >>> import ocspark
    >>> ocspark.report("runs/two", "report", [comparison])
    'report/index.html'
    """
    opened = _opened(run)
    session = spark or get_session(APPLICATION)
    return make_report(session, opened, os.fspath(output), comparisons, changes)
