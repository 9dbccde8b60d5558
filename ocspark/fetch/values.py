"""Look up a cluster's values by its name: in a table, in Hunt & Reffert (2023), at CDS."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocspark import storage
from ocspark.errors import InputError
from ocspark.fetch import vizier
from ocspark.fetch.client import Client
from ocspark.fetch.folder import Folder
from ocspark.inputs.clusters import REQUIRED, canonical_clusters, read_cluster
from ocspark.inputs.complete import NEEDED, complete_values
from ocspark.inputs.files import AnyTable
from ocspark.sky.sphere import separation_rad

log = logging.getLogger("ocspark")

#: The catalogue of VizieR in which a cluster is looked up: it has every value.
CATALOGUE, MAP = "hunt_reffert_2023", "hunt_2023"
#: A position is a cluster's if it is this near to its centre [deg], or within its radius.
NEAR_DEG = 0.1


def cluster_values(
    client: Client,
    name: str,
    given: Mapping[str, float | None],
    cache: str,
    *,
    table: AnyTable | None = None,
    columns: Mapping[str, str] | str | None = None,
    needed: Sequence[str] = NEEDED,
    key: str = "table",
) -> dict[str, float]:
    """Return a cluster's values: those that are given, else a table's, else a catalogue's.

    Parameters
    ----------
    client : Client
    name : str
    given : mapping
        Canonical name to value, or None.
    cache : path or URI
        Folder in which the catalogue is kept that VizieR sends.
    table : path or table, optional
        A cluster table that has the cluster. Without it, and with values missing, the cluster is
        looked up in Hunt & Reffert (2023) by its names, or by the position that CDS has for it.
    columns : mapping or str, optional
        Of `table`; see `ocspark.inputs.clusters.read_clusters`.
    needed : sequence of str
        Values that it must have.
    key : str
        What errors call `table`.

    Raises
    ------
    InputError
        If values are missing, naming them, or a server cannot be reached.
    """
    known = {key: value for key, value in given.items() if value is not None}
    missing = [key for key in needed if key not in known]
    found: dict[str, float] = {}
    where = ""
    if table is not None:
        found = read_cluster(table, columns or {}, name, missing, key)
    elif missing and missing != ["ra", "dec"]:
        place = (known["ra"], known["dec"]) if {"ra", "dec"} <= known.keys() else None
        found = _in_catalogue(client, name, place, cache)
        where = "" if found else f"{name!r} is not in Hunt & Reffert (2023); "
    if not {"ra", "dec"} <= {*known, *found}:
        ra, dec = resolve_name(name)
        found = {**found, "ra": ra, "dec": dec}
    return complete_values({**found, **known}, needed, where)


def values_of_clusters(
    client: Client,
    names: Sequence[str],
    given: Mapping[str, float | None],
    cache: str,
    *,
    table: str | None = None,
    columns: str | None = None,
) -> dict[str, dict[str, float]]:
    """Return the values of clusters that a cone needs, by name.

    Parameters
    ----------
    client, cache
        As for `cluster_values`.
    names : sequence of str
        None for all clusters of the table.
    given : mapping
        Values of the cluster, if it is one.
    table : path, optional
        A cluster table; its clusters that lack a value are left out, and counted in the log.
    columns : str, optional
        Name or path of the table's column map.

    Raises
    ------
    InputError
        If there are neither names nor a table, values for several clusters, or values missing.
    """
    key = "--clusters"
    needed = [name for name in NEEDED if name != "log_age"]
    if len(names) != 1 and any(value is not None for value in given.values()):
        raise InputError(f"NAME: got {len(names)} clusters; expected one where values are given")
    if names:
        options: dict[str, Any] = {"table": table, "columns": columns, "needed": needed, "key": key}
        return {name: cluster_values(client, name, given, cache, **options) for name in names}
    if table is None:
        raise InputError("NAME: expected names of clusters, or --clusters with a table of them")
    rows, _ = canonical_clusters(table, columns or {}, ["cluster", *needed], key)
    found: dict[str, dict[str, float]] = {}
    faults = []
    for row in rows.to_dict("records"):
        name = str(row["cluster"])
        known = {c: row[c] for c in REQUIRED if c in row and not np.isnan(row[c])}
        try:
            found[name] = complete_values(known, needed, f"{name}: ")
        except InputError as fault:
            faults.append(str(fault))
    if not found:
        raise InputError(f"{key}: {table}: no cluster has all values: {faults[0]}")
    if faults:
        log.warning("%d clusters are left out, the first as %s", len(faults), faults[0])
    return found


def resolve_name(name: str) -> tuple[float, float]:
    """Return the position [deg, ICRS] that CDS has for a name.

    Raises
    ------
    InputError
        If it has none, or cannot be reached.
    """
    from astropy.coordinates.name_resolve import NameResolveError, get_icrs_coordinates

    try:
        place = get_icrs_coordinates(name.replace("_", " "))
    except (NameResolveError, OSError) as error:
        unknown = str(error).startswith("Unable to find")
        why = "has no object of that name" if unknown else "cannot be reached; is there a network?"
        raise InputError(
            f"{name!r}: CDS (Sesame) {why}; expected ra and dec, or another name"
        ) from None
    return float(place.ra.deg), float(place.dec.deg)


def _in_catalogue(
    client: Client, name: str, place: tuple[float, float] | None, cache: str
) -> dict[str, float]:
    """Return what Hunt & Reffert (2023) have of a cluster, {} if they have not got it.

    `place` is its position [deg] if that is known: it counts where no name agrees.
    """
    wanted = vizier.wanted_table(client, CATALOGUE, vizier.SERVER)
    Folder(cache).fetch([wanted], "catalogue")
    path = storage.join(cache, wanted.name)
    rows, _ = canonical_clusters(path, MAP, ["cluster", "ra", "dec"], "catalogue")
    try:
        return read_cluster(path, MAP, name, [], "catalogue")
    except InputError:  # not by any of its names
        ra, dec = place or resolve_name(name)
    distance = np.degrees(separation_rad(ra, dec, rows["ra"].to_numpy(), rows["dec"].to_numpy()))
    nearest = int(np.argmin(distance))
    if distance[nearest] > max(NEAR_DEG, rows["radius_deg"].fillna(0.0).iloc[nearest]):
        return {}
    there = str(rows["cluster"].iloc[nearest])
    log.info("%s is %s of Hunt & Reffert (2023), by its position", name, there)
    return read_cluster(path, MAP, there, [], "catalogue")
