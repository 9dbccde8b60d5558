"""Make target lists: every star once, with all its clusters, at the epoch of observation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as T

from ocspark.errors import InputError
from ocspark.exports.epoch import PARAMETERS, propagate
from ocspark.exports.scatter import BUCKET_ROWS, Buckets
from ocspark.exports.source import (
    BATCH_ROWS,
    MEMBERS_BY,
    RowFilter,
    Source,
    Watch,
    arrow_schema,
    run_table,
    watch_files,
)
from ocspark.sky.healpix import source_id_pixels
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.candidates import CANDIDATES
from ocspark.tables.fields import Field
from ocspark.tables.member_rule import POSTERIOR

#: Separator of the names in the column ``clusters``.
SEPARATOR = ";"
#: Order of the pixels of source_ids by which rows are counted.
_ORDER = 7
#: Columns that are read.
_TAKEN = (
    "cluster source_id ra dec parallax parallax_error pmra pmra_error pmdec pmdec_error "
    "phot_g_mean_mag phot_g_mean_mag_error g_rp g_rp_error "
    "probability posterior posterior_low posterior_high members_by is_training_member"
).split()
_OF = {f.name: f for f in CANDIDATES}
_ADDED = "what the motion's error has added since the release"

TARGETS = [
    _OF["source_id"],
    Field("ra", T.DoubleType(), "deg", "Right ascension, ICRS at epoch"),
    Field("dec", T.DoubleType(), "deg", "Declination, ICRS at epoch"),
    Field("ra_error", T.DoubleType(), "mas", f"Error: {_ADDED}, times cos(dec)"),
    Field("dec_error", T.DoubleType(), "mas", f"Error: {_ADDED}"),
    Field("epoch", T.DoubleType(), "yr", "Julian epoch of position and proper motion"),
    *[_OF[n] for n in _TAKEN[4:14]],
    Field(
        "cluster",
        T.StringType(),
        "",
        "The likeliest of its clusters, by the probability that members_by names",
    ),
    MEMBERS_BY,
    *[_OF[n] for n in ("probability", "posterior", "posterior_low", "posterior_high")],
    Field(
        "clusters", T.StringType(), "", f"All its clusters, likeliest first, between {SEPARATOR}"
    ),
    Field("n_clusters", T.IntegerType(), "", "Number of clusters"),
    Field("is_training_member", T.BooleanType(), "", "Training member of one of them"),
]


@dataclass(frozen=True)
class Targets:
    """The targets to take.

    Attributes
    ----------
    rows : RowFilter
        Rows to take, members only.
    epoch : float, optional
        Epoch of the positions [Julian year], by default the release's.
    """

    rows: RowFilter
    epoch: float | None = None

    def __post_init__(self) -> None:
        if self.epoch is not None and not 1900 <= self.epoch <= 2200:
            raise InputError(f"--epoch {self.epoch:g}: expected a Julian year, 1900 to 2200")


def target_source(run: FinishedRun, wanted: Targets, folder: str) -> Source:
    """Return the targets of a run as a source, sorted by ``source_id``.

    Parameters
    ----------
    run : FinishedRun
        The run.
    wanted : Targets
        The targets to take.
    folder : str
        An empty local folder, needed as long as the source is read.
    """
    rows = run_table(run, "candidates", wanted.rows)
    from_epoch = rows.facts["epoch"]
    epoch = from_epoch if wanted.epoch is None else wanted.epoch
    # the run's files are read before the first batch, so they give no progress later
    facts = {name: fact for name, fact in rows.facts.items() if name != "n_files"}
    grouped = _grouped(rows, folder)
    schema = arrow_schema(TARGETS)
    parts: list[str] = []
    for number, table in enumerate(grouped):
        path = f"{folder}/targets-{number}.arrow"
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for start in range(0, table.num_rows, BATCH_ROWS):
                some = table.slice(start, BATCH_ROWS)
                writer.write_table(_at_epoch(some, from_epoch, epoch).cast(schema))
        parts.append(path)

    def batches(
        columns: Sequence[str] | None = None, watch: Watch | None = None
    ) -> Iterator[pa.RecordBatch]:
        wanted = [n for n in schema.names if columns is None or n in columns]
        for path in parts:
            with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number).select(wanted)

    title = "Targets in open clusters"
    return Source("targets", title, TARGETS, batches, {**facts, "epoch": epoch})


def _grouped(source: Source, folder: str) -> Iterator[pa.Table]:
    """Yield tables with a row per star, sorted by source_id."""
    counts: dict[int, int] = {}
    for batch in source.batches(["source_id"], None):
        cells, n = np.unique(_cells(batch), return_counts=True)
        for cell, many in zip(cells.tolist(), n.tolist(), strict=True):
            counts[cell] = counts.get(cell, 0) + many
    cells = np.array(sorted(counts), dtype=np.int64)
    bucket = np.cumsum([counts[c] for c in cells.tolist()]) // BUCKET_ROWS
    schema = pa.schema([source.schema.field(name) for name in _TAKEN])
    buckets = Buckets(folder, schema)
    for batch in source.batches(_TAKEN, watch_files(source)):
        buckets.add(batch.select(_TAKEN), bucket[np.searchsorted(cells, _cells(batch))])
    for number in np.unique(bucket).tolist():
        yield _one_row_each(buckets.read(number))


def _cells(batch: pa.RecordBatch) -> np.ndarray:
    """Return the HEALPix pixel of `_ORDER` in each source_id."""
    return np.asarray(source_id_pixels(batch["source_id"].to_numpy(), _ORDER))


def _one_row_each(table: pa.Table) -> pa.Table:
    """Return the likeliest row of each star, with the names of all its clusters."""
    table = table.append_column("_likely", likelihood(table))
    keys = [("source_id", "ascending"), ("_likely", "descending"), ("cluster", "ascending")]
    table = table.sort_by(keys).combine_chunks()
    ids = table["source_id"].to_numpy()
    first = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else np.empty(0, int)
    ends = np.append(first, len(ids))
    names = table["cluster"].combine_chunks()
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), names)
    listed = pc.fill_null(table["is_training_member"], False).to_numpy(zero_copy_only=False)
    once = table.take(pa.array(first))
    once = once.drop_columns(["is_training_member"])
    once = once.append_column("clusters", pc.binary_join(lists, SEPARATOR))
    once = once.append_column("n_clusters", pa.array(np.diff(ends), pa.int32()))
    trained = np.logical_or.reduceat(listed, first) if len(first) else listed
    return once.append_column("is_training_member", pa.array(trained, pa.bool_()))


def likelihood(rows: pa.Table | pa.RecordBatch) -> pa.ChunkedArray | pa.Array:
    """Return the posterior or the votes of members, whichever ``members_by`` names."""
    by_posterior = pc.equal(rows["members_by"], POSTERIOR)
    return pc.if_else(by_posterior, rows["posterior"], rows["probability"])


def _at_epoch(table: pa.Table, from_epoch: float, epoch: float) -> pa.Table:
    """Return targets with positions at an epoch, in the columns `TARGETS`."""
    stars = {
        name: table[name].to_numpy()
        for name in (*PARAMETERS, *(f"{p}_error" for p in PARAMETERS))
        if name in table.column_names
    }
    if epoch != from_epoch:
        stars = propagate(stars, from_epoch, epoch)
    n = table.num_rows
    columns = {name: table[name] for name in table.column_names}
    columns |= {name: pa.array(values) for name, values in stars.items()}
    for name in ("ra_error", "dec_error"):
        columns.setdefault(name, pa.array(np.zeros(n)))
    columns["epoch"] = pa.array(np.full(n, epoch))
    return pa.table({f.name: columns[f.name] for f in TARGETS})
