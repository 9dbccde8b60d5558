"""What a person can put right, told in one line, each kind with its own exit code."""

from __future__ import annotations


class OneLineError(Exception):
    """An error whose message is one line; jobs print it and exit with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


class InputError(OneLineError):
    """Bad input: the message is one line that names the file, column or key and what was expected.

    Jobs print it as ``ocspark: <message>`` and exit with code 2.
    """

    exit_code = 2


class NoClusterError(InputError):
    """No cluster of a run can be done: one line with the reasons.

    Attributes
    ----------
    reasons : dict
        Name of a cluster to why it cannot.
    """

    #: Clusters whose reasons the line gives.
    shown = 5

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        told = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[: self.shown])
        more = len(reasons) - self.shown
        also = f"; and {more} more" if more > 0 else ""
        super().__init__(f"clusters: none of {len(reasons)} can be done: {told}{also}")


class OutputError(OneLineError):
    """The output cannot be written: one line that names the place and the reason.

    Jobs print it as ``ocspark: <message>`` and exit with code 1; what has landed is kept.
    """


class BusyError(OneLineError):
    """Another run is at work in the folder: one line that says who and since when.

    Jobs print it as ``ocspark: <message>`` and exit with code 75 ("temporary failure" in
    sysexits.h); the same command may be tried again later.
    """

    exit_code = 75


class StorageError(OSError):
    """A storage that does not answer, or refuses: the message begins with the URI.

    Spark tries a task again that raises it. Jobs print it as one line and exit with code 1.
    """
