"""Tables that pages sort and search: columns that say what they are, and rows as data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    name : str
        Of the values it shows.
    title : str
        Its head, with the unit.
    meaning : str
        What it is, in a sentence.
    digits : int, optional
        After the decimal point; None: text.
    error : str
        Name of its values' errors, shown as ±.
    interval : (str, str), optional
        Names of the ends of its values' intervals, shown in brackets.
    kind : str
        How the page's script draws it: "" or one of ``link``, ``source``, ``status``.
    hidden : bool
        Whether it is shown only when a script asks for it.
    """

    name: str
    title: str
    meaning: str
    digits: int | None = None
    error: str = ""
    interval: tuple[str, str] | None = None
    kind: str = ""
    hidden: bool = False


def table_of(
    columns: Sequence[Column],
    values: Mapping[str, Sequence[Any]],
    order: Sequence[tuple[str, str]],
    page_length: int,
    **more: Any,
) -> dict[str, Any]:
    """Return a table as the pages' script wants it.

    Parameters
    ----------
    columns : sequence of Column
    values : mapping of sequences
        The values of every column, of errors and ends of intervals, and whatever else the script
        uses, by name. Identifiers are text, as JavaScript rounds whole numbers beyond 2⁵³.
    order : sequence of (str, str)
        Columns by which rows are sorted at first, each with ``asc`` or ``desc``.
    page_length : int
    **more
        Whatever else the script wants to know.
    """
    digits: dict[str, int | None] = dict.fromkeys(values)
    for column in columns:
        for name in (column.name, column.error, *(column.interval or ())):
            if name:
                digits[name] = column.digits
    names = [name for name in digits if name in values]
    cells = [[_cell(value, digits[name]) for value in values[name]] for name in names]
    return {
        "columns": [
            {key: value for key, value in column._asdict().items() if value not in (None, "")}
            for column in columns
        ],
        "names": names,
        "rows": list(zip(*cells, strict=True)),
        "order": order,
        "pageLength": page_length,
        **more,
    }


def as_script(data: Any) -> Markup:
    """Return data as JSON that can stand in a script element, whatever its texts hold."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _cell(value: Any, digits: int | None) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if digits is None or isinstance(value, str):
        return value
    return round(float(value), digits + 1) if digits else round(value)
