"""Map the names of a run's tables to their columns, for readers on the driver.

Code that tasks run imports the columns of its own tables only: a change in what a stage imports
makes the stage run again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ocspark.tables.candidates import CANDIDATES, NON_MEMBERS, candidate_fields
from ocspark.tables.characterised import MODELS, TRAINING_MEMBERS
from ocspark.tables.clusters import CLUSTERS, CONES
from ocspark.tables.fields import Field
from ocspark.tables.posterior import CLAIMS, FITS, LUMINOSITY_FUNCTIONS
from ocspark.tables.run import CELLS, COUNTS, LACKING, SEARCH

#: Tables for users.
RESULT_TABLES: dict[str, list[Field]] = {
    "candidates": CANDIDATES,
    "training_members": TRAINING_MEMBERS,
    "clusters": CLUSTERS,
    "luminosity_functions": LUMINOSITY_FUNCTIONS,
    "non_members": NON_MEMBERS,
}
#: All tables of a run; those with an underscore serve later runs.
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
    """Return the columns of a table of a run.

    Parameters
    ----------
    table : str
        Name of the table.
    carried : sequence of Field
        Columns that the run carries over from the mirror to its candidates.
    """
    return candidate_fields(carried) if table == "candidates" else RUN_TABLES[table]
