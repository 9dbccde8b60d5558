"""Find the package's own folders conf/ and jobs/, and versions of packages, however installed."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path

from ocspark.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def beside_package(folder: str) -> Path:
    """Return ``conf/`` or ``jobs/``: inside the installed package, or beside it in a checkout."""
    for root in (_PACKAGE / folder, _PACKAGE.parent / folder):
        if root.is_dir():
            return root
    if zipfile.is_zipfile(_PACKAGE.parent):  # a wheel or zip given to spark-submit --py-files
        unpacked = _unpacked(_PACKAGE.parent) / _PACKAGE.name / folder
        if unpacked.is_dir():
            return unpacked
    raise InputError(f"{folder}: this folder of ocspark is missing; install the package again")


def package_version(name: str) -> str:
    """Return the version of a package, ``unknown`` if it is not installed, as in a checkout."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


@cache
def _unpacked(archive: Path) -> Path:
    """Unpack the two folders to where this process can read them, and remove them at its end."""
    target = tempfile.mkdtemp(prefix="ocspark-")
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    with zipfile.ZipFile(archive) as content:
        wanted = tuple(f"{_PACKAGE.name}/{folder}/" for folder in ("conf", "jobs"))
        content.extractall(target, [n for n in content.namelist() if n.startswith(wanted)])
    return Path(target)
