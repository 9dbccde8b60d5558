"""The one exception that means "the input is wrong, and here is where"."""

from __future__ import annotations


class InputError(Exception):
    """Bad input: the message is one line that names the file, column or key and what was expected.

    Jobs print it as ``ocspark: <message>`` and exit with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
