"""Options of a build, and the check that its output folder is free, half built or finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ocspark import storage
from ocspark.errors import InputError
from ocspark.mirror.hats import PROPERTIES, UNFINISHED

#: In the finished catalogue's root: what it was built from.
RECORD = "ocspark_build.json"
#: In the `UNFINISHED` folder of a build: the options that it was started with.
SETTINGS = "settings.json"
LOCK = "_lock"
#: Changed when the same input and settings would give other files.
_FORMAT = 1


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build.

    Attributes
    ----------
    input, output : str
        Paths or URIs.
    release : str
    max_rows : int
        Rows of a partition at most.
    columns : ``needed`` or ``all``
        The columns the release's map names, or all there are.
    table : str, optional
        Which table of FITS files and VOTables with several: its name, or its number from 1.
    """

    input: str
    output: str
    release: str
    max_rows: int = 1_000_000
    columns: Literal["needed", "all"] = "needed"
    table: str | None = None

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise InputError(f"--max-rows {self.max_rows}: expected 1 or more")
        if self.columns not in ("needed", "all"):
            raise InputError(f"--columns {self.columns}: expected needed or all")


def settings_to_record(options: BuildOptions) -> dict[str, Any]:
    """Return what must be the same for an earlier build to count."""
    # paths as they stand on their file system, so that `mirror` and `./mirror` are the same
    place = storage.locate(options.input)
    settings = {**asdict(options), "input": place.uri(place.inner).rstrip("/"), "format": _FORMAT}
    del settings["output"]
    return settings


def finished_record(options: BuildOptions) -> dict[str, Any] | None:
    """Return the record of a finished mirror; refuse one that was built otherwise."""
    if not all(storage.exists(storage.join(options.output, name)) for name in PROPERTIES):
        return None
    path = storage.join(options.output, RECORD)
    if not storage.exists(path):
        raise InputError(
            f"--output {options.output}: holds a catalogue that this job did not build; expected "
            "a new or empty folder"
        )
    record: dict[str, Any] = json.loads(storage.read_text(path))
    _compare(options, record["settings"], "a finished mirror")
    return record


def check_output(options: BuildOptions) -> None:
    """Refuse an output that holds something else, or a build with other settings."""
    output, work = options.output, storage.join(options.output, UNFINISHED)
    if storage.is_file(output):
        raise InputError(f"--output {output}: is a file; expected a folder for the mirror")
    if f"{storage.resolve(output)[1]}/".startswith(f"{storage.resolve(options.input)[1]}/"):
        raise InputError(f"--output {output}: lies in the input; expected a folder elsewhere")
    settings = storage.join(work, SETTINGS)
    before = storage.read_json(settings)
    if before is not None:
        _compare(options, before, "an unfinished build")
    elif not storage.is_directory(work) and any(
        not info.path.rsplit("/", 1)[1].startswith(LOCK) for info in storage.list_infos(output)
    ):
        raise InputError(
            f"--output {output}: is not empty and holds no unfinished build; expected a new or "
            "empty folder"
        )


def _compare(options: BuildOptions, before: Mapping[str, Any], what: str) -> None:
    for key, value in settings_to_record(options).items():
        if before.get(key) != value:
            raise InputError(
                f"--output {options.output}: holds {what} with {key} {before.get(key)}, not "
                f"{value}; expected the same settings or another folder"
            )
