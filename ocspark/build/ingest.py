"""The first step of a build: each input file becomes staged files, sorted by sky position.

A task reads one input file and touches no other's staged files; what it has done counts once its
manifest, a small object written last, is there.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ocspark import storage
from ocspark.build.bulk import InputFile
from ocspark.build.formats import read_tables
from ocspark.build.partition import count_cells
from ocspark.build.parts import write_sorted
from ocspark.build.wanted import Fault, WantedColumns
from ocspark.inputs.ids import SUSPICIOUS_BITS_OF_PART, digits_lost
from ocspark.sky.healpix import HEALPIX_COLUMN, index_29

#: Rows of a staged file at most, and so of what a task holds in memory.
STAGED_ROWS = 1_000_000
#: Rows of a staged row group: a pixel's task reads whole groups.
STAGED_GROUP_ROWS = 50_000
_STAGED_OPTIONS = {
    "compression": "lz4",  # read once and thrown away
    "use_dictionary": False,
    "write_page_checksum": True,  # a damaged page must not become part of a mirror
}


@dataclass(frozen=True)
class Ingest:
    """Options that all tasks of a build share.

    Attributes
    ----------
    work : str
        Folder of staged files and manifests.
    wanted : WantedColumns
    ra, dec, source_id : str
        The release's names of these columns.
    """

    work: str
    wanted: WantedColumns
    ra: str
    dec: str
    source_id: str


def item_manifest(work: str, file: InputFile) -> str:
    """Return the path of an input file's manifest."""
    return storage.join(work, "items", f"{file.key}.json")


def staged_path(work: str, name: str) -> str:
    """Return the path of a staged file."""
    return storage.join(work, "staged", name)


def stage_file(ingest: Ingest, file: InputFile) -> str:
    """Check and read one input file, stage its rows with their index, sorted.

    Rows without a position are counted and left out. NaN, as FITS and some Parquet files write
    what is missing, becomes null.

    Returns
    -------
    str
        Why the file cannot be used; "" if it can.
    """
    started = time.monotonic()
    parts: list[dict[str, Any]] = []
    cells, counts = [], []
    rows = without_position = 0
    schema: pa.Schema | None = None
    try:
        _check_md5(file)
        for table in _chunks(_positioned(ingest, file)):
            rows += table.num_rows
            schema = table.schema
            nowhere = table[HEALPIX_COLUMN].null_count
            without_position += nowhere
            placed = table.filter(pc.is_valid(table[HEALPIX_COLUMN])) if nowhere else table
            if not placed.num_rows:
                continue
            name = f"{file.key}-{len(parts):04d}.parquet"
            path = staged_path(ingest.work, name)
            written = write_sorted(
                placed, path, ingest.source_id, STAGED_GROUP_ROWS, _STAGED_OPTIONS
            )
            index = written.to_numpy()
            found = count_cells(index)
            cells.append(found[0])
            counts.append(found[1])
            starts = np.arange(0, len(index), STAGED_GROUP_ROWS)
            ends = np.minimum(starts + STAGED_GROUP_ROWS, len(index)) - 1
            parts.append(
                {
                    "name": name,
                    "bytes": storage.file_size(path),
                    "rows": len(index),
                    "group_rows": STAGED_GROUP_ROWS,
                    "group_first": index[starts].tolist(),
                    "group_last": index[ends].tolist(),
                }
            )
    except Fault as fault:
        return str(fault)
    manifest = {
        "identity": file.identity,
        "name": file.name,
        "rows": rows,
        "without_position": without_position,
        "parts": parts,
        "cells": pack(np.concatenate(cells) if cells else np.empty(0, dtype=np.int64)),
        "counts": pack(np.concatenate(counts) if counts else np.empty(0, dtype=np.int64)),
        "schema": base64.b64encode(schema.serialize()).decode() if schema else "",
        "seconds": round(time.monotonic() - started, 3),
    }
    storage.write_file(item_manifest(ingest.work, file), json.dumps(manifest))
    return ""


def _check_md5(file: InputFile) -> None:
    if file.md5 is None:
        return
    try:
        found = storage.checksum(file.path, "md5")
    except OSError as error:
        raise Fault(str(error)) from error
    if found != file.md5:
        raise Fault(f"its MD5 is {found}; expected {file.md5}, as listed")


def _positioned(ingest: Ingest, file: InputFile) -> Iterator[pa.Table]:
    """Yield a file's rows with the index, null where there is no position; NaN as null."""
    for table in read_tables(file, ingest.wanted):
        _check_ids(table[ingest.source_id], ingest.source_id)
        for number, field in enumerate(table.schema):
            if pa.types.is_floating(field.type):
                column = table.column(number)
                missing = pc.fill_null(pc.is_nan(column), False)
                if pc.any(missing).as_py():
                    column = pc.if_else(missing, pa.scalar(None, field.type), column)
                    table = table.set_column(number, field, column)
        ra, dec = (_degrees(table[name], name) for name in (ingest.ra, ingest.dec))
        known = np.isfinite(ra) & np.isfinite(dec)
        if np.any(np.abs(dec[known]) > 90):
            raise Fault(f"column {ingest.dec}: expected declinations from -90 to 90")
        index = np.zeros(table.num_rows, dtype=np.int64)
        index[known] = index_29(ra[known], dec[known])
        yield table.append_column(HEALPIX_COLUMN, pa.array(index, mask=~known))


def _check_ids(column: pa.ChunkedArray, name: str) -> None:
    if not pa.types.is_integer(column.type):
        raise Fault(f"column {name} is {column.type}; expected 64-bit integers")
    ids = column.drop_null().cast(pa.int64()).to_numpy()
    # of many files and pieces, none must look by chance as if digits were lost
    lost = digits_lost(ids, SUSPICIOUS_BITS_OF_PART)
    if lost:
        raise Fault(f"column {name}: {lost}")


def _degrees(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise Fault(f"column {name} is {column.type}; expected numbers [deg]")
    degrees: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return degrees


def _chunks(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Join small tables, and cut large ones, into tables of `STAGED_ROWS` rows at most."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        start = 0
        while rows + table.num_rows - start > STAGED_ROWS:
            cut = STAGED_ROWS - rows
            whole = pa.concat_tables([*waiting, table.slice(start, cut)])
            waiting, rows, start = [], 0, start + cut  # not held while the chunk is used
            yield whole.combine_chunks()
        waiting.append(table.slice(start))
        rows += table.num_rows - start
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def pack(values: NDArray[np.int64]) -> str:
    """Return integers as a short text; `unpack` reads it."""
    return base64.b64encode(zlib.compress(values.astype("<i8").tobytes())).decode()


def unpack(text: str) -> NDArray[np.int64]:
    """Return the integers that `pack` wrote."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<i8").astype(np.int64)
