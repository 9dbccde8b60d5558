"""A cluster catalogue of the literature with its names, ready to be matched with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, OPTIONAL, canonical_clusters
from ocspark.inputs.column_maps import column_map
from ocspark.names import matching_name


@dataclass(frozen=True)
class Catalogue:
    """A cluster catalogue.

    Attributes
    ----------
    name : str
        What its values' source is called.
    table : DataFrame
        Canonical columns, NaN for values that it lacks, sorted by name.
    names, aliases : list of set of str
        Of each row, in the form of `matching_name`.
    alias_labels : list of list of str
        The aliases of each row as the catalogue writes them.
    """

    name: str
    table: pd.DataFrame
    names: list[set[str]]
    aliases: list[set[str]]
    alias_labels: list[list[str]]


def read_catalogue(text: str, key: str, tables: Mapping[str, str] | None = None) -> Catalogue:
    """Read a catalogue given as ``MAP=FILE``, or ``FILE`` with the columns of a shipped map.

    Parameters
    ----------
    text : str
        FILE is any table that `ocspark.inputs.files.read_table` reads; MAP is a file with
        ``clusters.columns``, or the name of one in ``conf/catalogues`` or ``conf``. Without MAP
        the columns have their canonical names or those of a shipped map.
    key : str
        What errors start with.
    tables : mapping, optional
        Name of a catalogue to which table of its file it is, where that has several.

    Raises
    ------
    InputError
        For a map or table that cannot be read, a mapped column that is missing, a value that
        cannot be, or a name twice.
    """
    name, equals, path = text.partition("=")
    wanted = ["cluster"]
    if equals:
        columns, name = column_map(name, key), PurePath(name).stem
    else:
        columns, name, path = {}, PurePath(text.removeprefix("table:")).stem, text
        wanted += ["ra", "dec"]  # Cluster alone is a column of many catalogues
    chosen = (tables or {}).get(name)
    rows, _ = canonical_clusters(path, columns, wanted, key, chosen)
    table = rows.drop_duplicates()
    for column in (*CLUSTER_COLUMNS, *OPTIONAL):
        if column not in table:
            table[column] = "" if column == "aliases" else np.nan
    # some catalogues give several names in one field; the first is the name
    given = [[part.strip() for part in cell.split(",")] for cell in table["cluster"]]
    table["cluster"] = [names[0] for names in given]
    labels = [
        names[1:] + [part.strip() for part in cell.split(",") if part.strip()]
        for names, cell in zip(given, table["aliases"], strict=True)
    ]
    table["alias_labels"] = labels
    table["name"] = table["cluster"].map(matching_name)
    table = table.sort_values("name", kind="stable", ignore_index=True)
    twice = table["name"].duplicated()
    if twice.any():
        first = table.loc[table["name"] == table.loc[twice, "name"].iloc[0], "cluster"].tolist()
        raise InputError(f"{key}: {path}: cluster {first[0]!r} is there twice, as {first[1]!r}")
    names = [{own} for own in table.pop("name")]
    labels = table.pop("alias_labels").tolist()
    aliases = [
        {matching_name(label) for label in row} - own
        for row, own in zip(labels, names, strict=True)
    ]
    return Catalogue(name, table, names, aliases, labels)
