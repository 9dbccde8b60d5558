"""Read a file before it is a table: unpacked bytes, and their text."""

from __future__ import annotations

import bz2
import codecs
import gzip

from ocspark import storage

_PACKED = ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress))
#: Byte order marks; those of UTF-32 begin with those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Bytes of a text's beginning by which UTF-16 without a mark is recognised.
_BEGINNING = 400


class TableFault(ValueError):
    """A file's table cannot be used: says what was found and what was expected, in one line."""


def read_content(path: str) -> bytes:
    """Return a file's content, unpacked if it is gzip or bzip2, whatever its name says.

    Raises
    ------
    TableFault
        If the packed content is cut short or damaged.
    """
    content = storage.read_bytes(path)
    for mark, unpack in _PACKED:
        if content.startswith(mark):
            try:
                return unpack(content)
            except (EOFError, OSError, ValueError) as error:
                raise TableFault(f"cut short or damaged: {error}") from None
    return content


def decode_text(content: bytes) -> str:
    r"""Return a text in UTF-8, UTF-16 or UTF-32, every line end as ``\n``.

    Raises
    ------
    TableFault
        If it is in none of them, naming the line.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    encoding = encoding or _unmarked(content[:_BEGINNING])
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TableFault(
            f"line {line}: byte 0x{content[error.start]:02x} is not {error.encoding.upper()}; "
            "expected text in UTF-8 or UTF-16"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise TableFault(f"line {line}: a null character; expected text in UTF-8 or UTF-16")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unmarked(beginning: bytes) -> str:
    """Return the encoding of a text without a byte order mark."""
    even, odd = beginning[::2], beginning[1::2]
    if len(odd) > 1 and not any(odd) and all(even[: len(odd)]):
        return "utf-16-le"
    if len(odd) > 1 and not any(even) and all(odd):
        return "utf-16-be"
    return "utf-8"
