"""Tables of a search: sources in cones, listed members among them, counts."""

from __future__ import annotations

from collections.abc import Container

from ocspark.tables.fields import CLUSTER_KEY, DOUBLE, INT, LONG, STRING, Field, source_fields
from ocspark.tables.star import KEY

#: Kept sources as the mirror gives them, after the cone cuts; see `cone_fields`.
CONE_COLUMNS = source_fields()
_LISTED = Field("list_probability", DOUBLE, "", "Probability in the member list")

#: Listed members found in the cones (internal).
SEARCH = [CLUSTER_KEY, *CONE_COLUMNS, _LISTED]

#: How many sources in a cone lack something (internal).
LACKING = [
    CLUSTER_KEY,
    Field("reason", STRING, "", "What they lack, `NOT_KEPT` or `IN_PARALLAX`"),
    Field("n_lacking", LONG, "", "Sources in the cone that lack it"),
]
NOT_KEPT = "not kept"
#: Counts, in place of a reason, all sources on a cone's cover that pass its cut in parallax, where
#: none of them is kept: they tell which cut leaves a cone empty.
IN_PARALLAX = "passes the cut in parallax"
#: Ends what a kept source lacks.
KEPT = " is missing, kept"

#: How many kept sources in a cone a chunk of a mirror file has (internal).
COUNTS = [
    CLUSTER_KEY,
    Field("file", STRING, "", "Name of the file inside its mirror"),
    Field("row_group", INT, "", "Row group of the file"),
    Field("chunk", INT, "", "Chunk of ocspark.mirror.portions.CHUNK_ROWS rows in the row group"),
    Field("n_cone", LONG, "", "Kept sources in the cone"),
]

#: How many sources of the mirror a small cell of the sky in a cone has (internal).
CELLS = [
    CLUSTER_KEY,
    Field("order", INT, "", "HEALPix order of the cell, nested"),
    Field("cell", LONG, "", "HEALPix pixel"),
    Field("n_sources", LONG, "", "Sources of the mirror in it, kept or not"),
]


def cone_fields(read: Container[str]) -> list[Field]:
    """Return the columns of sources in cones, a row for every cone, where those of `read` are."""
    return [CLUSTER_KEY, *(f for f in CONE_COLUMNS if f.name in read)]


def found_fields(read: Container[str]) -> list[Field]:
    """Return the same under the names of the cones, as `ocspark.search` gives them."""
    return [KEY[0], *(f for f in CONE_COLUMNS if f.name in read)]
