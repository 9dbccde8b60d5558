"""Check before a run finishes that its inputs have not been replaced since it began."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ocspark.catalogue.fingerprint import fingerprint_run
from ocspark.catalogue.inputs import RunInputs
from ocspark.deepsets.weights import load_model
from ocspark.errors import InputError
from ocspark.release import load_release

#: Settings that name an input, by its place in the fingerprint.
_SETTINGS = {
    "clusters": "clusters.path",
    "members": "members.path",
    "neighbourhood": "members.neighbourhood",
    "isochrones": "isochrones.path",
    "model": "model",
    "release": "release",
}


def check_unchanged(inputs: RunInputs, fingerprint: Mapping[str, Any]) -> None:
    """Compare the fingerprint of all inputs with that of the beginning.

    Mirror files are also compared by size and time of last change. A Spark table as mirror is not
    checked, since it would have to be read as a whole.

    Parameters
    ----------
    inputs : RunInputs
        Inputs of the run.
    fingerprint : mapping
        Fingerprint from `fingerprint_run` when the run began.

    Raises
    ------
    InputError
        If an input was replaced meanwhile.
    """
    files = inputs.mirror.check_again(inputs.files)
    settings = inputs.settings
    try:
        now = fingerprint_run(
            settings, load_release(settings.release), load_model(settings.model), files
        )
    except OSError as error:
        raise InputError(f"input: gone during the run: {error}") from None
    for part, before in json.loads(json.dumps(fingerprint)).items():
        if part in _SETTINGS and json.loads(json.dumps(now[part])) != before:
            raise InputError(
                f"{_SETTINGS[part]}: replaced during the run; expected the same input from its "
                "beginning to its end (run again)"
            )
