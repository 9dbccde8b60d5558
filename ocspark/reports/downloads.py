"""A cluster's members as files for other programs, by the writers of exports."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import pyarrow as pa
from numpy.typing import NDArray

from ocspark.errors import InputError
from ocspark.exports.delimited import write_csv
from ocspark.exports.fits import write_fits
from ocspark.exports.source import Source, Watch, arrow_schema
from ocspark.exports.votable import write_votable
from ocspark.tables.fields import Field

_Writer = Callable[[Source, IO[bytes]], int]


def member_files(
    stars: Mapping[str, NDArray], fields: Sequence[Field], facts: Mapping[str, Any], cluster: str
) -> dict[str, bytes]:
    """Return members as CSV, FITS and gzipped VOTable, by file name.

    The VOTable is gzipped, since a browser would show a plain one as a tree of tags. FITS is left
    out where a text is not ASCII, which it cannot hold.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
        Columns of the candidates table.
    fields : sequence of Field
        Those to write.
    facts : mapping
        The run's, see `ocspark.exports.source.run_facts`.
    cluster : str
    """
    source = members_source(stars, fields, facts, cluster)
    files = {"members.csv": _written(write_csv, source)}
    with suppress(InputError):
        files["members.fits"] = _written(write_fits, source)
    files["members.vot.gz"] = gzip.compress(_written(write_votable, source), mtime=0)
    return files


def members_source(
    stars: Mapping[str, NDArray], fields: Sequence[Field], facts: Mapping[str, Any], cluster: str
) -> Source:
    """Return members as what exports are written from; parameters as for `member_files`."""
    schema = arrow_schema(fields)
    # NaN is how columns without nulls say that a value is missing
    arrays = [pa.array(stars[f.name], f.type, from_pandas=True) for f in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)

    def batches(columns: Sequence[str] | None, watch: Watch | None) -> Iterator[pa.RecordBatch]:
        return iter(table.select(list(columns or schema.names)).to_batches())

    return Source("members", f"Members of {cluster}", fields, batches, facts)


def _written(write: _Writer, source: Source) -> bytes:
    stream = io.BytesIO()
    write(source, stream)
    return stream.getvalue()
