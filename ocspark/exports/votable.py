"""Write VOTable 1.4 with BINARY2 rows, batch by batch."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import IO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ocspark.exports.records import Packed, packed_column, rows_of
from ocspark.exports.source import Measure, Source, measure, watch_files
from ocspark.exports.words import unit_text
from ocspark.tables.ucds import ucd_of

#: Number of bytes in a line of base64.
_LINE = 57
_SKY = ("ra", "dec", "pmra", "pmdec")


def write_votable(source: Source, stream: IO[bytes]) -> int:
    """Write a source as a VOTable; return the number of rows.

    Every value has a bit that marks it as missing or not. Columns with texts that are not ASCII are
    of type ``unicodeChar``.

    Parameters
    ----------
    source : Source
        The table.
    stream : binary stream
        Gets the file.
    """
    measured = measure(source)
    columns = [
        packed_column(
            f,
            measured.widths.get(f.name, 1),
            ord("?") if f.type.typeName() == "boolean" else 0,
            f.name in measured.not_ascii,
        )
        for f in source.fields
    ]
    stream.write(_opening(source, measured, columns).encode("utf-8"))
    lines = _Base64(stream)
    for batch in source.batches(None, watch_files(source)):
        lines.write(_binary2(batch, columns))
    lines.finish()
    stream.write(b"</STREAM>\n</BINARY2></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n")
    return measured.rows


def _binary2(batch: pa.RecordBatch, columns: Sequence[Packed]) -> bytes:
    """Return rows in the form of BINARY2: the bits of missing values, then the values."""
    missing = np.column_stack(
        [pc.is_null(batch[c.name]).to_numpy(zero_copy_only=False) for c in columns]
    )
    bits, values = np.packbits(missing, axis=1), rows_of(batch, columns)
    length = values.dtype.itemsize
    return np.hstack([bits, values.view(np.uint8).reshape(-1, length)]).tobytes()


class _Base64:
    """A stream of base64 in lines of equal length, written in pieces of any length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, b""

    def write(self, content: bytes) -> None:
        """Write the whole lines of all content so far."""
        content = self._left + content
        whole = len(content) - len(content) % _LINE
        self._stream.write(base64.encodebytes(content[:whole]))
        self._left = content[whole:]

    def finish(self) -> None:
        """Write the last line."""
        self._stream.write(base64.encodebytes(self._left))


def _opening(source: Source, measured: Measure, columns: Sequence[Packed]) -> str:
    """Return the XML before the rows."""
    facts = source.facts
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.ivoa.net/xml/VOTable/v1.3 '
        'http://www.ivoa.net/xml/VOTable/VOTable-1.4.xsd">',
        '<RESOURCE type="results">',
        '<INFO name="QUERY_STATUS" value="OK"/>',
        '<INFO name="creator" value="ocspark"/>',
        *(
            f"<INFO name={quoteattr(name)} value={quoteattr(value)}/>"
            for name, value in source.provenance.items()
        ),
        f'<COOSYS ID="sky" system="ICRS" epoch="J{facts["epoch"]:g}"/>',
        f'<TABLE name={quoteattr(source.name)} nrows="{measured.rows}">',
        f"<DESCRIPTION>{escape(source.title)}</DESCRIPTION>",
    ]
    for field, column in zip(source.fields, columns, strict=True):
        attributes = {
            "name": field.name,
            "datatype": column.votable,
            "arraysize": str(measured.widths[field.name]) if field.name in measured.widths else "",
            "ucd": ucd_of(field),
            "unit": unit_text(field.unit, "vounit"),
            "ref": "sky" if field.name in _SKY else "",
        }
        text = " ".join(f"{k}={quoteattr(v)}" for k, v in attributes.items() if v)
        description = escape(field.description)
        lines.append(f"<FIELD {text}><DESCRIPTION>{description}</DESCRIPTION></FIELD>")
    return "\n".join([*lines, '<DATA><BINARY2>\n<STREAM encoding="base64">\n'])
