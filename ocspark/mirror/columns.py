"""Find the columns of a mirror that a release needs, in any letter case or spelling."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from pyspark.sql import types as T

from ocspark.errors import InputError
from ocspark.tables.fields import Field
from ocspark.tables.source_columns import BY_NAME, COLOURS, SOURCE_COLUMNS, matching
from ocspark.units import same_unit

if TYPE_CHECKING:
    from ocspark.release import Release

#: Name of the order-29 nested HEALPix index in rows that Spark reads (`ocspark.mirror.read`).
HEALPIX = "healpix_29"

_SPARK_TYPES = {
    "bool": T.BooleanType(),
    "int8": T.ByteType(),
    "int16": T.ShortType(),
    "int32": T.IntegerType(),
    "int64": T.LongType(),
    "uint8": T.ShortType(),  # Spark has no unsigned types
    "uint16": T.IntegerType(),
    "uint32": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "string": T.StringType(),
    "large_string": T.StringType(),
}


class CarriedColumn(NamedTuple):
    """A column that goes from the mirror to the candidates unchanged.

    `column` is its name in the mirror, `field` what candidates have.
    """

    column: str
    field: Field


@dataclass(frozen=True)
class MirrorColumns:
    """The columns to read of a mirror, and what a source must have to be kept (method §1).

    Attributes
    ----------
    names : mapping
        Canonical name to the mirror's column.
    optional : frozenset of str
        Canonical names that a kept source may lack.
    carried : tuple of CarriedColumn
    """

    names: Mapping[str, str]
    optional: frozenset[str]
    carried: tuple[CarriedColumn, ...] = ()

    @cached_property
    def reasons(self) -> list[str]:
        """Why a source is not kept, in the order of the bits of `canonical_sources`."""
        reasons = []
        for column in SOURCE_COLUMNS:
            if column.name in self.names and column.name not in self.optional:
                reasons.append(f"{column.name} is missing")
                if column.demand == "positive":
                    reasons.append(f"{column.name} is not positive")
        if set(COLOURS) <= self.names.keys():
            reasons.append(f"{' and '.join(COLOURS)} are missing")
        return reasons

    def canonical(self) -> MirrorColumns:
        """Return the same for rows that have canonical names already."""
        return replace(self, names={name: name for name in self.names})

    def without_carried(self) -> MirrorColumns:
        """Return the columns that the method itself needs."""
        return replace(self, carried=())


def find_columns(
    there: Collection[str],
    release: Release,
    path: str,
    epochs: tuple[float, float] | None = None,
) -> tuple[MirrorColumns, str | None]:
    """Find the columns that a release's calculations need in a file or table.

    Parameters
    ----------
    there : collection of str
        Its columns.
    release : Release
    path : str
        For errors.
    epochs : (float, float), optional
        Least and greatest ``ref_epoch`` in it, where known.

    Returns
    -------
    MirrorColumns
    str or None
        A warning: columns of another release, though the epoch is this one's.

    Raises
    ------
    InputError
        Naming all that are missing or there twice; if the epoch is another release's; for columns
        of another release where the epoch is not known.
    """
    names, missing, faults = {}, [], []
    for name in release.needed:
        spellings = release.columns[name]
        found = matching(there, spellings)
        if not found:
            missing.append(" or ".join(spellings))
        elif len(found) > 1:
            faults.append(f"columns {' and '.join(found)} are both there; expected one of them")
        else:
            names[name] = found[0]
    if missing:
        one = len(missing) == 1
        words = ("column", "is") if one else ("columns", "are")
        faults.insert(0, f"{words[0]} {', '.join(missing)} {words[1]} missing")
    agrees = epochs is not None and epochs[0] == epochs[1] == release.epoch
    if epochs is not None and not agrees:
        span = " to ".join(f"{epoch:g}" for epoch in dict.fromkeys(epochs))
        faults.append(f"ref_epoch is {span}; expected {release.epoch:g} of {release.name}")
    foreign = foreign_columns(there, release)
    warning = None
    if foreign:
        like = ", ".join(sorted(set(foreign.values())))
        text = f"column {', '.join(foreign)} is not of this release: looks like {like}"
        if agrees:
            warning = f"{path}: {text}; taken for {release.name} by its ref_epoch"
        else:
            faults.append(text)
    if faults:
        raise InputError(f"mirror.path: {path}: {'; '.join(faults)}")
    optional = {n for n in names if BY_NAME[n].demand == "optional"}
    if release.correlations == "zero_where_missing":
        optional |= {n for n in names if BY_NAME[n].use == "correlations"}
    return MirrorColumns(names, frozenset(optional)), warning


def find_optional(there: Iterable[str], release: Release, name: str) -> str | None:
    """Return the column of a canonical name that need not be there, None if it is not."""
    found = matching(there, release.columns.get(name, ()))
    return found[0] if len(found) == 1 else None


def foreign_columns(there: Iterable[str], release: Release) -> dict[str, str]:
    """Return the columns that the release does not have, to the release that has them."""
    lower = {name.lower(): other for name, other in release.foreign.items()}
    own = {name.lower() for spellings in release.columns.values() for name in spellings}
    return {n: lower[n.lower()] for n in there if n.lower() in lower.keys() - own}


def expected_types(name: str) -> tuple[str, ...]:
    """Return the types, as Arrow calls them, that a column should have; the likeliest last."""
    if name == "source_id":
        return ("int64",)
    if name in ("ra", "dec"):
        return ("double",)  # single precision moves a star by arcseconds
    if not BY_NAME[name].is_integer:
        return ("float", "double")
    return ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "double", "float")


def check_type(name: str, column: str, kind: pa.DataType, path: str) -> None:
    """Check the type of the column that holds the canonical column `name`.

    Raises
    ------
    InputError
        If it is not a number, or source_id not int64.
    """
    if name == "source_id":
        fits, expected = pa.types.is_int64(kind), "int64"
    else:
        fits = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
        expected = "a number"
    if not fits:
        raise InputError(f"mirror.path: {path}: column {column} is {kind}; expected {expected}")


def check_unit(name: str, column: str, unit: str, path: str) -> None:
    """Check the unit that a mirror gives for the column that holds the canonical column `name`.

    Raises
    ------
    InputError
        If it is another than that of Gaia's own tables; a mirror that is built is converted.
    """
    expected = BY_NAME[name].unit
    if not same_unit(unit, expected):
        raise InputError(
            f"mirror.path: {path}: column {column} is in {unit}; expected "
            f"{expected or 'a number without unit'} (jobs/build_mirror.py converts units)"
        )


def carry(wanted: Sequence[str], schema: pa.Schema, path: str) -> tuple[CarriedColumn, ...]:
    """Return the columns of `output.columns` as a mirror's schema has them.

    Units, UCDs and descriptions are those of Gaia's data model (``conf/releases/gaia_source.csv``)
    or, for a column that it does not have, those in the schema's metadata; so is another unit.

    Raises
    ------
    InputError
        If one is not there, is there twice, or has a type that tables do not take.
    """
    carried: list[CarriedColumn] = []
    for name in wanted:
        found = matching(schema.names, [name])
        if len(found) != 1:
            state = "is missing" if not found else f"is there as {', '.join(found)}"
            raise InputError(f"output.columns: {path}: column {name} {state}; expected it once")
        field = schema.field(found[0])
        kind = spark_type(field.type)
        if kind is None:
            raise InputError(
                f"output.columns: {path}: column {name} is {field.type}; expected numbers, truth "
                "values or text"
            )
        given = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        notes = data_model().get(name.lower(), given)
        unit = notes.get("unit", "")
        if not same_unit(given.get("unit", ""), unit):
            unit = given["unit"]
        text = notes.get("description") or f"{found[0]}, as the mirror has it"
        column = Field(name, kind, unit, text, notes.get("ucd", ""))
        carried.append(CarriedColumn(found[0], column))
    return tuple(carried)


def carried_name(name: str) -> str:
    """Return the name of a carried column, which may also be that of a canonical one."""
    return f"carried {name}"


@cache
def data_model() -> dict[str, dict[str, str]]:
    """Return unit, ucd and description of Gaia's columns, by name, where they are known."""
    from ocspark.settings import conf_path  # here, since tasks need no settings

    text = conf_path("releases", "gaia_source.csv").read_text("utf-8")
    return {row["name"]: row for row in csv.DictReader(io.StringIO(text))}


def spark_type(kind: pa.DataType) -> T.DataType | None:
    """Return the Spark type that holds an Arrow type's values, None if there is none."""
    return _SPARK_TYPES.get(str(kind))
