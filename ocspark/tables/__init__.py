"""Every table that crosses a stage: its columns with type, unit and description."""

from __future__ import annotations

from ocspark.tables.analysis import (
    COMPARISON,
    CONFUSION,
    LISTED_STARS,
    SHARED,
    STRUCTURE,
)
from ocspark.tables.catalogues import (
    CLUSTER_VALUES,
    DOUBTFUL_CLUSTERS,
    MERGED_CLUSTERS,
)
from ocspark.tables.differences import (
    CHANGE_REASONS,
    DIFFERENCES,
    DIFFERENT_STARS,
    PROBABILITY_PAIRS,
)
from ocspark.tables.fields import (
    Field,
    struct,
)
from ocspark.tables.mirror import (
    MOCK_TRUTH,
    VERIFIED_FILES,
)
from ocspark.tables.run import (
    CANDIDATES,
    CLUSTERS,
    CONE,
    CONE_COLUMNS,
    FOUND,
    MODELS,
    NON_MEMBERS,
    RUNS,
    SEARCH,
    STAGED_FILES,
    TRAINING_MEMBERS,
)
from ocspark.tables.selection_function import (
    CONE_COUNTS,
    SELECTION_CLUSTERS,
    SELECTION_COUNTS,
    SELECTION_FUNCTION,
    SELECTION_TWINS,
)
from ocspark.tables.training import (
    TRAINING_CLUSTERS,
    TRAINING_INSTANCES,
    TRAINING_SELECTED,
)

__all__ = [
    "CANDIDATES",
    "CHANGE_REASONS",
    "CLUSTERS",
    "CLUSTER_VALUES",
    "COMPARISON",
    "CONE",
    "CONE_COLUMNS",
    "CONE_COUNTS",
    "CONFUSION",
    "DIFFERENCES",
    "DIFFERENT_STARS",
    "DOUBTFUL_CLUSTERS",
    "FOUND",
    "LISTED_STARS",
    "MERGED_CLUSTERS",
    "MOCK_TRUTH",
    "MODELS",
    "NON_MEMBERS",
    "PROBABILITY_PAIRS",
    "RUNS",
    "SEARCH",
    "SELECTION_CLUSTERS",
    "SELECTION_COUNTS",
    "SELECTION_FUNCTION",
    "SELECTION_TWINS",
    "SHARED",
    "STAGED_FILES",
    "STRUCTURE",
    "TRAINING_CLUSTERS",
    "TRAINING_INSTANCES",
    "TRAINING_MEMBERS",
    "TRAINING_SELECTED",
    "VERIFIED_FILES",
    "Field",
    "struct",
]
