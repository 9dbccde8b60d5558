"""One cluster, found by its name or by values that are given: its members."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from ocspark import storage
from ocspark.analysis.mixture import MAX_G, SPACE, mixture_members
from ocspark.api.results import APPLICATION, Run
from ocspark.api.running import run, settings_of
from ocspark.api.search import search
from ocspark.errors import InputError, NoClusterError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, read_cluster, read_clusters
from ocspark.inputs.complete import NEEDED, complete_values
from ocspark.inputs.files import AnyTable
from ocspark.inputs.write import write_frame
from ocspark.reports.names import page_folders
from ocspark.session import get_session
from ocspark.settings import Settings
from ocspark.store.progress import messages_shown

log = logging.getLogger("ocspark")

#: The first list: stars to this projected radius [pc] that have at least this probability.
FIRST_RADIUS_PC, FIRST_PROBABILITY = 10.0, 0.9
_FIRST = T.StructType(
    [
        T.StructField("cluster", T.StringType()),
        T.StructField("source_id", T.LongType()),
        T.StructField("probability", T.DoubleType()),
    ]
)


@messages_shown()
def find_members(
    mirror: str | os.PathLike[str] | None = None,
    name: str = "",
    output: str | os.PathLike[str] | None = None,
    *,
    ra: float | None = None,
    dec: float | None = None,
    parallax: float | None = None,
    pmra: float | None = None,
    pmdec: float | None = None,
    log_age: float | None = None,
    a0: float | None = None,
    distance: float | None = None,
    pm_dispersion: float | None = None,
    parallax_dispersion: float | None = None,
    table: AnyTable | None = None,
    columns: Mapping[str, str] | str | None = None,
    first_members: Sequence[int] | None = None,
    spark: SparkSession | None = None,
    **sections: Any,
) -> Run:
    """Find the members of one cluster from what is known of it, without a member list.

    The method needs some certain members to learn the cluster's means, its extent and the support
    sets from. Without `first_members` they are stars with G < 17 within 10 pc of the centre: two
    Gaussians, the cluster's and the field's, are fitted to their parallaxes and proper motions,
    from the values given on, and those that belong to the cluster's with p >= 0.9 are taken.
    **They stand for a published list, and the result is no better than they are**: look at them
    (``is_training_member``; `plot` with kind "selection"), above all where the cluster stands out
    little. Of such first members of 14 known clusters, 88 to 100 % are in their published lists.

    Parameters
    ----------
    mirror : str, optional
        As the setting ``mirror.path``. Without it the cluster's cone is fetched from the Gaia
        archive, to 10 degrees or ``search={"max_radius_deg": …}``, and kept in the output's folder
        ``inputs``; values that are not given are looked up in Hunt & Reffert (2023) by the
        cluster's name, or by the position that CDS has for it. That needs a network and the extra
        ``fetch``.
    name : str
        What the cluster is called; with `table`, where it is looked up.
    output : str, optional
        Folder for runs, ``runs/NAME`` by default; `open_run` finds the newest there. The first
        list is in its ``inputs/``.
    ra, dec : float
        Centre [deg].
    parallax : float
        [mas]
    pmra, pmdec : float
        [mas/yr]
    log_age : float
        log10 of the age in years; the isochrone is the one nearest to it.
    a0 : float, optional
        Extinction [mag]; 0 by default.
    distance : float, optional
        [pc]; 1000/parallax by default.
    pm_dispersion, parallax_dispersion : float, optional
        Of its stars [mas/yr, mas]; ten times these bound the search. By default those of 1 km/s
        and 10 pc, with typical errors.
    table : path or table, optional
        A cluster table, in a file or in memory: what is not given is taken from the row called
        `name`. It needs the columns of what has no default above.
    columns : mapping or str, optional
        Canonical name to the table's column; or the name or path of a column map, such as
        "cantat_gaudin_2020_vizier". Without it the maps of ``conf/catalogues`` are tried.
    first_members : sequence of int, optional
        source_id of certain members (15 or more), in place of the fit.
    spark : SparkSession, optional
    **sections
        As in `run`: ``membership={"n_samples": 200}``, ``isochrones=…``, ``model=…``.

    Returns
    -------
    Run
        `members_of` and `plot` take it.

    Raises
    ------
    InputError
        For values that are missing, too few first members, or a server that cannot be reached.

    Examples
    --------
    With a network, ``ocspark.find_members(name="NGC 2682")`` is enough. With a mirror:

    >>> import ocspark
    >>> own = ocspark.find_members(
    ...     "gaia_dr3", "Mine", "runs/mine",
    ...     ra=0.02, dec=20.0, parallax=0.667, pmra=2.0, pmdec=-3.0, log_age=8.4, a0=0.3,
    ... )
    >>> members = ocspark.members_of(own, "Mine")
    >>> members[["source_id", "probability", "p_low", "p_high"]].head(1)
               source_id  probability     p_low    p_high
    0 ...
    """
    given: dict[str, float | None] = {
        "ra": ra,
        "dec": dec,
        "pmra": pmra,
        "pmdec": pmdec,
        "pmra_dispersion": pm_dispersion,
        "pmdec_dispersion": pm_dispersion,
        "parallax": parallax,
        "parallax_dispersion": parallax_dispersion,
        "log_age": log_age,
        "a0": a0,
        "distance": distance,
    }
    if not name:
        raise InputError("name: expected what the cluster is called")
    folder = page_folders([name])[name]
    root = storage.join("runs", folder) if output is None else os.fspath(output)
    if mirror is None:
        from ocspark.api.own_archive import bounded, look_up, mirror_of

        sections = bounded(sections)
        values = look_up(name, given, storage.join(root, "inputs"), table, columns)
    else:
        if table is not None:
            wanted = [key for key in NEEDED if given[key] is None]
            found = read_cluster(table, columns or {}, name, wanted, "table")
            given = {**found, **{key: value for key, value in given.items() if value is not None}}
        values = complete_values(given)
    cluster = {"cluster": name, **values}
    file = storage.join(root, "inputs", folder)
    places = {
        "mirror": "from the archive" if mirror is None else os.fspath(mirror),
        "clusters": f"{file}.parquet",
        "members": {
            "path": f"{file}_first.parquet",
            "min_probability": FIRST_PROBABILITY,
        },
        "output": root,
    }
    settings = settings_of(sections, places)
    table_of_one = pd.DataFrame([cluster], columns=list(CLUSTER_COLUMNS))
    write_frame(table_of_one, settings.clusters.path)
    written = read_clusters(settings.clusters.path, {}).table
    if fault := written["fault"].iloc[0]:  # named before Spark starts, as a value out of range is
        raise InputError(f"find_members: {name!r}: {fault}")
    session = spark or get_session(APPLICATION)
    if mirror is None:
        settings = mirror_of(written, settings, storage.join(root, "inputs"), session)
    if first_members is None:
        first = _first_members(session, settings, cluster)
    else:
        first = pd.DataFrame({"source_id": list(first_members)}).assign(
            cluster=name, probability=1.0
        )
    write_frame(first, settings.members.path)
    try:
        return run(settings, spark=session)
    except NoClusterError as error:
        raise InputError(
            f"first_members: {name!r}: {error.reasons[name]}; expected source_id of certain "
            "members, or values nearer to the cluster's"
        ) from None


def _first_members(
    spark: SparkSession, settings: Settings, cluster: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the first list of one cluster."""
    sigmas, mean = settings.search.sigmas, [float(cluster[name]) for name in SPACE]
    dispersion = [float(cluster[f"{name}_dispersion"]) for name in SPACE]
    cone = {
        **{name: [cluster[name]] for name in ("cluster", "ra", "dec", *SPACE)},
        "radius_deg": [math.degrees(FIRST_RADIUS_PC / cluster["distance"])],
        "parallax_limit": [sigmas * dispersion[0]],
        "pm_limit": [sigmas * math.hypot(*dispersion[1:]) / math.sqrt(2.0)],
    }
    found = search(settings.mirror.path, cone, release=settings.release, spark=spark)
    found = found.select("cluster", "source_id", *SPACE, "phot_g_mean_mag")

    def fit(group: pd.DataFrame) -> pd.DataFrame:
        group = group.sort_values("source_id")
        stars = {str(name): group[name].to_numpy() for name in group}
        ids, probability = mixture_members(stars, mean, dispersion)
        rows = pd.DataFrame({"source_id": ids, "probability": probability})
        return rows[probability >= FIRST_PROBABILITY].assign(cluster=group["cluster"].iloc[0])

    bright = found.where(f"phot_g_mean_mag < {MAX_G}").groupBy("cluster")
    first = bright.applyInPandas(fit, _FIRST).toPandas()
    log.info("%s: %d first members", cluster["cluster"], len(first))
    needed = settings.members.min_members
    if len(first) < needed:
        raise InputError(
            f"first_members: {cluster['cluster']!r}: {len(first)} stars stand out around the "
            f"values given, needs {needed}; expected source_id of certain members, or values "
            "nearer to the cluster's"
        )
    return first.sort_values("source_id", ignore_index=True)
