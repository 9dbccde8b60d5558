"""The table of a cluster's members on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import types as T

from ocspark.reports.tables import Column, table_of
from ocspark.tables.fields import Field
from ocspark.tables.member_rule import MemberRule

#: Rows of the table; the downloads have all.
MAX_ROWS = 3000
_ID = Column(
    "source_id", "Gaia source", "Source identifier, with a link to the archive", kind="source"
)
_POSTERIOR = Column(
    "posterior",
    "posterior",
    "Probability to be a member, from the densities of cluster and field; 95 % interval",
    2,
    interval=("posterior_low", "posterior_high"),
)
_REST = (
    Column(
        "probability",
        "votes",
        "Share of the samples that the network calls member; 95 % interval",
        2,
        interval=("p_low", "p_high"),
    ),
    Column("mean_logit", "logit", "Mean logit of the network; it ranks stars of equal votes", 1),
    Column(
        "is_training_member",
        "training",
        "Whether the member list names it",
    ),
    Column("ra", "RA [deg]", "Right ascension, ICRS, at the release's epoch", 5),
    Column("dec", "Dec [deg]", "Declination, ICRS, at the release's epoch", 5),
    Column(
        "parallax",
        "ϖ [mas]",
        "Parallax, corrected for the zero point, and its error",
        3,
        "parallax_error",
    ),
    Column("pmra", "μα* [mas/yr]", "Proper motion in right ascension × cos δ", 3, "pmra_error"),
    Column("pmdec", "μδ [mas/yr]", "Proper motion in declination", 3, "pmdec_error"),
    Column("phot_g_mean_mag", "G [mag]", "G magnitude", 3),
    Column("bp_rp", "BP − RP", "Colour G_BP − G_RP [mag]; it enters no probability", 3),
    Column("g_rp", "G − RP", "Colour G − G_RP [mag], which the network sees", 3),
    Column("f_r", "R [pc]", "Projected distance from the cluster's centre", 2),
)
_FRACTIONS = (T.FloatType(), T.DoubleType())


def members_table(
    own: Mapping[str, NDArray], rule: MemberRule, carried: Sequence[Field], source: str | None
) -> dict[str, Any]:
    """Return the table of members, the most probable first.

    Parameters
    ----------
    own : mapping of arrays
        Columns of the candidates table.
    rule : MemberRule
        What decides who is a member: the posterior or votes.
    carried : sequence of Field
        Columns of the mirror that candidates have.
    source : str, optional
        Address of a source in the archive, see `ocspark.reports.links.source_address`.
    """
    with_posterior = bool(np.isfinite(np.asarray(own["posterior"], dtype=float)).any())
    ranks = [*dict.fromkeys([rule.column, "probability", "mean_logit"])]
    keys = [np.nan_to_num(-np.asarray(own[name], dtype=float), nan=np.inf) for name in ranks]
    best = np.lexsort(keys[::-1])[:MAX_ROWS]
    columns = [_ID, *([_POSTERIOR] if with_posterior else []), *_REST, *map(_carried, carried)]
    needed = {c.name for c in columns} | {c.error for c in columns}
    needed |= {name for c in columns for name in c.interval or ()}
    values: dict[str, list[Any]] = {
        name: own[name][best].tolist() for name in own if name in needed
    }
    values["source_id"] = [str(i) for i in values["source_id"]]
    flags = own["is_training_member"][best].tolist()
    values["is_training_member"] = ["yes" if t else "" for t in flags]
    for field in carried:
        if field.type not in _FRACTIONS:
            values[field.name] = ["" if v is None else str(v) for v in values[field.name]]
    order = [(name, "desc") for name in ranks]
    return table_of(columns, values, order, 25, source=source)


def _carried(field: Field) -> Column:
    title = f"{field.name} [{field.unit}]" if field.unit else field.name
    return Column(field.name, title, field.description, 3 if field.type in _FRACTIONS else None)
