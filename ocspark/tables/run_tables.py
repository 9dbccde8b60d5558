"""The tables of a run by name: the one map from a table's name to its columns.

For readers on the driver. What tasks of a stage run imports its own tables, since what a stage
imports decides when it is done again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ocspark.tables.candidates import CANDIDATES, NON_MEMBERS, candidate_fields
from ocspark.tables.characterised import MODELS, TRAINING_MEMBERS
from ocspark.tables.clusters import CLUSTERS, CONES
from ocspark.tables.fields import Field
from ocspark.tables.posterior import CLAIMS, FITS, LUMINOSITY_FUNCTIONS
from ocspark.tables.run import CELLS, COUNTS, LACKING, SEARCH

#: What a run is made for.
RESULT_TABLES: dict[str, list[Field]] = {
    "candidates": CANDIDATES,
    "training_members": TRAINING_MEMBERS,
    "clusters": CLUSTERS,
    "luminosity_functions": LUMINOSITY_FUNCTIONS,
    "non_members": NON_MEMBERS,
}
#: And what it keeps for later runs.
RUN_TABLES: dict[str, list[Field]] = {
    **RESULT_TABLES,
    "_cones": CONES,
    "_search": SEARCH,
    "_counts": COUNTS,
    "_lacking": LACKING,
    "_cells": CELLS,
    "_models": MODELS,
    "_claims": CLAIMS,
    "_fits": FITS,
}


def fields_of(table: str, carried: Sequence[Field] = ()) -> list[Field]:
    """Return the columns of a table of a run that carries some columns of the mirror along."""
    return candidate_fields(carried) if table == "candidates" else RUN_TABLES[table]
