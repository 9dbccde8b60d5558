"""Define errors with one-line messages, and the exit code of a job that fails with each."""

from __future__ import annotations

import re


class OneLineError(Exception):
    """An error whose message is one line; jobs print it and exit with `exit_code`.

    Parameters
    ----------
    message : str
        The message; line breaks and repeated blanks become single blanks.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


class InputError(OneLineError):
    """Invalid input: the message names the file, column or key, and what was expected.

    Jobs print it as ``ocspark: <message>`` and exit with code 2.
    """

    exit_code = 2


class NoClusterError(InputError):
    """No cluster of a run can be processed: the message gives the commonest reasons.

    Parameters
    ----------
    reasons : dict
        The reason of each cluster, by name; also an attribute.
    table : str, optional
        Path of the table that has the reason of each.
    """

    #: Number of kinds of reasons that are in the message.
    shown = 5

    def __init__(self, reasons: dict[str, str], table: str | None = None) -> None:
        self.reasons = reasons
        alike: dict[str, list[str]] = {}
        for name, reason in reasons.items():
            # reasons that differ in their numbers alone are of one kind, if there are many
            kind = re.sub(r"\d+(\.\d+)?", "", reason) if len(reasons) > self.shown else name
            alike.setdefault(kind, []).append(name)
        kinds = sorted(alike.values(), key=len, reverse=True)
        given = "; ".join(f"{_some(names)}: {reasons[names[0]]}" for names in kinds[: self.shown])
        where = f"; the reason of each is in {table}" if table is not None else ""
        super().__init__(f"clusters: none of {len(reasons)} can be done: {given}{where}")


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} such as {names[0]}"


class OutputError(OneLineError):
    """The output cannot be written: the message names the path and the reason.

    Jobs print it as ``ocspark: <message>`` and exit with code 1; files written
    before are kept.
    """


class BusyError(OneLineError):
    """Another process is working in the folder: the message names it and since when.

    Jobs print it as ``ocspark: <message>`` and exit with code 75 ("temporary failure" in
    sysexits.h); the same command may be tried again later.
    """

    exit_code = 75


class StorageError(OSError):
    """A storage that does not answer, or refuses: the message begins with the URI.

    Spark tries a task again that raises it. Jobs print it as one line and exit with code 1.
    """
