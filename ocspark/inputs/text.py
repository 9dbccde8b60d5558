"""Read a table of text: the separator, the encoding and the decimal mark are found out."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from ocspark.inputs.content import TableFault, decode_text
from ocspark.inputs.text_layout import NUMBER, TextTable, split_text

#: Texts that stand for no value.
NULLS = ["", "nan", "NaN", "null", "NULL", "None", "none", "NA", "N/A", "n/a", "#N/A", "<NA>", "--"]
#: From here on a double does not hold every integer: what is larger stays text, digit by digit.
EXACT = 2.0**53
_INTEGER = r"^[+-]?(?:0|[1-9][0-9]*)$"
_WHOLE = r"^[+-]?[0-9]+(?:[eE][+-]?[0-9]+)?$"
_WITH_COMMA = r"^[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?$"
#: What may be a number in thousands as well as one with decimals.
_THOUSANDS = r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"


def read_text_table(content: bytes) -> pd.DataFrame:
    """Read a table of text with a header line.

    A column is of integers or doubles where all its values are, the nearest double to each; a
    column with numbers of more digits than a double holds stays text, and so does any other.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    DataFrame
        ``attrs["units"]`` has the units of VizieR's second line or an ECSV header, by column.

    Raises
    ------
    TableFault
        If it is no text, is cut, or a row has more or fewer fields than the header.
    """
    table = split_text(decode_text(content))
    columns = _texts(table)
    while columns and len(columns[0]) and not any(column[-1].is_valid for column in columns):
        columns = [column[:-1] for column in columns]  # separators alone, as Excel leaves them
    if table.separator != ",":
        columns = _decimal_points(columns)
    frame = pd.concat([_values(column) for column in columns], axis=1, keys=range(len(columns)))
    frame.columns = pd.Index(table.names)
    frame.attrs["units"] = table.units
    return frame


def _texts(table: TextTable) -> list[pa.Array]:
    """Return the columns as they are written, without blanks around them; null where empty."""
    body, names = table.body, [str(n) for n in range(len(table.names))]
    if not body.strip():
        return [pa.array([], pa.string()) for _ in names]
    if '"' in body:
        # a quotation mark after blanks opens a field, as it does at once after a separator
        body = re.sub(
            rf'({re.escape(table.separator)}|^) +"(?!")', r'\1"', body, flags=re.MULTILINE
        )
        _check_quotes(body, table.separator)
    wrong: list[arrow_csv.InvalidRow] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    data = body.encode()
    try:
        read = arrow_csv.read_csv(
            io.BytesIO(data),
            # in one piece, so that rows can be counted
            arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data)),
            arrow_csv.ParseOptions(
                delimiter=table.separator, newlines_in_values=True, invalid_row_handler=refuse
            ),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        if not wrong:
            raise
        row = wrong[0]
        raise TableFault(
            f"row {row.number} has {row.actual_columns} fields, the header has "
            f"{row.expected_columns}: {row.text[:60]!r}"
        ) from None
    nulls = pa.array([*NULLS, '""'])
    columns = []
    for column in read.columns:
        trimmed = pc.utf8_trim_whitespace(column).combine_chunks()
        columns.append(pc.if_else(pc.is_in(trimmed, nulls), None, trimmed))
    return columns


def _check_quotes(body: str, separator: str) -> None:
    rows = csv.reader(io.StringIO(body), delimiter=separator, strict=True)
    try:
        for _ in rows:
            pass
    except csv.Error as error:
        raise TableFault(f"row {rows.line_num}: quotation marks do not match: {error}") from None


def _all(column: pa.Array, pattern: str) -> bool:
    """Return whether all texts of a column match a pattern; True for a column without texts."""
    return pc.all(pc.match_substring_regex(column, pattern), min_count=0).as_py() is not False


def _any(column: pa.Array, pattern: str) -> bool:
    return pc.any(pc.match_substring_regex(column, pattern)).as_py() is True


def _decimal_points(columns: list[pa.Array]) -> list[pa.Array]:
    """Return the columns with points in the numbers where the file has decimal commas.

    It has them if some number with a comma cannot be one in thousands, and none has a point.
    """
    numbers = f"(?:{_WITH_COMMA})|(?:{_WHOLE})"
    decimal = [_any(c, _WITH_COMMA) and _all(c, numbers) for c in columns]
    with_commas = [c for c, is_decimal in zip(columns, decimal, strict=True) if is_decimal]
    points = any(_any(c, r"^[+-]?[0-9]*\.[0-9]+$") and _all(c, NUMBER) for c in columns)
    if points or all(_all(c, f"(?:{_THOUSANDS})|(?:{_WHOLE})") for c in with_commas):
        return columns
    return [
        pc.replace_substring(c, ",", ".") if is_decimal else c
        for c, is_decimal in zip(columns, decimal, strict=True)
    ]


def _values(column: pa.Array) -> pd.Series:
    """Return a column as int64, float64 or objects; see `read_text_table`."""
    if column.null_count == len(column):
        return pd.Series([None] * len(column), dtype=object)
    if _all(column, _INTEGER):
        try:
            whole = pc.cast(pc.utf8_ltrim(column, "+"), pa.int64())
        except pa.ArrowInvalid:  # more digits than 64 bits hold
            return column.to_pandas().astype(object)
        if not whole.null_count or pc.max(pc.abs(whole)).as_py() >= EXACT:
            return whole.to_pandas(integer_object_nulls=True)
    try:
        real = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return column.to_pandas().astype(object)
    if pc.max(pc.abs(real)).as_py() >= EXACT:
        return column.to_pandas().astype(object)
    return real.to_pandas()
