"""Record what each cluster's rows depend on, stage by stage, so that only changes are redone.

A cluster's rows do not depend on other clusters: keys are hashes of names, random numbers are keyed
by cluster and source, and a source in two cones has a row for each. So they follow from the parts
named here.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ocspark.catalogue.code_key import code_keys
from ocspark.catalogue.fingerprint import mirror_facts, model_digest, release_digest
from ocspark.catalogue.inputs import RunInputs
from ocspark.sky.healpix import index_ranges
from ocspark.store.folder import digest


@dataclass(frozen=True)
class Stage:
    """A stage of a run.

    Attributes
    ----------
    name : str
        Name of the stage.
    tables : tuple of str
        Tables that it writes.
    parts : tuple of str
        What they depend on in addition to the stages before.
    """

    name: str
    tables: tuple[str, ...]
    parts: tuple[str, ...]


#: The stages in order; each also depends on everything that those before it depend on.
STAGES = (
    Stage(
        "search",
        ("_search", "_counts", "_lacking", "_cells"),
        ("release", "cluster row", "member list", "mirror", "search settings", "search code"),
    ),
    Stage(
        "characterise",
        ("_models", "training_members"),
        ("isochrone", "member settings", "characterise code"),
    ),
    Stage(
        "membership",
        ("candidates", "non_members"),
        ("model", "membership settings", "device", "carried columns", "membership code"),
    ),
    Stage(
        "posterior",
        ("_claims", "_fits", "luminosity_functions"),
        ("posterior settings", "posterior code"),
    ),
)
#: Increased whenever the meaning of a part changes.
_FORMAT = 2


@dataclass(frozen=True)
class Dependence:
    """Digests of the parts that rows depend on.

    Attributes
    ----------
    shared : dict
        Digests by part that are the same for all clusters.
    clusters : dict
        By cluster_key as text, its own digests by part.
    """

    shared: dict[str, str]
    clusters: dict[str, dict[str, str]]

    def as_json(self) -> dict[str, Any]:
        """Return the dependence as JSON, for `from_json`."""
        return {"format": _FORMAT, **asdict(self)}

    @staticmethod
    def from_json(tree: dict[str, Any]) -> Dependence | None:
        """Return the dependence that `as_json` wrote, or None if its format is another."""
        if tree.get("format") != _FORMAT:
            return None
        return Dependence(tree["shared"], tree["clusters"])


def changes(old: Dependence, new: Dependence) -> dict[str, dict[int, list[str]]]:
    """Return by stage the clusters of `new` whose rows differ from those of `old`, and why."""
    shared = {part for part in new.shared if old.shared.get(part) != new.shared[part]}
    result: dict[str, dict[int, list[str]]] = {stage.name: {} for stage in STAGES}
    for key, own in new.clusters.items():
        before = old.clusters.get(key)
        if before is None:
            for stage in STAGES:
                result[stage.name][int(key)] = ["new cluster"]
            continue
        changed = shared | {part for part in own if before.get(part) != own[part]}
        why: list[str] = []
        for stage in STAGES if changed else ():
            why = why + [part for part in stage.parts if part in changed]
            if why:
                result[stage.name][int(key)] = why
    return result


def depends_on(inputs: RunInputs, device: str) -> Dependence:
    """Return what the rows of the clusters that have a cone depend on.

    Parameters
    ----------
    inputs : RunInputs
        Inputs of the run.
    device : str
        Kind of device that evaluates the network, ``cpu`` or ``gpu``.
    """
    settings = inputs.settings
    code = code_keys()
    shared = {
        "release": release_digest(inputs.release),
        "search settings": digest(settings.search.model_dump()),
        "member settings": digest([inputs.levels, settings.members.min_members]),
        "model": model_digest(inputs.network),
        "membership settings": digest(settings.membership.model_dump(exclude={"device"})),
        "posterior settings": digest([settings.posterior.model_dump(), settings.membership.seed]),
        "device": device,
        "carried columns": carried_digest(inputs),
        **{f"{stage.name} code": code[stage.name] for stage in STAGES},
    }
    keys = inputs.cones.table["cluster_key"].tolist()
    clusters = inputs.clusters.table.set_index("cluster_key").loc[keys]
    members = dict(list(inputs.possible_members().groupby("cluster_key")))
    mirror, isochrones = _mirror(inputs), _isochrones(inputs, clusters)
    own = {
        str(key): {
            "cluster row": digest(row),
            "member list": _table(members[key]) if key in members else "",
            "mirror": mirror[place],
            "isochrone": isochrones[place],
        }
        for place, (key, row) in enumerate(zip(keys, clusters.to_dict("records"), strict=True))
    }
    return Dependence(shared, own)


def carried_digest(inputs: RunInputs) -> str:
    """Return a digest of the columns that are carried over from the mirror to the candidates.

    For a table it includes their values; for files the footers do.
    """
    columns = [
        (c.column, c.field.name, c.field.type.simpleString())
        for c in inputs.columns_to_carry.carried
    ]
    values = [file.carried_sha256 for file in inputs.files if file.carried_sha256]
    return digest([columns, values])


def _mirror(inputs: RunInputs) -> list[str]:
    """Return a digest of the files that each cone touches, in the order of the cones."""
    facts = mirror_facts(inputs.files)
    pieces = [f.file for f in inputs.files]
    placed = [(i, piece.pixel) for i, piece in enumerate(pieces) if piece.pixel is not None]
    everywhere = digest([facts[i] for i, piece in enumerate(pieces) if piece.pixel is None])
    low, high = index_ranges([pixel for _, pixel in placed])
    cover, result = inputs.cones.cover, []
    by_cone = np.argsort(cover.cone, kind="stable")  # ranges of one cone stay sorted
    ends = np.searchsorted(cover.cone[by_cone], np.arange(len(inputs.cones.table) + 1))
    for first, last in pairwise(ends):
        touched = np.flatnonzero(cover.take(by_cone[first:last]).touches(low, high))
        result.append(digest([everywhere, *(facts[placed[i][0]] for i in touched)]))
    return result


def _isochrones(inputs: RunInputs, clusters: pd.DataFrame) -> list[str]:
    """Return a digest of each cluster's isochrone, in the order of the clusters."""
    grid, known, result = inputs.isochrones, dict[tuple[float, float], str](), []
    for wanted in clusters[["log_age", "metallicity"]].itertuples(index=False, name=None):
        place = grid.place(*wanted)
        if place not in known:
            known[place] = _table(grid.at(*place).points)
        result.append(known[place])
    return result


def _table(rows: pd.DataFrame) -> str:
    """Return a digest of the rows of a table, in their order."""
    hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()
