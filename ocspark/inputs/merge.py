"""Merge cluster catalogues: no cluster twice, every value with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.inputs import crossmatch
from ocspark.inputs.catalogues import Catalogue
from ocspark.inputs.clusters import REQUIRED
from ocspark.inputs.crossmatch import ALIAS, NAME, NEAR, RELATIONS, SAME, within
from ocspark.inputs.fill import GROUPS, fill, preferences
from ocspark.names import matching_name
from ocspark.tables.catalogues import DOUBTFUL_CLUSTERS, MERGED_CLUSTERS

#: What a catalogue must tell of a cluster to add it.
_ASTROMETRY = ["ra", "dec", "pmra", "pmdec", "parallax"]
_DISTANCES = [field.name for field in DOUBTFUL_CLUSTERS[5:]]


@dataclass(frozen=True)
class MergedCatalogue:
    """A merged table, what is doubtful in it, and counts.

    Attributes
    ----------
    table : DataFrame
        `MERGED_CLUSTERS`, sorted by name; the main job reads it as it is.
    doubtful : DataFrame
        `DOUBTFUL_CLUSTERS`.
    counts : dict
        By catalogue: clusters read, added, merged (by relation), not merged.
    """

    table: pd.DataFrame
    doubtful: pd.DataFrame
    counts: dict[str, dict[str, int]]


def merge_catalogues(
    adding: Sequence[Catalogue],
    filling: Sequence[Catalogue] = (),
    prefer: Mapping[str, Sequence[str]] | None = None,
) -> MergedCatalogue:
    """Merge catalogues.

    Two rows are one cluster if they share a name and are `crossmatch.NEAR`, or share none and are
    `crossmatch.SAME`; each row goes to one cluster at most, the best. Of values that a cluster
    has from several catalogues the first catalogue's stands, in the order given, and a group of
    `fill.GROUPS` is taken whole from one where it can be. What no catalogue has stays missing.

    Parameters
    ----------
    adding : sequence of Catalogue
        Their clusters make up the table.
    filling : sequence of Catalogue
        They only supply values for clusters of the others.
    prefer : mapping, optional
        A column, for its whole group, to names of catalogues that come before the others.

    Raises
    ------
    InputError
        For two catalogues of one name, or a preference for what is not there.
    """
    catalogues = [*adding, *filling]
    names = [catalogue.name for catalogue in catalogues]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--input, --fill: catalogue {name} is there twice; expected once")
    orders = preferences(names, prefer or {})
    merger = _Merger(catalogues)
    for number in range(len(catalogues)):
        merger.take(number, adds=number < len(adding))
    return merger.result(orders)


def _judged(pairs: pd.DataFrame) -> pd.DataFrame:
    """Say of pairs whether they are near, of one name but unlike, or may be merged.

    A row that is unlike the cluster of its name is nothing else either: it is left out.
    """
    known = pairs[_DISTANCES].notna().all(axis=1)
    near, same = within(pairs, NEAR), within(pairs, SAME)
    unlike = (pairs["relation"] == NAME) & known & ~near
    barred = pairs["j"].isin(pairs.loc[unlike, "j"])
    named = (pairs["relation"] <= ALIAS) & near
    untold = (pairs["relation"] == NAME) & ~known
    acceptable = (named | same | untold) & ~barred
    return pairs.assign(known=known, near=near, unlike=unlike, barred=barred, acceptable=acceptable)


class _Merger:
    """The clusters so far: which row of each catalogue they are, and what they are called."""

    def __init__(self, catalogues: Sequence[Catalogue]) -> None:
        self._catalogues = catalogues
        self._rows = np.empty((0, len(catalogues)), dtype=np.int64)  # -1: not in the catalogue
        self._names: list[set[str]] = []
        self._aliases: list[set[str]] = []
        self._labels: list[list[str]] = []  # all names as written, the cluster's own first
        self._origins: list[list[str]] = []
        self._doubts: list[dict[str, Any]] = []
        self._counts: dict[str, dict[str, int]] = {}

    def take(self, number: int, adds: bool) -> None:
        """Merge one more catalogue into the clusters so far."""
        catalogue = self._catalogues[number]
        pairs = _judged(self._pairs(catalogue))
        chosen = crossmatch.assign(pairs[pairs["acceptable"]])
        relations = dict(
            zip(zip(pairs["i"], pairs["j"], strict=True), pairs["relation"], strict=True)
        )
        how = [RELATIONS[relations[pair]] for pair in chosen]
        # what has the name of a cluster, and is not that cluster, cannot be another of that name
        taken = {j for _, j in chosen} | set(pairs.loc[pairs["relation"] == NAME, "j"])
        located = catalogue.table[_ASTROMETRY].notna().all(axis=1)
        new = [int(j) for j in np.flatnonzero(located) if j not in taken] if adds else []
        self._doubt_pairs(pairs, chosen, set(new), catalogue)
        for (i, j), by in zip(chosen, how, strict=True):
            self._join(i, j, number, by)
        for j in new:
            self._add(j, number)
        n_read = len(catalogue.table)
        self._counts[catalogue.name] = {
            "read": n_read,
            "added": len(new),
            **{f"by {relation}": how.count(relation) for relation in RELATIONS},
            "not merged": n_read - len(chosen) - len(new),
        }

    def _pairs(self, catalogue: Catalogue) -> pd.DataFrame:
        """Return all pairs that share a name or are near, with relation and distances."""
        so_far = self._values()
        named = crossmatch.named_pairs(
            self._names, self._aliases, catalogue.names, catalogue.aliases
        )
        near = crossmatch.near_pairs(so_far, catalogue.table)
        close = dict.fromkeys(zip(near["i"], near["j"], strict=True), crossmatch.POSITION)
        relations = {**close, **named}
        i, j = (np.array([pair[n] for pair in relations], dtype=np.int64) for n in (0, 1))
        pairs = crossmatch.distances(so_far, catalogue.table, i, j)
        pairs["relation"] = np.array(list(relations.values()), dtype=np.int64)
        return pairs.sort_values(["i", "j"], ignore_index=True)

    def _values(self) -> pd.DataFrame:
        usual = list(range(len(self._catalogues)))
        return fill(self._catalogues, self._rows, [usual] * len(GROUPS))[0]

    def _add(self, j: int, number: int) -> None:
        catalogue = self._catalogues[number]
        row = np.full((1, len(self._catalogues)), -1, dtype=np.int64)
        row[0, number] = j
        self._rows = np.concatenate((self._rows, row))
        self._names.append(set(catalogue.names[j]))
        self._aliases.append(set(catalogue.aliases[j]))
        self._labels.append([catalogue.table["cluster"].iloc[j], *catalogue.alias_labels[j]])
        self._origins.append([catalogue.name])

    def _join(self, i: int, j: int, number: int, how: str) -> None:
        catalogue = self._catalogues[number]
        name = catalogue.table["cluster"].iloc[j]
        self._rows[i, number] = j
        self._names[i] |= catalogue.names[j]
        self._aliases[i] |= catalogue.aliases[j]
        self._labels[i] += [name, *catalogue.alias_labels[j]]
        self._origins[i].append(f"{catalogue.name}: {name} ({how})")

    def _doubt_pairs(
        self,
        pairs: pd.DataFrame,
        chosen: Sequence[tuple[int, int]],
        new: set[int],
        catalogue: Catalogue,
    ) -> None:
        """List the pairs that were not merged although something says they should be."""
        merged = set(chosen)
        taken_i, taken_j = ({pair[n] for pair in chosen} for n in (0, 1))
        rows: Any = pairs.itertuples(index=False)
        for pair in rows:
            if (pair.i, pair.j) in merged:
                continue
            free = pair.known and not (pair.i in taken_i or pair.j in taken_j or pair.barred)
            if pair.unlike:
                reason = f"the same name, but unlike in {_unlike(pair)}"
            elif pair.acceptable:
                reason = f"several match (this one by {RELATIONS[pair.relation]})"
            elif free and pair.near:
                reason = "close, but not enough to be one under different names"
            elif free and pair.relation == ALIAS:
                reason = f"the same by an alias, but unlike in {_unlike(pair)}"
            else:
                continue
            outcome = "kept apart" if pair.j in new | taken_j else "not merged"
            other = catalogue.table["cluster"].iloc[pair.j]
            self._doubt(pair, other, catalogue.name, reason, outcome)

    def _doubt(self, pair: Any, other: str, catalogue: str, reason: str, outcome: str) -> None:
        told = [self._labels[pair.i][0], other, catalogue, reason, outcome]
        told += [getattr(pair, name) for name in _DISTANCES]
        names = [field.name for field in DOUBTFUL_CLUSTERS]
        self._doubts.append(dict(zip(names, told, strict=True)))

    def result(self, orders: Sequence[Sequence[int]]) -> MergedCatalogue:
        """Return the merged table; pairs of its rows that are near each other are doubtful too."""
        values, sources = fill(self._catalogues, self._rows, orders)
        aliases = self._doubt_rows(values)
        lacking = values[list(REQUIRED)].isna()
        table = pd.concat([values, sources], axis=1).assign(
            cluster=[labels[0] for labels in self._labels],
            aliases=aliases,
            catalogues=["; ".join(origins) for origins in self._origins],
            missing=[", ".join(lacking.columns[row]) for row in lacking.to_numpy()],
        )[[field.name for field in MERGED_CLUSTERS]]
        order = table["cluster"].map(matching_name).sort_values(kind="stable").index
        doubtful = pd.DataFrame(self._doubts, columns=[field.name for field in DOUBTFUL_CLUSTERS])
        doubtful = doubtful.sort_values(["cluster", "other", "catalogue"], ignore_index=True)
        return MergedCatalogue(table.loc[order].reset_index(drop=True), doubtful, self._counts)

    def _doubt_rows(self, values: pd.DataFrame) -> list[str]:
        """List rows of the table that are near each other or share a name; return the aliases.

        An alias that is a name of two clusters stays with neither.
        """
        owners: dict[str, list[int]] = {}
        for i, labels in enumerate(self._labels):
            for name in {matching_name(label) for label in labels}:
                owners.setdefault(name, []).append(i)
        near = crossmatch.near_pairs(values, values)
        reasons = dict.fromkeys(
            [(i, j) for i, j in zip(near["i"], near["j"], strict=True) if i < j],
            "close in position, proper motion and parallax",
        )
        kept = []
        for labels in self._labels:
            own: dict[str, str] = {}
            for label in labels[1:]:
                name, shared = matching_name(label), owners[matching_name(label)]
                if len(shared) == 1 and name != matching_name(labels[0]):
                    own.setdefault(name, label)
                elif len(shared) > 1:
                    reasons.setdefault((shared[0], shared[1]), f"both are called {label}")
            kept.append(", ".join(own.values()))
        first, second = (np.array([pair[n] for pair in reasons], dtype=np.int64) for n in (0, 1))
        listed = {frozenset((d["cluster"], d["other"])) for d in self._doubts}
        pairs: Any = crossmatch.distances(values, values, first, second).itertuples(index=False)
        for pair, reason in zip(pairs, reasons.values(), strict=True):
            other = self._labels[pair.j][0]
            if frozenset((self._labels[pair.i][0], other)) not in listed:
                self._doubt(pair, other, self._origins[pair.j][0], reason, "kept apart")
        return kept


def _unlike(pair: Any) -> str:
    words = ("position", "proper motion", "parallax")
    scaled = (pair.scaled_separation, pair.scaled_pm, pair.scaled_parallax)
    return ", ".join(w for w, s, most in zip(words, scaled, NEAR, strict=True) if not s < most)
