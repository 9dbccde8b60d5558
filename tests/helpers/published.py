"""Modules of the published implementation (gaia_oc_amd 0.2.1) as an independent reference.

The package itself needs astroquery, so single files are loaded; its `__init__` is not run.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType

from ocspark.release import package_file


def published_module(file: str) -> ModuleType:
    """Return one module of gaia_oc_amd, by its path inside the package."""
    spec = importlib.util.spec_from_file_location(
        "published_" + file.replace("/", "_").removesuffix(".py"), package_file("gaia_oc_amd", file)
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
