"""A cluster catalogue of the literature with its names, ready to be matched with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd
import yaml

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.clusters import CLUSTER_COLUMNS, OPTIONAL, canonical_clusters
from ocspark.names import matching_name
from ocspark.settings import conf_path


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
    """Read a catalogue given as ``MAP=FILE``, or ``FILE`` where names are canonical.

    Parameters
    ----------
    text : str
        MAP is a file with ``clusters.columns``, or the name of one in ``conf/catalogues`` or
        ``conf``; FILE is any table that `ocspark.inputs.files.read_table` reads.
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
    if equals:
        columns, name = column_map(name, key), PurePath(name).stem
    else:
        columns, name, path = {}, PurePath(text.removeprefix("table:")).stem, text
    chosen = (tables or {}).get(name)
    table = canonical_clusters(path, columns, ["cluster"], key, chosen).drop_duplicates()
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


def column_map(name: str, key: str) -> Mapping[str, str]:
    """Return ``clusters.columns`` of a file, or of a named one in ``conf/catalogues`` or ``conf``.

    Raises
    ------
    InputError
        If there is no such file, or it has no such mapping.
    """
    ours = [conf_path("catalogues", f"{name}.yaml"), conf_path(f"{name}.yaml")]
    found = next((file for file in [name, *map(str, ours)] if storage.is_file(file)), None)
    if found is None:
        known = sorted(file.stem for file in conf_path("catalogues").glob("*.yaml"))
        raise InputError(f"{key}: {name}: no such column map; expected a file or {known}")
    try:
        columns = yaml.safe_load(storage.read_text(found))["clusters"]["columns"]
        return {str(k): str(v) for k, v in columns.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise InputError(f"{key}: {found}: expected a YAML file with clusters.columns") from None
