"""Find out how a text is laid out: its separator, header, units and rows."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ocspark.inputs.content import TableFault

#: Separators that are looked for in the header line; without any, blanks separate.
SEPARATORS = ("\t", ";", "|", ",")
#: Excel's first line of a CSV file, which names its separator.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
#: A number, as a regular expression that Python and Arrow read alike.
NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_WORDS = re.compile(r'"(?:[^"]|"")*"|\S+')
#: Rows that tell which separator a file has.
_SAMPLE = 50


@dataclass(frozen=True)
class TextTable:
    """A table of text before its values are read.

    Attributes
    ----------
    separator : str
    names : list of str
        Columns, in their order.
    units : dict
        Units that the file gives, by column.
    body : str
        The rows alone, without comments.
    """

    separator: str
    names: list[str]
    units: dict[str, str]
    body: str


def split_text(text: str) -> TextTable:
    """Find a text's separator and header, and part its rows from everything else.

    Raises
    ------
    TableFault
        If there is no header, several tables, or a comment that may be a row.
    """
    lines = text.split("\n")
    start, separator = 0, ""
    if found := SEPARATOR_LINE.fullmatch(lines[0]):
        start, separator = 1, found.group(1)
    comments = list(itertools.takewhile(_is_no_row, lines[start:]))
    _check_whole(comments)
    start += len(comments)
    if start == len(lines):
        raise TableFault("no columns: expected a header line with their names")
    following = lines[start + 1 :]
    sample = [line for line in following[:_SAMPLE] if not _is_no_row(line)]
    separator = separator or find_separator(lines[start], sample)
    names, body = _fields(lines[start], separator), following
    above = _header_above(comments, names, separator)
    if above:
        names, body = above, lines[start:]
    units = _units_of_ecsv(comments)
    if not above and not units:
        units, body = _without_units(names, body, separator)
    names = [name or f"Unnamed: {place}" for place, name in enumerate(names)]  # as in pandas
    rows = "\n".join(_rows(body, names, separator, len(lines) - len(body)))
    return TextTable("\t" if separator == " " else separator, names, units, rows)


def _is_no_row(line: str) -> bool:
    return line.startswith("#") or not line.strip()


def _check_whole(comments: Sequence[str]) -> None:
    """Refuse what VizieR says that it has cut."""
    for comment in comments:
        if "truncated result" in comment.lower():
            said = comment.lstrip("#+ \t").strip()[:80]
            raise TableFault(f"the server has cut the table ({said}); expected the whole one")


def find_separator(header: str, sample: Sequence[str]) -> str:
    """Return the separator of a header line: one of `SEPARATORS`, or a blank for blanks.

    Of several, that by which rows have as many fields as the header, and most of them.

    Parameters
    ----------
    header : str
    sample : sequence of str
        Some rows.
    """
    best = (False, 1, ",")
    for separator in SEPARATORS:
        n = len(_fields(header, separator))
        fits = all(len(_fields(line, separator)) == n for line in sample)
        if n > 1 and (fits, n) > best[:2]:
            best = (fits, n, separator)
    if best[1] == 1 and len(_fields(header, " ")) > 1:
        return " "
    return best[2]


def _fields(line: str, separator: str) -> list[str]:
    if separator == " ":
        fields = [word.strip('"') for word in _WORDS.findall(line)]
    else:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [""])
    return [field.strip() for field in fields]


def _is_number(text: str) -> bool:
    return re.match(NUMBER, text) is not None


def _header_above(comments: Sequence[str], first: Sequence[str], separator: str) -> list[str]:
    """Return the names of a header line that begins with ``#``, [] where there is none.

    It is the last comment, has as many fields as the first row, and that row has a number.
    """
    if not comments or not any(map(_is_number, first)):
        return []
    names = _fields(comments[-1].lstrip("#"), separator)
    return names if len(names) == len(first) and not any(map(_is_number, names)) else []


def _units_of_ecsv(comments: Sequence[str]) -> dict[str, str]:
    """Return the units of an ECSV header, {} where the comments are none.

    ESA's files have one, and no reader of ECSV takes their ``null``.
    """
    if not comments or not comments[0].startswith("# %ECSV"):
        return {}
    from astropy.table.meta import YamlParseError, get_header_from_yaml

    lines = [line.removeprefix("# ") for line in comments[1:] if line.startswith("#")]
    try:
        columns = get_header_from_yaml(lines)["datatype"]
        return {column["name"]: str(column["unit"]) for column in columns if column.get("unit")}
    except (YamlParseError, KeyError, TypeError, AttributeError):
        raise TableFault("its ECSV header cannot be read") from None


def _is_dashes(line: str, names: Sequence[str], separator: str) -> bool:
    """Whether a line is VizieR's, which has dashes below the name of every column."""
    fields = _fields(line, separator) if line.startswith("-") else []
    return 0 < len(fields) == len(names) and all(set(field) == {"-"} for field in fields)


def _without_units(
    names: Sequence[str], body: list[str], separator: str
) -> tuple[dict[str, str], list[str]]:
    """Return the units that VizieR has below the names, and what follows them."""
    at = next((n for n in (0, 1) if _is_dashes("".join(body[n : n + 1]), names, separator)), None)
    if at is None:
        return {}, body
    units = _fields(body[0], separator) if at == 1 else [""] * len(names)
    rest = body[at + 1 :]
    more = sum(_is_dashes(line, _fields(line, separator), separator) for line in rest)
    if more:
        raise TableFault(f"{more + 1} tables in one file; expected one table")
    if len(units) != len(names):
        raise TableFault(f"{len(units)} units for {len(names)} columns; expected one for each")
    return {n: unit for n, unit in zip(names, units, strict=True) if unit}, rest


def _rows(body: list[str], names: Sequence[str], separator: str, offset: int) -> list[str]:
    """Return the rows without comments and empty lines; blanks that separate become tabs."""
    rows = []
    for number, line in enumerate(body, offset + 1):
        if not line.strip():
            continue
        if not line.startswith("#"):
            rows.append("\t".join(_WORDS.findall(line)) if separator == " " else line)
        elif separator != " " and len(names) > 1 and len(_fields(line, separator)) == len(names):
            raise TableFault(
                f"line {number}: begins with # and has the fields of a row; expected a comment, or "
                "a row whose first field is in quotation marks"
            )
        else:
            _check_whole([line])
    return rows
