"""The second step of a build: each pixel's rows, from the staged files, become its file."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.build.ingest import Ingest, staged_path, unpack
from ocspark.build.partition import adaptive_pixels
from ocspark.build.parts import write_partition
from ocspark.errors import InputError
from ocspark.mirror.hats import partition_path
from ocspark.sky.healpix import HEALPIX_COLUMN, HealpixPixel, PixelTable


@dataclass(frozen=True)
class PixelWork:
    """One pixel and where its rows are.

    Attributes
    ----------
    pixel : HealpixPixel
    rows : int
    pieces : sequence of (name, first, end)
        Staged files, in order of input, and the range of their row groups that holds the rows.
    """

    pixel: HealpixPixel
    rows: int
    pieces: Sequence[tuple[str, int, int]]

    @property
    def key(self) -> str:
        """A name of this pixel that is safe as a file name."""
        return f"{self.pixel.order}-{self.pixel.pixel}"


@dataclass(frozen=True)
class Plan:
    """The pixels that all staged files become.

    Attributes
    ----------
    pixels : list of PixelWork
        In sky order.
    schema : pa.Schema
        Of every partition file.
    fingerprint : str
        Of everything staged: a pixel's file made under another plan does not count.
    read_rows : int
        Rows that the pixels' tasks will read, of whole row groups; near the number of rows if the
        input is in some order on the sky, many times that if it is not.
    """

    pixels: list[PixelWork]
    schema: pa.Schema
    fingerprint: str
    read_rows: int


def plan_pixels(manifests: Sequence[Mapping[str, Any]], max_rows: int) -> Plan:
    """Divide the sky by the rows counted, and find each pixel's rows in the staged files.

    Raises
    ------
    ValueError
        If files have columns of types that cannot become one.
    """
    schema = pa.unify_schemas(
        [_schema(manifest) for manifest in manifests if manifest["schema"]],
        promote_options="permissive",
    )
    pixels = adaptive_pixels(
        np.concatenate([unpack(manifest["cells"]) for manifest in manifests]),
        np.concatenate([unpack(manifest["counts"]) for manifest in manifests]),
        max_rows,
    )
    pieces: list[list[tuple[str, int, int]]] = [[] for _ in pixels.rows]
    read_rows = 0
    for part in (part for manifest in manifests for part in manifest["parts"]):
        read_rows += _place(part, pixels, pieces)
    work = [
        PixelWork(pixel, rows, where)
        for pixel, rows, where in zip(pixels, pixels.rows.tolist(), pieces, strict=True)
    ]
    staged = [[manifest["identity"], manifest["rows"]] for manifest in manifests]
    fingerprint = hashlib.sha256(json.dumps([staged, max_rows]).encode()).hexdigest()
    return Plan(work, schema, fingerprint, read_rows)


def _schema(manifest: Mapping[str, Any]) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(manifest["schema"])))


def _place(
    part: Mapping[str, Any], pixels: PixelTable, pieces: list[list[tuple[str, int, int]]]
) -> int:
    """Add a staged file to the pieces of the pixels it has rows for; return rows to be read."""
    group_first = np.array(part["group_first"], dtype=np.int64)
    group_last = np.array(part["group_last"], dtype=np.int64)
    ends = np.minimum((np.arange(len(group_first)) + 1) * part["group_rows"], part["rows"])
    edges = np.concatenate(([0], ends))
    start = int(np.searchsorted(pixels.end, group_first[0], side="right"))
    stop = int(np.searchsorted(pixels.first, group_last[-1], side="right"))
    firsts = np.searchsorted(group_last, pixels.first[start:stop], side="left")
    lasts = np.searchsorted(group_first, pixels.end[start:stop], side="left")
    for number, first, last in zip(range(start, stop), firsts, lasts, strict=True):
        if last > first:
            pieces[number].append((part["name"], int(first), int(last)))
    return int(np.sum(np.where(lasts > firsts, edges[lasts] - edges[firsts], 0)))


def pixel_manifest(work: str, key: str) -> str:
    """Return the path of a pixel's manifest."""
    return storage.join(work, "pixels", f"{key}.json")


def write_pixel(ingest: Ingest, root: str, schema: pa.Schema, plan: str, work: PixelWork) -> str:
    """Gather a pixel's rows and write its partition file and manifest.

    Returns
    -------
    str
        "": whatever goes wrong here is raised.

    Raises
    ------
    InputError
        If a source is there twice.
    """
    started = time.monotonic()
    parts = [
        _to_schema(_rows_of(staged_path(ingest.work, name), first, end, work), schema)
        for name, first, end in work.pieces
    ]
    table = pa.concat_tables(parts)
    _check_unique(ingest, work, parts)
    if table.num_rows != work.rows:
        raise RuntimeError(f"pixel {work.key}: {table.num_rows} rows, {work.rows} were counted")
    done = write_partition(table, root, work.pixel, id_column=ingest.source_id)
    facts = {
        **asdict(work.pixel),
        "rows": done.rows,
        "n_bytes": done.n_bytes,
        "plan": plan,
        "sha256": storage.checksum(partition_path(root, work.pixel), "sha256"),
        "seconds": round(time.monotonic() - started, 3),
    }
    storage.write_file(pixel_manifest(ingest.work, work.key), json.dumps(facts))
    return ""


def _check_unique(ingest: Ingest, work: PixelWork, parts: Sequence[pa.Table]) -> None:
    """Check that no source is in the pixel twice, as with a margin or files that overlap."""
    columns = [part[ingest.source_id].drop_null().to_numpy() for part in parts]
    ids = np.sort(np.concatenate(columns))
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if not len(twice):
        return
    first = ids[twice[0]]
    keys = {
        name.rpartition("-")[0]: None
        for (name, _, _), column in zip(work.pieces, columns, strict=True)
        if np.any(column == first)
    }
    files = [
        json.loads(storage.read_text(storage.join(ingest.work, "items", f"{key}.json")))["name"]
        for key in keys
    ]
    raise InputError(
        f"--input: {ingest.source_id} {first} is there more than once, in {' and '.join(files)}; "
        "expected every source once: no copy of a file, no margin catalogue, no files that overlap"
    )


def _rows_of(path: str, first: int, end: int, work: PixelWork) -> pa.Table:
    filesystem, inner = storage.resolve(path)
    with filesystem.open_input_file(inner) as stream:
        staged = pq.ParquetFile(stream, page_checksum_verification=True)
        table = staged.read_row_groups(list(range(first, end)))
    begin, stop = np.searchsorted(
        table[HEALPIX_COLUMN].to_numpy(), [work.pixel.first, work.pixel.end]
    )
    return table.slice(begin, stop - begin)


def _to_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of all files, in their common types."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)
