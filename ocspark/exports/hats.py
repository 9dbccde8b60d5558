"""Write stars of a run as a HATS catalogue: HEALPix pixels of mixed orders."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow as pa

from ocspark import storage
from ocspark.build.partition import COUNT_ORDER, adaptive_pixels
from ocspark.build.parts import write_catalogue_metadata, write_partition
from ocspark.errors import InputError
from ocspark.exports.scatter import BUCKET_ROWS, Buckets
from ocspark.exports.source import Source, watch_files
from ocspark.mirror.hats import UNFINISHED
from ocspark.sky.healpix import HEALPIX_COLUMN, coarser, index_29, n_pixels


def write_hats(source: Source, output: str) -> int:
    """Write a source as a HATS catalogue; return the number of rows.

    The folder cannot be opened as a catalogue before the last step. A star of several clusters has
    a row for each. Units and descriptions are in the metadata of the columns.

    Parameters
    ----------
    source : Source
        The table, with ra and dec.
    output : str
        Folder of the catalogue.

    Raises
    ------
    InputError
        If there are no rows.
    """
    counts = np.zeros(n_pixels(COUNT_ORDER), dtype=np.int64)
    for batch in source.batches(["ra", "dec"], None):
        np.add.at(counts, coarser(_index(batch), COUNT_ORDER), 1)
    cells = np.flatnonzero(counts)
    if not len(cells):
        raise InputError("--format hats: no rows are left; a HATS catalogue needs at least one")
    pixels = adaptive_pixels(cells, counts[cells], BUCKET_ROWS)
    schema = _documented(source)
    storage.make_directory(output)
    storage.write_file(storage.join(output, UNFINISHED), "")
    partitions = []
    with tempfile.TemporaryDirectory() as folder:
        buckets = Buckets(folder, schema)
        for batch in source.batches(None, watch_files(source)):
            index = _index(batch)
            columns = [pa.array(index), *batch.columns]
            rows = pa.RecordBatch.from_arrays(columns, schema=schema)
            buckets.add(rows, np.searchsorted(pixels.first, index, side="right") - 1)
        for number, pixel in enumerate(pixels):
            # sorted by cluster first, so that the bytes do not depend on the order of the rows
            table = buckets.read(number).sort_by("cluster")
            partitions.append(write_partition(table, output, pixel))
    facts, members = source.facts, source.facts.get("members")
    write_catalogue_metadata(
        output,
        partitions,
        schema,
        catalogue_name=f"ocspark_{source.name}",
        provenance={
            "obs_title": f"{source.title}, run {facts['run_id']} of ocspark on Gaia "
            f"{facts['release'].upper()}" + (f"; members: {members}" if members else "")
        },
    )
    storage.remove_file(storage.join(output, UNFINISHED))
    return sum(p.rows for p in partitions)


def _index(batch: pa.RecordBatch) -> np.ndarray:
    """Return the order-29 HEALPix index of each row."""
    return index_29(batch["ra"].to_numpy(), batch["dec"].to_numpy())


def _documented(source: Source) -> pa.Schema:
    """Return the schema of the catalogue, with units and descriptions."""
    described = [
        source.schema.field(f.name).with_metadata({"unit": f.unit, "description": f.description})
        for f in source.fields
    ]
    return pa.schema([pa.field(HEALPIX_COLUMN, pa.int64()), *described])
