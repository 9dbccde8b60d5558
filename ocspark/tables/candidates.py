"""Tables of stars: candidates with their probabilities, and the other stars of the cones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import types as T

from ocspark.errors import InputError
from ocspark.tables.fields import BOOL, DOUBLE, INT, Field
from ocspark.tables.star import STAR

#: Candidates as pass 2 leaves them.
EVALUATED = [
    *STAR,
    Field("probability", DOUBLE, "", "Fraction of samples the network calls member"),
    Field("mean_logit", DOUBLE, "", "Mean over samples of member minus non-member logit"),
    Field("n_samples", INT, "", "Samples that the network judged; fewer where votes were sure"),
    Field("p_low", DOUBLE, "", "Lower end of the central 95 % Jeffreys interval of probability"),
    Field("p_high", DOUBLE, "", "Upper end of the central 95 % Jeffreys interval of probability"),
    Field("errors_mended", BOOL, "", "Errors or correlations that cannot be were replaced"),
    Field("is_training_member", BOOL, "", "Training member of the list (method §3)"),
]

#: What the posterior adds; null where the cluster has none and beyond the radius it is fitted in.
POSTERIOR = [
    Field("posterior", DOUBLE, "", "Probability to be a member, by cluster and field as fitted"),
    Field("posterior_low", DOUBLE, "", "Lower end of the 95 % interval of posterior"),
    Field("posterior_high", DOUBLE, "", "Upper end of the 95 % interval of posterior"),
]

CANDIDATES = [*EVALUATED, *POSTERIOR]

NON_MEMBERS = STAR
_CARRIED_TYPES = {
    kind.typeName(): kind
    for kind in (
        T.BooleanType(),
        T.ByteType(),
        T.ShortType(),
        T.IntegerType(),
        T.LongType(),
        T.FloatType(),
        T.DoubleType(),
        T.StringType(),
    )
}


def candidate_fields(carried: Sequence[Field]) -> list[Field]:
    """Return the columns of candidates with those that are carried along from the mirror.

    Raises
    ------
    InputError
        If candidates have a column of that name already.
    """
    taken = {field.name.lower() for field in CANDIDATES}
    for field in carried:
        if field.name.lower() in taken:
            raise InputError(f"output.columns: {field.name}: candidates have such a column anyway")
        taken.add(field.name.lower())
    return [*CANDIDATES, *carried]


def evaluated_fields(carried: Sequence[Field]) -> list[Field]:
    """Return the columns of candidates as pass 2 leaves them, with those carried along."""
    return [*EVALUATED, *carried]


def carried_record(carried: Sequence[Field]) -> list[dict[str, str]]:
    """Return carried columns as run.json has them."""
    return [{**field._asdict(), "type": field.type.typeName()} for field in carried]


def carried_fields(record: Mapping[str, Any]) -> list[Field]:
    """Return the carried columns that a run.json tells of."""
    return [
        Field(**{**row, "type": _CARRIED_TYPES[row["type"]]})
        for row in record.get("carried_columns", ())
    ]
