"""Works that write a few stars of two clusters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark.store.files import TableWriters
from ocspark.store.folder import RunFolder, Work, files_of
from ocspark.store.manifests import Manifest
from tests.helpers.session_here import SessionHere, tasks_here

STARS = pa.record_batch({"cluster": ["NGC 1", "NGC_2", "NGC 1"], "source_id": [3, 4, 5]})


def write_stars(item: Any, writers: TableWriters) -> dict[str, int]:
    writers.add("stars", STARS)
    return {"stars": 3}


def works(*keys: str, digest: str = "a") -> list[Work]:
    return [Work(key, digest, 3, key) for key in keys]


def do(folder: RunFolder, todo: Sequence[Work], function: Any = write_stars) -> list[Manifest]:
    """Do a step of the name "count"."""
    with tasks_here():
        return folder.run_step(SessionHere(), "count", "counting", function, todo)  # type: ignore


def rows_of(folder: RunFolder, manifests: Sequence[Manifest]) -> pa.Table:
    """Return what the listed files hold, file by file."""
    names = [file.name for file in files_of(manifests)]
    return pa.concat_tables(pq.read_table(Path(folder.root, name)) for name in names)
