"""The package's wheel, as a user's cluster would get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers.toyrun import ROOT

_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder; no network is needed."""
    command = [*_PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    return next(folder.glob("ocspark-*.whl"))


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install the wheel, alone, into a folder."""
    command = [*_PIP, "install", "--no-deps", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, timeout=300)
    return folder
