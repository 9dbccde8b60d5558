"""What the columns of a file, folder, mirror or table are to a release, from one header alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.build.bulk import InputFile, file_kind, first_file
from ocspark.build.formats import LAYOUT_COLUMNS, Fault, csv_columns
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.mirror.columns import expected_types, foreign_columns
from ocspark.mirror.table import table_schema
from ocspark.release import Release, known_releases, load_release
from ocspark.tables.source_columns import BY_NAME, matching


@dataclass
class SchemaReport:
    """How columns agree with a release: lines of text by kind.

    Attributes
    ----------
    path : str
        What was read.
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
        return [*self.missing, *self.twice, *self.types, *undecided]

    def lines(self) -> Iterator[str]:
        """Yield the report as lines to read."""
        draft = ", a draft" if self.release.draft else ""
        yield f"{self.path}: {self.n_columns} columns, against {self.release.name}{draft}"
        for title, texts in (
            ("MISSING", self.missing),
            ("TWICE", self.twice),
            ("TYPE", self.types),
            ("FOREIGN", self.foreign),
            ("renamed", self.renamed),
            ("not there", self.unused),
        ):
            for text in texts:
                yield f"{title:<11}{text}"
        if self.unexpected:
            yield f"{'others':<11}{len(self.unexpected)}: {', '.join(self.unexpected)}"
        if not self.faults:
            yield f"{'ok':<11}all {len(self.release.needed)} columns that {self.release.name} needs"


def compare_schema(
    path: str, release: str | None = None, spark: SparkSession | None = None
) -> SchemaReport:
    """Compare what one header or footer tells with a release.

    Parameters
    ----------
    path : str
        A table of sources in any format that mirrors are built of, a folder of them, a HATS
        catalogue, a Parquet directory, or ``table:NAME``.
    release : str, optional
        By default the one of ``conf/releases`` that fits best.
    spark : SparkSession, optional
        Only a table needs one.

    Raises
    ------
    InputError
        If there is nothing to read.
    """
    file, schema = read_header(path, spark)
    if release is not None:
        return report_schema(file, schema, load_release(release))
    reports = [report_schema(file, schema, load_release(name)) for name in known_releases()]
    return min(reports, key=lambda report: len(report.faults))


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


_USES = {
    "always": "every calculation",
    "correlations": "sampling (see correlations)",
    "n_obs": "errors of magnitudes (see magnitude_errors)",
    "flux_errors": "errors of magnitudes (see magnitude_errors)",
    "recipe": "the parallax zero point (see zero_point)",
    "bias": "the parallax zero point (see zero_point)",
}


def read_header(path: str, spark: SparkSession | None = None) -> tuple[str, pa.Schema]:
    """Return what was read of `path`, and its columns; the null type where it is not told.

    Raises
    ------
    InputError
        If there is nothing to read.
    """
    if is_table(path):
        if spark is None:
            raise InputError(f"{path}: a table needs a Spark session")
        return path, to_arrow_schema(table_schema(spark, path))
    file = first_file(path)
    try:
        return file.path, _columns(file)
    except (Fault, pa.ArrowException, OSError, ValueError, ElementTree.ParseError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file.path}: its header cannot be read: {reason}") from None


def _columns(file: InputFile) -> pa.Schema:
    kind = file_kind(file.name)
    filesystem, inner = storage.resolve(file.path)
    if kind == "parquet":
        with filesystem.open_input_file(inner) as stream:
            return pq.read_schema(stream)
    if kind == "csv":
        return csv_columns(file)
    packed = "gzip" if file.name.lower().endswith(".gz") else None
    with filesystem.open_input_stream(inner, compression=packed) as stream:
        return _votable_columns(stream) if kind == "votable" else _fits_columns(stream)


def _votable_columns(stream: pa.NativeFile) -> pa.Schema:
    """Read the fields of a VOTable's first table, none of its rows."""
    kinds = {
        "boolean": pa.bool_(),
        "unsignedByte": pa.uint8(),
        "short": pa.int16(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
    }
    fields = []
    for _, element in ElementTree.iterparse(stream, events=["start"]):
        tag = element.tag.rpartition("}")[2]
        if tag == "FIELD":
            kind = kinds.get(element.get("datatype", ""), pa.string())
            fields.append(pa.field(element.get("name", ""), kind))
        elif tag == "DATA":
            break
    return pa.schema(fields)


def _fits_columns(stream: pa.NativeFile) -> pa.Schema:
    """Read the columns of a FITS file's first table from its header."""
    from astropy.io import fits

    kinds = {"L": pa.bool_(), "B": pa.uint8(), "I": pa.int16(), "J": pa.int32(), "K": pa.int64()}
    kinds |= {"E": pa.float32(), "D": pa.float64()}
    while True:
        header = fits.Header.fromfile(stream, endcard=True, padding=True)
        if "TFIELDS" in header:
            break
        size = abs(header["BITPIX"]) // 8 if header.get("NAXIS") else 0
        for axis in range(1, header.get("NAXIS", 0) + 1):
            size *= header[f"NAXIS{axis}"]
        stream.read(-(-size // 2880) * 2880)
    fields = []
    for number in range(1, header["TFIELDS"] + 1):
        letter = header[f"TFORM{number}"].strip().lstrip("0123456789")[:1]
        fields.append(pa.field(header[f"TTYPE{number}"], kinds.get(letter, pa.string())))
    return pa.schema(fields)
