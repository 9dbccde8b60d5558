"""Check the rows of one mirror file: places, order, identifiers, missing values. No Spark."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import healpy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ocspark import storage
from ocspark.build.findings import FileFindings, FileToCheck, count_values, numbers
from ocspark.sky.healpix import (
    HEALPIX_ORDER,
    SOURCE_ID_ORDER,
    index_29,
    n_pixels,
    source_id_pixels,
)
from ocspark.sky.sphere import separation_rad
from ocspark.tables.source_columns import matching

#: An index may name a cell this far from its row [arcsec]; cells of order 29 are 0.0004 wide, and
#: libraries round differently at their edges.
INDEX_MARGIN_ARCSEC = 0.002
#: A source may lie this far from the level-12 cell (51 wide) of its source_id [arcsec]: the id is
#: of the position known when the source was first listed (ESA's data model). Neighbours pass.
ID_MARGIN_ARCSEC = 60.0
_BATCH_ROWS = 65_536
#: Columns and the bits of the solution's code that say that they were fitted (ESA's data model of
#: astrometric_params_solved: 2^2 parallax, 2^3 and 2^4 proper motion).
_FITTED = {
    "parallax": 4,
    "parallax_error": 4,
    "pmra": 8,
    "pmra_error": 8,
    "pmdec": 16,
    "pmdec_error": 16,
}
_CORRELATED = {
    "parallax_pmra_corr": 4 | 8,
    "parallax_pmdec_corr": 4 | 16,
    "pmra_pmdec_corr": 8 | 16,
}
#: Models of binaries have bits from here on; nobody has said whether they have correlations.
_BINARY_BIT = 128


def check_file(file: FileToCheck) -> FileFindings:
    """Read a file to its end, in batches, checking page checksums where it has them.

    Returns
    -------
    FileFindings
        An unreadable file is a finding, not an error.
    """
    found = FileFindings(file.path)
    filesystem, inner = storage.resolve(file.path)
    try:
        with filesystem.open_input_file(inner) as stream:
            parquet = pq.ParquetFile(stream, page_checksum_verification=True)
            schema = parquet.schema_arrow
            found.types = {f.name: str(f.type) for f in schema}
            found.nulls = dict.fromkeys(schema.names, 0)
            for name, spellings in file.columns.items():
                columns = matching(schema.names, spellings)
                if len(columns) == 1:
                    found.columns[name] = columns[0]
            last = -1
            for batch in parquet.iter_batches(_BATCH_ROWS):
                for name, column in zip(schema.names, batch.columns, strict=True):
                    found.nulls[name] += _missing(column)
                last = _check_rows(file, batch, found, last)
                count_values(batch, found)
                found.rows += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        found.error = " ".join(str(error).split())[:300]
    return found


def findings_as_text(file: FileToCheck) -> str:
    """Return the findings of a file as JSON: the function of a task."""
    return json.dumps(asdict(check_file(file)))


def _missing(column: pa.Array) -> int:
    missing = int(column.null_count)
    if pa.types.is_floating(column.type):
        missing += pc.sum(pc.is_nan(column)).as_py() or 0
    return missing


def _check_rows(file: FileToCheck, batch: pa.RecordBatch, found: FileFindings, last: int) -> int:
    """Check a batch; return its last index, which the next may not go below."""
    keys = [found.columns.get(name, "") for name in ("source_id", "ra", "dec")]
    if not batch.num_rows or not all(keys):
        return last  # a missing column is the schema's fault
    if found.types[keys[0]] != "int64" or any(found.types[k] != "double" for k in keys[1:]):
        return last
    source_id = _integers(batch.column(keys[0]))
    ra, dec = (np.asarray(batch.column(k).to_numpy(zero_copy_only=False), float) for k in keys[1:])
    known = (source_id >= 0) & (source_id_pixels(source_id) < n_pixels(SOURCE_ID_ORDER))
    with np.errstate(invalid="ignore"):
        good = (ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90) & known

    def row(i: int) -> str:
        return f"{file.path}: source_id {source_id[i]} at ra {ra[i]:.7f}, dec {dec[i]:.7f}"

    found.add("keys", ~good, row)
    ra, dec = np.where(good, ra, 0.0), np.where(good, dec, 0.0)
    found.add("source_id_position", good & ~_id_agrees(source_id, ra, dec, good), row)
    _check_solution(batch, found, row)
    if file.pixel is None:
        return last

    computed = index_29(ra, dec)
    index, agrees = computed, np.ones(len(ra), dtype=bool)
    if file.healpix_column is not None and found.types.get(file.healpix_column) == "int64":
        index = _integers(batch.column(file.healpix_column))
        agrees = _index_agrees(index, computed, ra, dec)
        found.add("healpix_index", good & ~agrees, lambda i: f"{row(i)}: index {index[i]}")
    # at the pixel's edge the row may be on the side that its index says
    inside = file.pixel.holds(computed) | (agrees & file.pixel.holds(index))
    found.add("pixel", good & ~inside, row)
    descends = np.diff(index, prepend=last if last >= 0 else index[0]) < 0
    found.add("sorted", descends, lambda i: f"{row(i)}: index {index[i]} after a greater one")
    return int(index[-1])


def _check_solution(batch: pa.RecordBatch, found: FileFindings, row: Callable[[int], str]) -> None:
    """Check that a source has the values that its solution's code says, and no others."""
    codes = numbers(batch, found, "solution")
    if codes is None:
        return
    code = np.nan_to_num(codes).astype(np.int64)
    faults = {}
    for name, bits in (_FITTED | _CORRELATED).items():
        values = numbers(batch, found, name)
        if values is not None:
            faults[name] = np.isfinite(values) != (code & bits == bits)
            if name in _CORRELATED:
                faults[name] &= code < _BINARY_BIT

    def describe(i: int) -> str:
        name = next(name for name, wrong in faults.items() if wrong[i])
        state = "is missing" if code[i] & (_FITTED | _CORRELATED)[name] else "is there"
        return (
            f"{row(i)}: {found.columns[name]} {state}, with {found.columns['solution']} {code[i]}"
        )

    if faults:
        found.add("solution", np.any(list(faults.values()), axis=0), describe)


def _integers(column: pa.Array) -> NDArray[np.int64]:
    """Return the values of an int64 column, −1 for null."""
    return np.asarray(pc.fill_null(column, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _id_agrees(
    source_id: NDArray[np.int64],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    good: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which positions lie in the cells of their identifiers, or within a margin of them."""
    nside = 1 << SOURCE_ID_ORDER
    cell = source_id_pixels(source_id)
    agrees = cell == healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True)
    far = np.flatnonzero(~agrees & good)
    centre = healpy.pix2ang(nside, cell[far], nest=True, lonlat=True)
    reach = healpy.max_pixrad(nside) + np.radians(ID_MARGIN_ARCSEC / 3600)
    agrees[far] = separation_rad(ra[far], dec[far], *centre) <= reach
    return np.asarray(agrees)


def _index_agrees(
    index: NDArray[np.int64],
    computed: NDArray[np.int64],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which order-29 indices are of their positions, but for rounding at a cell's edge."""
    agrees = index == computed
    valid = (index >= 0) & (index < n_pixels(HEALPIX_ORDER))
    other = np.flatnonzero(~agrees & valid)
    centre = healpy.pix2ang(1 << HEALPIX_ORDER, index[other], nest=True, lonlat=True)
    margin = np.radians(INDEX_MARGIN_ARCSEC / 3600)
    agrees[other] = separation_rad(ra[other], dec[other], *centre) <= margin
    return np.asarray(agrees)
