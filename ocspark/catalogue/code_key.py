"""Name the modules that each stage of a run depends on, and compute digests of their code."""

from __future__ import annotations

from functools import cache

from ocspark.store.code_digest import code_digest

#: Modules by which the driver checks a mirror and tasks read it.
_MIRROR = ("ocspark.release", "ocspark.mirror.footers", "ocspark.mirror.scan")
#: Modules of the functions that a stage's tasks call, and that the driver calls for it. What they
#: import is found, not listed. A stage also depends on all stages before it.
STAGE_MODULES: dict[str, tuple[str, ...]] = {
    "search": (
        "ocspark.inputs.clusters",
        "ocspark.inputs.members",
        *_MIRROR,
        "ocspark.mirror.read",
        "ocspark.selection.cones",
        "ocspark.selection.table_rows",
        "ocspark.selection.listed_levels",
        "ocspark.catalogue.search",
    ),
    "characterise": (
        "ocspark.inputs.isochrones",
        "ocspark.catalogue.characterise",
    ),
    "membership": (
        *_MIRROR,
        "ocspark.selection.cones",
        "ocspark.deepsets.weights",
        "ocspark.catalogue.membership",
        "ocspark.catalogue.layout",
    ),
    "posterior": ("ocspark.inputs.isochrones", "ocspark.catalogue.posterior"),
    "summary": ("ocspark.catalogue.summary", "ocspark.catalogue.sharing"),
}


@cache
def code_keys() -> dict[str, str]:
    """Return the `code_digest` of each stage's modules, by stage."""
    return {stage: code_digest(modules) for stage, modules in STAGE_MODULES.items()}
