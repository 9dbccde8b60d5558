"""Write machine-readable tables of CDS and AAS: fixed columns with a byte-by-byte description.

https://cds.unistra.fr/doc/catstd.htx
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from ocspark.exports.source import Source, measure, require_ascii, watch_files
from ocspark.exports.words import ascii_text, unit_text
from ocspark.tables.fields import Field

_WIDE, _THIN = "=" * 80, "-" * 80


@dataclass
class _Column:
    """A column of the table, with the widths that its values need, found in a first pass."""

    field: Field
    type: pa.DataType
    before: int = 1  # characters before the decimal point, or all of a text or integer
    decimals: int = 1
    length: int = 1  # characters of the longest number
    exponent: bool = False
    missing: bool = False

    def measure(self, values: pa.Array) -> None:
        """Widen the column for some values."""
        texts = self._plain(values)
        self.missing |= bool(texts.null_count)
        length = pc.utf8_length(texts)
        if not pa.types.is_floating(self.type):
            self.before = max(self.before, pc.max(length).as_py() or 0)
            return
        point = _point(texts)
        self.exponent |= pc.any(pc.match_substring(texts, "e")).as_py() or False
        self.length = max(self.length, pc.max(length).as_py() or 0)
        self.before = max(self.before, pc.max(point).as_py() or 0)
        decimals = pc.max(pc.subtract(pc.subtract(length, point), 1)).as_py() or 0
        self.decimals = max(self.decimals, decimals)

    @property
    def width(self) -> int:
        """Width of the column [bytes]."""
        if not pa.types.is_floating(self.type):
            return self.before
        return self.length if self.exponent else self.before + 1 + self.decimals

    @property
    def format(self) -> str:
        """Fortran format of the column."""
        if pa.types.is_floating(self.type):
            return f"{'E' if self.exponent else 'F'}{self.width}.{self.decimals}"
        return f"{'A' if pa.types.is_string(self.type) else 'I'}{self.width}"

    def write(self, values: pa.Array) -> pa.Array:
        """Return values as texts of the column's width; missing values are blank."""
        texts = self._plain(values)
        if pa.types.is_floating(self.type) and not self.exponent:
            # pad with zeros, so that decimal points are aligned
            point, length = _point(texts), pc.utf8_length(texts)
            after = pc.max_element_wise(pc.subtract(pc.subtract(length, point), 1), -1)
            ends = pa.array(
                [*("0" * n for n in range(self.decimals + 1)), "." + "0" * self.decimals]
            )
            end = ends.take(pc.subtract(self.decimals, after))
            texts = pc.binary_join_element_wise(texts, end, "")
        texts = pc.fill_null(texts, "")
        pad = pc.ascii_rpad if pa.types.is_string(self.type) else pc.ascii_lpad
        return pad(texts, width=self.width)

    def _plain(self, values: pa.Array) -> pa.Array:
        """Return values as texts: booleans as 0 and 1, floats with the digits they need."""
        if pa.types.is_boolean(self.type):
            values = values.cast(pa.int8())
        elif pa.types.is_floating(self.type):
            values = pc.if_else(pc.is_nan(values), None, values)
        return values.cast(pa.string())


def _point(texts: pa.Array) -> pa.Array:
    """Return the position of the decimal point, or the length of a number without one."""
    found = pc.find_substring(texts, ".")
    return pc.if_else(pc.less(found, 0), pc.utf8_length(texts), found)


def write_mrt(
    source: Source,
    stream: IO[bytes],
    readme: IO[bytes] | None = None,
    file_name: str | None = None,
) -> int:
    """Write a source as a machine-readable table; return the number of rows.

    Parameters
    ----------
    source : Source
        The table.
    stream : binary stream
        Gets description and data (the format of AAS), or the data alone if there is a `readme`.
    readme : binary stream, optional
        Gets the description as a ReadMe of CDS.
    file_name : str, optional
        Name of the data file in the description.

    Raises
    ------
    InputError
        If a text is not ASCII.
    """
    measured = measure(source)
    require_ascii(measured, "mrt")
    columns = [_Column(f, source.schema.field(f.name).type) for f in source.fields]
    for batch in source.batches(None, None):
        for column in columns:
            column.measure(batch[column.field.name])
    file_name = file_name or f"{source.name}.dat"
    if readme is None:
        stream.write(_head(source, columns, file_name).encode("ascii"))
    else:
        readme.write(_readme(source, columns, file_name, measured.rows).encode("ascii"))
    for batch in source.batches(None, watch_files(source)):
        texts = [column.write(batch[column.field.name]) for column in columns]
        lines = pc.binary_join_element_wise(*texts, " ").to_pylist()
        stream.write(("\n".join(lines) + "\n").encode("ascii"))
    return measured.rows


def _credits(source: Source) -> list[str]:
    """Return lines that name run, release, network and epoch."""
    facts = source.facts
    text = (
        f"Run {facts['run_id']} of ocspark on Gaia {facts['release'].upper()} with the network "
        f"{facts['model']}. Positions are ICRS at epoch J{facts['epoch']:g}."
    )
    if "members" in facts:
        text += f" Members have {facts['members']}."
    return textwrap.wrap(text, 76)


def _head(source: Source, columns: Sequence[_Column], file_name: str) -> str:
    """Return the description as AAS has it, above the data."""
    lines = [f"Title: {source.title}", "Authors: ", f"Table: {source.title}", _WIDE]
    lines += _byte_by_byte(columns, file_name)
    lines += ["Note (1):", *(f"    {line}" for line in _credits(source)), _THIN]
    return "\n".join(lines) + "\n"


def _readme(source: Source, columns: Sequence[_Column], file_name: str, rows: int) -> str:
    """Return the description as a ReadMe of CDS."""
    record = sum(c.width + 1 for c in columns) - 1
    summary = f" {file_name:<24}{record:>6}{rows:>10}   {source.title}"
    lines = [
        source.title,
        _WIDE,
        "Description:",
        *(f"    {line}" for line in _credits(source)),
        "",
        "File Summary:",
        _THIN,
        f" {'FileName':<24}{'Lrecl':>6}{'Records':>10}   Explanations",
        _THIN,
        f" {'ReadMe':<24}{80:>6}{'.':>10}   This file",
        summary,
        _THIN,
        "",
        *_byte_by_byte(columns, file_name),
        _WIDE,
        f"(End){'ocspark':>40}",
    ]
    return "\n".join(lines) + "\n"


def _byte_by_byte(columns: Sequence[_Column], file_name: str) -> list[str]:
    """Return the byte-by-byte description of the columns."""
    label = max(len(c.field.name) for c in columns)
    units = {c.field.name: unit_text(c.field.unit, "cds") or "---" for c in columns}
    unit = max(5, *map(len, units.values()))
    code = max(6, *(len(c.format) for c in columns))
    lines = [
        f"Byte-by-byte Description of file: {file_name}",
        _THIN,
        f"   Bytes {'Format':<{code}} {'Units':<{unit}} {'Label':<{label}} Explanations",
        _THIN,
    ]
    start = 1
    for column in columns:
        field, end = column.field, start + column.width - 1
        place = f"{start:>4}-{end:>4}" if end > start else f"{end:>9}"
        text = ("? " if column.missing else "") + ascii_text(field.description)
        text += " (0 no, 1 yes)" if pa.types.is_boolean(column.type) else ""
        head = f"{place} {column.format:<{code}} {units[field.name]:<{unit}} {field.name:<{label}} "
        lines += textwrap.wrap(
            text, 80, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
        )
        start = end + 2
    return [*lines, _THIN]
