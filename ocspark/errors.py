"""Define errors with one-line messages, and the exit code of a job that fails with each."""

from __future__ import annotations


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
    """No cluster of a run can be processed: the message gives the reasons of some.

    Parameters
    ----------
    reasons : dict
        The reason of each cluster, by name; also an attribute.
    """

    #: Number of clusters whose reasons are in the message.
    shown = 5

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        shown = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[: self.shown])
        more = len(reasons) - self.shown
        also = f"; and {more} more" if more > 0 else ""
        super().__init__(f"clusters: none of {len(reasons)} can be done: {shown}{also}")


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
