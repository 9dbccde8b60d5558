"""Speeds against a baseline measured in the same run, one JSON object a line.

``python -m tests.benchmarks [NAME …]``; every benchmark where none is named. ``ratio`` is our
speed over the baseline's: above 1 is better.
"""

from __future__ import annotations

import importlib
import json
import sys

from ocspark.errors import InputError
from tests.benchmarks.measure import Comparison

#: Each is a module beside this one with a function `run`; planned ones join when they are built.
NAMES = (
    "adaptive_vs_fixed",
    "engine_vs_published",
    "mock_rows_per_second",
    "rehearsal",
    "search_rows_per_second",
    "search_vs_duckdb_count",
    "search_vs_duckdb_write",
    "search_vs_lsdb",
    "table_vs_files",
    "training_vs_published",
    "worker_import",
)


def main(arguments: list[str]) -> int:
    """Run benchmarks; return 0 when done, 2 for an unknown name."""
    try:
        _check(arguments)
        for name in arguments or NAMES:
            found = importlib.import_module(f"tests.benchmarks.{name}").run()
            results: dict[str, Comparison] = found if isinstance(found, dict) else {name: found}
            for label, result in results.items():
                print(json.dumps({"name": label, **result.as_dict()}), flush=True)
    except InputError as error:
        sys.stderr.write(f"ocspark: {error}\n")
        return 2
    return 0


def _check(names: list[str]) -> None:
    for name in names:
        if name not in NAMES:
            raise InputError(
                f"benchmark {name}: no such benchmark; expected one of {', '.join(NAMES)}"
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
