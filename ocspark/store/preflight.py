"""Check before a job begins that its tasks see the storage and packages that the driver sees."""

from __future__ import annotations

import json
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.errors import InputError
from ocspark.places import package_version
from ocspark.store.tasks import run_tasks

#: Tasks of the check; Spark spreads them over the executors that there are.
_TASKS = 32
#: Packages whose versions must be the driver's: what it sends to tasks is pickled.
_PACKAGES = ("ocspark", "numpy", "pandas", "pyarrow")


def check_workers(spark: SparkSession, folder: str, inputs: Sequence[str] = ()) -> None:
    """Check that tasks see the folder and inputs that the driver sees, and have its versions.

    Tasks read a token that the driver wrote into the folder, and write one back.

    Nothing is done where driver and tasks are one process of Spark's (``local``).

    Parameters
    ----------
    spark : SparkSession
    folder : str
        Folder of the job's results; nothing is left in it.
    inputs : sequence of str
        Files that tasks must be able to read.

    Raises
    ------
    InputError
        If a task does not see the folder or a file, the driver does not see what a task wrote, or
        a version differs.
    """
    if _is_local(spark):
        return
    meeting = storage.join(folder, f"_preflight-{uuid4().hex}")
    token = uuid4().hex
    storage.make_directory(meeting)
    try:
        storage.write_file(storage.join(meeting, "driver"), token)
        visit = _Visit(meeting, token, tuple(inputs))
        for number, text in enumerate(run_tasks(spark, visit, range(_TASKS))):
            seen = json.loads(text)
            host, fault = seen["host"], seen["fault"]
            back = storage.join(meeting, str(number))
            if fault is None and not storage.exists(back):
                fault = f"output: {folder}: what a task on {host} wrote there is not seen here"
            if fault is not None:
                raise InputError(f"{fault}; expected storage that driver and workers share")
            for name, version in _versions().items():
                if "unknown" not in (version, there := seen["versions"][name]) and there != version:
                    raise InputError(
                        f"{name}: {there} on {host}, {version} on the driver; "
                        "expected the same (PYSPARK_PYTHON says which Python workers run)"
                    )
    finally:
        storage.remove_directory(meeting)


@dataclass(frozen=True)
class _Visit:
    """The check of one task: read the driver's token, write one back, open the inputs."""

    meeting: str
    token: str
    inputs: tuple[str, ...]

    def __call__(self, number: int) -> str:
        host = socket.gethostname()
        return json.dumps(
            {"host": host, "versions": _versions(), "fault": self._look(number, host)}
        )

    def _look(self, number: int, host: str) -> str | None:
        driver = storage.join(self.meeting, "driver")
        folder = self.meeting.rpartition("/")[0]
        if not storage.exists(driver) or storage.read_text(driver) != self.token:
            return f"output: {folder}: a task on {host} does not see what the driver wrote there"
        storage.write_file(storage.join(self.meeting, str(number)), self.token)
        for path in self.inputs:
            try:
                next(storage.chunks(path, 1), b"")
            except FileNotFoundError:
                return f"{path}: a task on {host} does not see this file"
        return None


def _versions() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, **{name: package_version(name) for name in _PACKAGES}}


def _is_local(spark: SparkSession) -> bool:
    """Return whether tasks run where the driver runs; a session that does not say is not local."""
    try:
        master = str(spark.conf.get("spark.master", ""))
    except PySparkException:
        return False
    return master.startswith("local") and not master.startswith("local-cluster")
