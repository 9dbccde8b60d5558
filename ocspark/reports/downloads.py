"""A cluster's members as files for other programs: CSV and VOTable."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from astropy.io.votable import from_table
from astropy.table import Table
from numpy.typing import NDArray

from ocspark.tables.candidates import candidate_fields
from ocspark.tables.fields import Field


def members_csv(stars: Mapping[str, NDArray], carried: Sequence[Field] = ()) -> bytes:
    """Return the columns of the candidates table as CSV; floats lose nothing."""
    table = pd.DataFrame({f.name: stars[f.name] for f in candidate_fields(carried)})
    return table.to_csv(index=False).encode("utf-8")


def members_votable(stars: Mapping[str, NDArray], carried: Sequence[Field] = ()) -> bytes:
    """Return the same as a gzipped VOTable with units and descriptions.

    Gzipped, since a browser would show a plain one as a tree of tags.
    """
    table = Table()
    for field in candidate_fields(carried):
        column = stars[field.name]
        # text of fixed width: astropy writes no Python objects
        table[field.name] = column.astype(str) if column.dtype == object else np.asarray(column)
        table[field.name].description = field.description
        if field.unit:
            table[field.name].unit = field.unit
    votable = from_table(table)
    buffer = io.BytesIO()
    votable.to_xml(buffer, tabledata_format="binary2")
    return gzip.compress(buffer.getvalue(), mtime=0)
