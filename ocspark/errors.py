"""What a person can put right, told in one line: wrong input, or no way to write the output."""

from __future__ import annotations


class _OneLine(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


class InputError(_OneLine):
    """Bad input: the message is one line that names the file, column or key and what was expected.

    Jobs print it as ``ocspark: <message>`` and exit with code 2.
    """


class OutputError(_OneLine):
    """The output cannot be written: one line that names the place and the reason.

    Jobs print it as ``ocspark: <message>`` and exit with code 1; what has landed is kept.
    """
