"""The checks of a mirror, made of its small files, its footers and what was found in its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.build.findings import EPOCH_STEP, FileFindings, FileToCheck
from ocspark.build.verify_report import Check, ColumnReport, make_check
from ocspark.mirror.columns import expected_types, foreign_columns
from ocspark.mirror.hats import HatsCatalogue, find_catalogue, is_data
from ocspark.mirror.layout import list_pieces
from ocspark.release import Release
from ocspark.sky.healpix import HealpixPixel
from ocspark.tables.source_columns import matching

#: Largest difference between a whole release's share of missing values and its published one.
NULL_MARGIN = 0.001
#: Largest relative difference from the number of rows that was announced of a draft release.
DRAFT_MARGIN = 0.01
_ALWAYS_THERE = ("source_id", "ra", "dec")
#: So is what DR3's recipe needs of every source, where it is used.
_OF_RECIPE = ("solution", "ecl_lat")
_ROW_CHECKS = {
    "keys": "source_id, ra and dec are there and possible",
    "pixel": "every row lies in the pixel of its file",
    "healpix_index": "the HEALPix index is that of ra and dec",
    "sorted": "rows are in the order of the HEALPix index",
    "source_id_position": "source_id and position agree within the margin",
    "solution": "parallax and proper motion are there where the solution's code says so",
}
_OF_HATS = ("pixel", "healpix_index", "sorted")


@dataclass(frozen=True)
class Listing:
    """The files that a mirror lists, and those that are there.

    Attributes
    ----------
    path : str
    hats : HatsCatalogue or None
        None for a plain directory.
    files : list of FileToCheck
        Listed and on disk.
    missing, unlisted : sequence of str
        Files or folders listed and not there; data files there and not listed.
    """

    path: str
    hats: HatsCatalogue | None
    files: list[FileToCheck]
    missing: Sequence[str] = ()
    unlisted: Sequence[str] = ()


def list_mirror(path: str, columns: Mapping[str, Sequence[str]]) -> Listing:
    """Compare what a mirror lists with what is on disk.

    Raises
    ------
    InputError
        If there is no mirror at `path`, or its list cannot be read.
    """
    hats = find_catalogue(path) if storage.is_directory(path) else None
    if hats is None:
        plain = list_pieces(path).files  # or an error that says what is wrong with the path
        return Listing(path, None, [FileToCheck(f.path, None, columns, None) for f in plain])
    there = storage.list_files(storage.join(hats.path, "dataset"), recursive=True)
    known = {_inner(f) for f in there}
    files: list[FileToCheck] = []
    missing: list[str] = []
    for pixel in dict.fromkeys(partition.pixel for partition in hats.partitions):
        listed = hats.files_of(pixel) or [hats.location(pixel)]
        for file in listed:
            if _inner(file) in known:
                files.append(FileToCheck(file, pixel, columns, hats.healpix_column))
            else:
                missing.append(file)
    reached = {_inner(f.path) for f in files}
    unlisted = [f for f in there if is_data(f) and _inner(f) not in reached]
    return Listing(hats.path, hats, files, missing, unlisted)


def _inner(path: str) -> str:
    return storage.resolve(path)[1]


def check_listing(listing: Listing) -> Iterator[Check]:
    """Check the list of pixels against the disk and against itself."""
    hats = listing.hats
    applies = hats is not None
    yield make_check("files_listed", "every data file is listed", listing.unlisted, applies=applies)
    yield make_check(
        "files_present", "every listed file is there", listing.missing, applies=applies
    )
    overlaps = [f"{inner} lies in {outer}" for inner, outer in hats.overlaps()] if hats else []
    yield make_check("pixels_disjoint", "no listed pixels overlap", overlaps, applies=applies)


def check_reading(found: Sequence[FileFindings]) -> Check:
    """Check that all files could be read to their end."""
    errors = [f"{f.path}: {f.error}" for f in found if f.error is not None]
    return make_check("files_readable", "every file can be read to its end", errors)


def check_counts(
    listing: Listing,
    found: Sequence[FileFindings],
    footers: Mapping[str, int],
    expected: int | None,
    announced: bool = False,
) -> Iterator[Check]:
    """Check the number of rows: the release's, and all that the catalogue records.

    One that is only `announced`, of a draft release, is met within `DRAFT_MARGIN`.
    """
    rows = sum(f.rows for f in found)
    margin, about = (DRAFT_MARGIN, "about ") if announced else (0.0, "")
    met = expected is None or abs(rows - expected) <= margin * expected
    wrong = [] if met else [f"{rows} rows; expected {about}{expected}"]
    counts = {"rows": rows} if expected is None else {"rows": rows, "expected": expected}
    yield make_check("row_count", "there are as many rows as expected", wrong, counts=counts)

    wrong = [
        f"{f.path}: {f.rows} rows read; its footer says {footers[f.path]}"
        for f in found
        if f.path in footers and footers[f.path] != f.rows
    ]
    if listing.hats is not None:
        wrong += _recorded_counts(listing, listing.hats, found, rows)
    yield make_check(
        "row_count_recorded", "hats_nrows, partition_info.csv and footers say the same", wrong
    )


def _recorded_counts(
    listing: Listing, hats: HatsCatalogue, found: Sequence[FileFindings], rows: int
) -> Iterator[str]:
    recorded = hats.properties.get("hats_nrows", "nothing")
    if recorded != str(rows):
        yield f"{rows} rows; hats_nrows says {recorded}"
    read = {f.path: f.rows for f in found}
    by_pixel: Counter[HealpixPixel | None] = Counter()
    for file in listing.files:
        by_pixel[file.pixel] += read[file.path]
    for partition in hats.partitions:
        n = by_pixel[partition.pixel]
        if partition.rows is not None and partition.rows != n:
            yield f"{partition.pixel}: {n} rows; partition_info.csv says {partition.rows}"


def check_schema(
    listing: Listing, found: Sequence[FileFindings], release: Release
) -> Iterator[Check]:
    """Check columns and types against the release, and files against each other."""
    wrong: dict[str, int] = {}  # a fault, and the number of files that have it
    for file in found:
        faults = list(_column_faults(file, release)) if file.types else []
        for fault in faults:
            wrong[fault] = wrong.get(fault, 0) + 1
        index = listing.hats and listing.hats.healpix_column
        if index and file.types and file.types.get(index, "int64") != "int64":
            fault = f"column {index} is {file.types[index]}; expected int64"
            wrong[fault] = wrong.get(fault, 0) + 1
    yield make_check(
        "columns",
        "every column of the release is there, with its type",
        [f"{fault} (in {n} files)" for fault, n in wrong.items()],
    )
    common = _common_types(listing) if listing.hats else None
    unlike = []
    if listing.hats and common is None:
        unlike = [f"{listing.path}/dataset/_common_metadata: missing or damaged; expected a schema"]
    typed = [f for f in found if f.types]
    reference = common or (typed[0].types if typed else {})
    for file in typed:
        for column in sorted(set(file.types) | set(reference)):
            here, there = file.types.get(column), reference.get(column)
            if here != there:
                unlike.append(f"{file.path}: column {column} is {here}; elsewhere {there}")
    yield make_check("columns_alike", "all files have the same columns and types", unlike)


def _column_faults(file: FileFindings, release: Release) -> Iterator[str]:
    """Yield what is wrong with a file's columns; one that no calculation uses may be absent."""
    for name, spellings in release.columns.items():
        there = matching(file.types, spellings)
        if len(there) > 1:
            yield f"columns {' and '.join(there)} are both there; expected one of them"
        elif not there and name in release.needed:
            yield f"column {' or '.join(spellings)} is missing"
        elif there and file.types[there[0]] not in expected_types(name):
            kind = file.types[there[0]]
            yield f"column {there[0]} is {kind}; expected {expected_types(name)[-1]}"
    epochs = file.histograms.get("ref_epoch", {})
    if set(epochs) != {round(release.epoch / EPOCH_STEP)}:  # else they are no sign of another
        for column, other in foreign_columns(file.types, release).items():
            yield f"column {column} is {other}'s; expected none of it"


def _common_types(listing: Listing) -> dict[str, str] | None:
    filesystem, inner = storage.resolve(storage.join(listing.path, "dataset", "_common_metadata"))
    try:
        schema = pq.read_schema(inner, filesystem=filesystem)
    except (pa.ArrowException, OSError):
        return None
    return {f.name: str(f.type) for f in schema}


def check_rows(listing: Listing, found: Sequence[FileFindings]) -> Iterator[Check]:
    """Check keys, places, order and identifiers, as found row by row."""
    for name, description in _ROW_CHECKS.items():
        examples = [text for f in found for text in f.examples.get(name, [])]
        faults = sum(f.faults.get(name, 0) for f in found)
        applies = listing.hats is not None or name not in _OF_HATS
        yield make_check(name, description, examples, faults, applies)


def check_nulls(found: Sequence[FileFindings], release: Release, whole: bool) -> Check:
    """Check the shares of missing values.

    Columns that no source lacks must be full, none that is used may be empty, and a whole release
    must have the published shares.
    """
    wrong = []
    reports = {c.name: c for c in column_reports(found, release)}
    always = (*_ALWAYS_THERE, *(_OF_RECIPE if "recipe" in release.uses else ()))
    for name, column in _columns_found(found).items():
        fraction = reports[column].null_fraction
        if name in always and fraction > 0:
            wrong.append(f"column {column}: {fraction:.4%} missing; expected none")
        elif fraction == 1 and name in release.needed:
            wrong.append(f"column {column}: all values are missing")
        published = release.null_fractions.get(name)
        if whole and published is not None and abs(fraction - published) > NULL_MARGIN:
            wrong.append(
                f"column {column}: {fraction:.4%} missing; the release has {published:.4%}"
            )
    return make_check("null_fractions", "values are missing as in the release", wrong)


def _columns_found(found: Sequence[FileFindings]) -> dict[str, str]:
    """Return canonical names to columns, in the order of the release, as any file has them."""
    columns: dict[str, str] = {}
    for file in found:
        columns |= file.columns
    return columns


def column_reports(found: Sequence[FileFindings], release: Release) -> list[ColumnReport]:
    """Return types and shares of missing values: the release's columns, then all others."""
    columns = _columns_found(found)
    needed = [columns[name] for name in release.columns if name in columns]
    types: dict[str, str] = {}
    nulls: dict[str, int] = {}
    rows: dict[str, int] = {}
    for file in found:
        for name, kind in file.types.items():
            types.setdefault(name, kind)
            nulls[name] = nulls.get(name, 0) + file.nulls.get(name, 0)
            rows[name] = rows.get(name, 0) + file.rows
    others = sorted(set(types) - set(needed))
    return [
        ColumnReport(
            name=name,
            type=types[name],
            null_fraction=nulls[name] / rows[name] if rows[name] else 0.0,
            needed=name in needed,
        )
        for name in [*needed, *others]
        if name in types
    ]
