"""Column maps: what published catalogues call the columns that the jobs need, tried by name."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import yaml

from ocspark import storage
from ocspark.errors import InputError
from ocspark.inputs.columns import columns_setting, missing_columns
from ocspark.names import did_you_mean
from ocspark.settings import conf_path

log = logging.getLogger("ocspark")

#: How CDS spells the same columns elsewhere: in ReadMe files and in tables made from them.
_SAME = {"radeg": "raicrs", "dedeg": "deicrs", "decicrs": "deicrs"}
#: A map is named as near to a table that has at least this share of what is needed.
_NEAR = 0.5


@dataclass(frozen=True)
class ColumnMap:
    """The columns of one catalogue, or of one file of it.

    Attributes
    ----------
    name : str
        Name of its file in ``conf/catalogues`` or ``conf``; "" for no map's.
    columns : mapping
        Canonical name to the column.
    """

    name: str
    columns: Mapping[str, str]


#: Canonical names, and nobody's map.
NO_MAP = ColumnMap("", {})


def choose_columns(
    there: Iterable[str],
    given: Mapping[str, str] | str,
    wanted: Sequence[str],
    optional: Sequence[str],
    section: str,
    where: tuple[str, str],
) -> ColumnMap:
    """Return the columns of a file: as given, under their canonical names, or as a map has them.

    Parameters
    ----------
    there : iterable of str
        The file's columns.
    given : mapping or str
        What the user has given: canonical name to column, or a map's name or path. With nothing
        given and no canonical names in the file, all shipped maps are tried.
    wanted, optional : sequence of str
        Canonical names that the file must have, and that it may have.
    section : str
        Which part of the maps counts: ``clusters`` or ``members``.
    where : (str, str)
        The setting and the file, for the log and errors.

    Raises
    ------
    InputError
        If no map fits, or several that differ; for a map that cannot be read, or does not fit.
    """
    key, path = where
    setting = columns_setting(key)
    there = [str(name) for name in there]
    names = [*wanted, *optional]
    if isinstance(given, str):
        own = ColumnMap(Path(given).stem, column_map(given, setting, section))
        found = _found(own, there, names)
        _check_all(there, found, wanted, where, f", which the map {given} needs")
        return ColumnMap(own.name, found)
    tried = [(_found(own, there, names), own) for own in shipped_maps(section)]
    lower = {name.lower() for name in there}
    if all(given.get(name, name).lower() in lower for name in wanted):
        return ColumnMap("", given)
    fitting = [(found, own) for found, own in tried if found.keys() >= set(wanted)]
    if given or not fitting:
        _refuse(there, given, tried, wanted, section, where)
    best = max(len(found) for found, _ in fitting)
    fitting = [(found, own) for found, own in fitting if len(found) == best]
    found, own = fitting[0]
    if any(other != found for other, _ in fitting):
        labels = " and ".join(map_label(own) for _, own in fitting)
        raise InputError(
            f"{key}: {path}: its columns fit {labels}; expected {setting} to name one of them"
        )
    log.info("%s: %s: columns as in %s", key, path, map_label(own))
    return ColumnMap(own.name, found)


def column_map(name: str, key: str, section: str = "clusters") -> dict[str, str]:
    """Return the columns of a map, a YAML file, by its path or its name in ``conf``.

    Parameters
    ----------
    name : str
        Path or URI, or name of a file in ``conf/catalogues`` or ``conf`` without its suffix.
    key : str
        What errors start with.
    section : str
        ``clusters`` or ``members``.

    Raises
    ------
    InputError
        If there is no such file, or it has no ``columns`` in that section.
    """
    found = next((file for file in (name, str(_file(name))) if storage.is_file(file)), None)
    if found is None:
        known = [own.name for own in shipped_maps(section)]
        near = did_you_mean(name, known) or f"; expected a file or one of {', '.join(known)}"
        raise InputError(f"{key}: {name}: no such column map{near}")
    try:
        columns = yaml.safe_load(storage.read_text(found))[section]["columns"]
        return {str(k): str(v) for k, v in columns.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise InputError(f"{key}: {found}: expected a YAML file with {section}.columns") from None


def map_label(own: ColumnMap) -> str:
    """Return what messages call a shipped map: its name and file."""
    return f"{own.name} ({_file(own.name).relative_to(conf_path().parent)})"


def _file(name: str) -> Path:
    own = conf_path("catalogues", f"{name}.yaml")
    return own if own.is_file() else conf_path(f"{name}.yaml")


@cache
def shipped_maps(section: str) -> tuple[ColumnMap, ...]:
    """Return the maps of ``conf`` that have columns of a section, in order of name."""
    files = sorted([*conf_path("catalogues").glob("*.yaml"), conf_path("cantat_gaudin_2020.yaml")])
    trees = {file.stem: yaml.safe_load(file.read_text()) for file in files}
    return tuple(
        ColumnMap(name, tree[section]["columns"]) for name, tree in trees.items() if section in tree
    )


def _found(own: ColumnMap, there: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return those of some canonical names that a file has, as a map or as itself calls them."""
    found = {}
    for name in names:
        column = _column(own.columns.get(name, name), there)
        if column is not None:
            found[name] = column
    return found


def _column(wanted: str, there: Sequence[str]) -> str | None:
    """Return a file's column of a name, or the only one that differs from it in signs and case."""
    if wanted in there:
        return wanted
    alike = [column for column in there if _plain(column) == _plain(wanted)]
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    """Return a name without what formats replace: ``pmRA*`` is ``pmRA_`` as an ID in a VOTable."""
    plain = re.sub(r"[^a-z0-9]", "", str(name).lower())
    return _SAME.get(plain, plain)


def _check_all(
    there: Sequence[str],
    found: Mapping[str, str],
    wanted: Sequence[str],
    where: tuple[str, str],
    more: str,
) -> None:
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise InputError(f"{': '.join(where)}: {missing_columns(lacking, there)}{more}")


def _refuse(
    there: Sequence[str],
    given: Mapping[str, str],
    tried: Sequence[tuple[dict[str, str], ColumnMap]],
    wanted: Sequence[str],
    section: str,
    where: tuple[str, str],
) -> NoReturn:
    """Raise the error for a table that lacks columns, naming the nearest map or columns."""
    key, path = where
    setting = columns_setting(key)
    lower = {name.lower() for name in there}
    canonical = [name for name in wanted if given.get(name, name).lower() in lower]
    nearest, own = max(tried, key=lambda pair: len(pair[0].keys() & set(wanted)))
    lacking, more = [name for name in wanted if name not in canonical], ""
    if lower >= set(wanted):
        more = f"; its columns have the canonical names, so {setting} is not needed"
    elif len(nearest.keys() & set(wanted)) >= max(_NEAR * len(wanted), len(canonical) + 1):
        lacking = [name for name in wanted if name not in nearest] or lacking
        more = f"; it looks like {map_label(own)}, which "
        if nearest.keys() >= set(wanted):
            more += f"fits if {setting} is not given"
        else:
            more += "lacks them"
            if section == "clusters":
                more += ": jobs/merge_catalogues.py fills them from a catalogue that has them"
    else:
        known = {name: _known_column(name, there, section) for name in lacking}
        told = ", ".join(f"{name}: {column}" for name, column in known.items() if column)
        more = f"; perhaps {setting}: {{{told}}}" if told else ""
    shown = [
        name if given.get(name, name) == name else f"{given[name]} ({setting}: {name})"
        for name in lacking
    ]
    raise InputError(f"{key}: {path}: {missing_columns(shown, there)}{more}")


def _known_column(name: str, there: Sequence[str], section: str) -> str | None:
    """Return a column that some catalogue uses for a canonical name, or one of a like name."""
    spelled = [own.columns[name] for own in shipped_maps(section) if name in own.columns]
    known = (_column(spelling, there) for spelling in [name, *spelled])
    return next((column for column in known if column is not None), None)
