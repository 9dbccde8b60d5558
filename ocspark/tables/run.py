"""Define the tables of pass 1: sources in cones, listed members among them, counts."""

from __future__ import annotations

from collections.abc import Container

from ocspark.tables.fields import CLUSTER_KEY, DOUBLE, INT, LONG, STRING, Field, source_fields
from ocspark.tables.star import KEY

#: Columns of a kept source, as the mirror has them; see `cone_fields`.
CONE_COLUMNS = source_fields()
_LISTED = Field("list_probability", DOUBLE, "", "Probability in the member list")

#: Listed members found in the cones (internal).
SEARCH = [CLUSTER_KEY, *CONE_COLUMNS, _LISTED]

#: Numbers of sources in a cone that lack something (internal).
LACKING = [
    CLUSTER_KEY,
    Field("reason", STRING, "", "Missing value, or `NOT_KEPT` or `IN_PARALLAX`"),
    Field("n_lacking", LONG, "", "Sources in the cone that this holds for"),
]
NOT_KEPT = "not kept"
#: In place of a reason: counts all sources on a cone's cover that pass its cut in parallax, for
#: cones without a kept source. It shows which cut leaves a cone empty.
IN_PARALLAX = "passes the cut in parallax"
#: Ends the reason if the source is kept although the value is missing.
KEPT = " is missing, kept"

#: Numbers of kept sources in a cone by chunk of a mirror file (internal).
COUNTS = [
    CLUSTER_KEY,
    Field("file", STRING, "", "Name of the file inside its mirror"),
    Field("row_group", INT, "", "Row group of the file"),
    Field("chunk", INT, "", "Chunk of ocspark.mirror.portions.CHUNK_ROWS rows in the row group"),
    Field("n_cone", LONG, "", "Kept sources in the cone"),
]

#: Numbers of sources by small cell of the sky in a cone (internal).
CELLS = [
    CLUSTER_KEY,
    Field("order", INT, "", "HEALPix order of the cell, nested"),
    Field("cell", LONG, "", "HEALPix pixel"),
    Field("n_sources", LONG, "", "Sources of the mirror in it, kept or not"),
]


def cone_fields(read: Container[str]) -> list[Field]:
    """Return the columns of sources in cones: the cluster's key, then those of `read`."""
    return [CLUSTER_KEY, *(f for f in CONE_COLUMNS if f.name in read)]


def found_fields(read: Container[str]) -> list[Field]:
    """Return the columns of `ocspark.search`: the cluster's name, then those of `read`."""
    return [KEY[0], *(f for f in CONE_COLUMNS if f.name in read)]
