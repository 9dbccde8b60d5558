"""Compare the columns of a file, folder, mirror or table with a release, from one header alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from ocspark.build.headers import read_headers
from ocspark.build.wanted import LAYOUT_COLUMNS
from ocspark.mirror.columns import expected_types, foreign_columns
from ocspark.release import Release, known_releases, load_release
from ocspark.tables.source_columns import BY_NAME, matching
from ocspark.units import same_unit, to_unit


@dataclass
class SchemaReport:
    """The comparison of columns with a release: lines of text by kind.

    Attributes
    ----------
    path : str
        What was read: a file, and the table's name or number if the file has several.
    release : Release
    n_columns : int
    found : list of str
        Canonical names that are there.
    missing : list of str
        Columns that a calculation needs and that are not there.
    twice : list of str
        Columns that are there under two spellings.
    types : list of str
        Columns of a type that does not do.
    units : list of str
        Columns in a unit that is not known or of another kind than the column's.
    converted : list of str
        Columns in another unit than Gaia's, which a build converts and no mirror may have.
    n_units : int
        Columns that tell a unit.
    foreign : list of str
        Columns that only another release has.
    renamed : list of str
        Columns found under another spelling or letter case than the first.
    unused : list of str
        Columns of the description that are not there and that no calculation needs.
    unexpected : list of str
        Columns that the description does not name.
    """

    path: str
    release: Release
    n_columns: int
    found: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    n_units: int = 0
    foreign: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All that keeps this from being read as the release.

        Columns of another release do so only where no ``ref_epoch`` can tell that it is this one.
        """
        undecided = self.foreign if "ref_epoch" not in self.found else []
        return [*self.missing, *self.twice, *self.types, *self.units, *undecided]

    def lines(self) -> Iterator[str]:
        """Yield the report as lines to read."""
        draft = ", a draft" if self.release.draft else ""
        yield f"{self.path}: {self.n_columns} columns, against {self.release.name}{draft}"
        for title, texts in (
            ("MISSING", self.missing),
            ("TWICE", self.twice),
            ("TYPE", self.types),
            ("UNIT", self.units),
            ("FOREIGN", self.foreign),
            ("unit", self.converted),
            ("renamed", self.renamed),
            ("not there", self.unused),
        ):
            for text in texts:
                yield f"{title:<11}{text}"
        if self.n_units:
            yield f"{'units':<11}told of {self.n_units} columns"
        if self.unexpected:
            yield f"{'others':<11}{len(self.unexpected)}: {', '.join(self.unexpected)}"
        if not self.faults:
            yield f"{'ok':<11}all {len(self.release.needed)} columns that {self.release.name} needs"


def compare_schemas(
    path: str, release: str | None = None, spark: SparkSession | None = None
) -> list[SchemaReport]:
    """Compare what one header or footer tells with a release; a report for each table of a file.

    Parameters
    ----------
    path : str
        A table of sources in any format that mirrors are built of, a folder of them, a HATS
        catalogue, a Parquet directory, or ``table:NAME``.
    release : str, optional
        By default the one of ``conf/releases`` that fits a table best.
    spark : SparkSession, optional
        Only a table needs one.

    Raises
    ------
    InputError
        If there is nothing to read.
    """
    names = [release] if release is not None else known_releases()
    releases = [load_release(name) for name in names]
    return [
        min(
            (report_schema(label, schema, one) for one in releases),
            key=lambda report: len(report.faults),
        )
        for label, schema in read_headers(path, spark)
    ]


def compare_schema(
    path: str, release: str | None = None, spark: SparkSession | None = None
) -> SchemaReport:
    """Return the report of the table that fits best; see `compare_schemas`."""
    return min(compare_schemas(path, release, spark), key=lambda report: len(report.faults))


def report_schema(path: str, schema: pa.Schema, release: Release) -> SchemaReport:
    """Compare columns with a release; a column of the null type is one whose type is not told."""
    names = [name for name in schema.names if name not in LAYOUT_COLUMNS]
    report = SchemaReport(path, release, len(names))
    used: set[str] = set()
    for name, spellings in release.columns.items():
        found = matching(names, spellings)
        used.update(found)
        if len(found) > 1:
            report.twice.append(f"{name}: {' and '.join(found)}; expected one of them")
        elif found:
            report.found.append(name)
            kind = str(schema.field(found[0]).type)
            if kind != "null" and kind not in expected_types(name):
                expected = expected_types(name)[-1]
                report.types.append(f"{found[0]} is {kind}; expected {expected}")
            _compare_unit(report, found[0], schema.field(found[0]), BY_NAME[name].unit)
            if found[0] != spellings[0]:
                report.renamed.append(f"{name}: {found[0]}; first spelling {spellings[0]}")
    report.unexpected = [name for name in names if name not in used]
    for name, spellings in release.columns.items():
        if matching(names, spellings):
            continue
        label = name if spellings == (name,) else f"{name} ({' or '.join(spellings)})"
        if name in release.needed:
            like = dict.fromkeys(
                other
                for word in (name, *spellings)
                for other in difflib.get_close_matches(word, report.unexpected, 3, 0.6)
            )
            hint = f"; like it: {', '.join(like)}" if like else ""
            report.missing.append(f"{label}, for {_USES[BY_NAME[name].use]}{hint}")
        else:
            report.unused.append(f"{label}; no calculation needs it")
    for column, other in foreign_columns(names, release).items():
        report.foreign.append(f"{column} is {other}'s; no matter where ref_epoch agrees")
    return report


def _compare_unit(report: SchemaReport, name: str, told: pa.Field, wanted: str) -> None:
    given = (told.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")
    report.n_units += bool(given)
    if not given or same_unit(given, wanted):
        return
    try:
        to_unit(np.empty(0), given, wanted)
        report.converted.append(f"{name} is in {given}; a build converts it to {wanted}")
    except ValueError as error:
        report.units.append(f"{name} {error}")


_USES = {
    "always": "every calculation",
    "correlations": "sampling (see correlations)",
    "n_obs": "errors of magnitudes (see magnitude_errors)",
    "flux_errors": "errors of magnitudes (see magnitude_errors)",
    "recipe": "the parallax zero point (see zero_point)",
    "bias": "the parallax zero point (see zero_point)",
}
