"""The main job on portions of a few hundred rows, for tests that stop it on the way."""

from __future__ import annotations

import runpy
from pathlib import Path

from ocspark.mirror import portions

#: What the toy sky is cut by, whose files have some 900 rows each.
FEWEST_ROWS, FEWEST_PAIRS = 400, 50

if __name__ == "__main__":
    portions.FEWEST_ROWS, portions.FEWEST_PAIRS = FEWEST_ROWS, FEWEST_PAIRS
    runpy.run_path(
        str(Path(__file__).parents[2] / "jobs" / "full_catalogue.py"), run_name="__main__"
    )
