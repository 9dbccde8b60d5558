"""Give target lists the columns of a survey."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ocspark.errors import InputError
from ocspark.exports.source import Source, Watch, arrow_schema
from ocspark.exports.survey_formats import INTEGER_BITS, SURVEYS, SurveyColumn, TargetColumn

log = logging.getLogger("ocspark")


def survey_source(targets: Source, style: str, given: Mapping[str, Any]) -> Source:
    """Return targets with a survey's columns.

    Parameters
    ----------
    targets : Source
        From `ocspark.exports.targets.target_source`.
    style : str
        ``4most`` or ``weave``.
    given : mapping
        Constants by column.

    Raises
    ------
    InputError
        For a column that the survey does not have, or a value that it cannot hold.
    """
    survey = SURVEYS[style]
    columns = [_with(column, given) for column in survey.columns]
    unknown = set(given) - {c.name for c in columns}
    if unknown:
        raise InputError(f"--constant {min(unknown)}: the style {style} has no such column")
    empty = [name for name in survey.to_fill if name not in given]
    if empty:
        log.warning("%s: left empty; --set fills them", ", ".join(empty))
    fields = [column.field for column in columns]
    schema = arrow_schema(fields)

    def batches(
        wanted: Sequence[str] | None = None, watch: Watch | None = None
    ) -> Iterator[pa.RecordBatch]:
        some = [c for c in columns if wanted is None or c.name in wanted]
        for rows in targets.batches(None, watch):
            rows = rows.filter(pc.less_equal(rows["dec"], survey.max_dec))
            arrays = [_fill(c, rows, targets.facts, schema.field(c.name).type) for c in some]
            yield pa.RecordBatch.from_arrays(arrays, names=[c.name for c in some])

    widths = {c.name: int(c.code[:-1]) for c in columns if c.code[-1] == "A"}
    if style == "4most":
        widths = {}  # texts of up to 256 characters are as wide as the data need
    return replace(
        targets, fields=fields, batches=batches, widths=widths, header=dict(survey.header)
    )


def _with(column: SurveyColumn, given: Mapping[str, Any]) -> SurveyColumn:
    """Return the column with the constant given for it, if there is one."""
    if column.name not in given:
        return column
    value, kind = given[column.name], column.code[-1]
    if kind == "A":
        value, longest = str(value), int(column.code[:-1])
        fits, expected = (
            value.isascii() and len(value) <= longest,
            f"up to {longest} ASCII characters",
        )
    elif kind in INTEGER_BITS:
        fits = type(value) is int and abs(value) < 2 ** (INTEGER_BITS[kind] - 1)
        expected = f"a whole number of {INTEGER_BITS[kind]} bits"
    else:
        fits, expected = type(value) in (int, float), "a number"
    if not fits:
        raise InputError(f"--constant {column.name}={value}: expected {expected}")
    return column._replace(value=value)


def _fill(
    column: SurveyColumn, rows: pa.RecordBatch, facts: Mapping[str, Any], kind: pa.DataType
) -> pa.Array:
    """Return the values of a column for some targets."""
    value = column.value
    if isinstance(value, TargetColumn):
        values = rows[value.name]
    elif callable(value):
        values = value(rows, facts)
    else:
        return pa.array([value] * rows.num_rows, kind)
    if pa.types.is_string(kind):
        values = pc.utf8_slice_codeunits(values, 0, int(column.code[:-1]))
    return values.cast(kind, safe=False)
