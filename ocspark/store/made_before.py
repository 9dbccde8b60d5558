"""Recognise an output that was made before, by its record, which is written last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ocspark import storage
from ocspark.store.code_digest import code_digest
from ocspark.store.folder import digest

#: Key of a record whose value stands for the inputs and the code that the output was made of.
INPUTS = "inputs_sha256"


def inputs_digest(modules: Iterable[str], *facts: Any) -> str:
    """Return a digest of all that an output follows from.

    Parameters
    ----------
    modules : iterable of str
        Full names of the modules that make the output.
    facts : object
        What stands for inputs and options; JSON can hold each.
    """
    return digest([code_digest(modules), *facts])


def record_made_of(
    inputs: str, path: str, folders: Sequence[str] = (), files: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Return the record of an output if it was made of these inputs; None if it has to be made.

    Parameters
    ----------
    inputs : str
        From `inputs_digest`.
    path : str
        The record, a JSON file that is written last.
    folders, files : sequence of str
        Names beside the record: folders that must not be empty, files that must be there.
    """
    record: dict[str, Any] | None = storage.read_json(path)
    if record is None or record.get(INPUTS) != inputs:
        return None
    beside = path.rpartition("/")[0]
    is_there = all(storage.is_file(storage.join(beside, name)) for name in files) and all(
        storage.list_files(storage.join(beside, name)) for name in folders
    )
    return record if is_there else None
