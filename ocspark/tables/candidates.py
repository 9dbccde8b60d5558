"""Define the tables of candidates with their probabilities, and of other stars in the cones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import types as T

from ocspark.errors import InputError
from ocspark.tables.fields import BOOL, DOUBLE, INT, Field
from ocspark.tables.star import STAR

#: Candidates as pass 2 writes them.
EVALUATED = [
    *STAR,
    Field("probability", DOUBLE, "", "Fraction of samples the network calls member"),
    Field("mean_logit", DOUBLE, "", "Mean over samples of member minus non-member logit"),
    Field("n_samples", INT, "", "Samples the network judged; fewer if other votes were certain"),
    Field("p_low", DOUBLE, "", "Lower end of the central 95 % Jeffreys interval of probability"),
    Field("p_high", DOUBLE, "", "Upper end of the central 95 % Jeffreys interval of probability"),
    Field("errors_mended", BOOL, "", "Whether unusable errors or correlations were replaced"),
    Field("is_training_member", BOOL, "", "Training member of the list (method §3)"),
]

#: Columns of the posterior; null if the cluster has none, and beyond the radius of its fit.
POSTERIOR = [
    Field("posterior", DOUBLE, "", "Probability to be a member, fitted with the field around"),
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
    """Return the columns of candidates, followed by the columns carried over from the mirror.

    Raises
    ------
    InputError
        If candidates have a column of that name already.
    """
    taken = {field.name.lower() for field in CANDIDATES}
    for field in carried:
        if field.name.lower() in taken:
            raise InputError(f"output.columns: {field.name}: candidates have a column of this name")
        taken.add(field.name.lower())
    return [*CANDIDATES, *carried]


def evaluated_fields(carried: Sequence[Field]) -> list[Field]:
    """Return the columns of candidates as pass 2 writes them, followed by the carried ones."""
    return [*EVALUATED, *carried]


def carried_record(carried: Sequence[Field]) -> list[dict[str, str]]:
    """Return carried columns in the form that run.json has."""
    return [{**field._asdict(), "type": field.type.typeName()} for field in carried]


def carried_fields(record: Mapping[str, Any]) -> list[Field]:
    """Return the carried columns that a run.json describes."""
    return [
        Field(**{**row, "type": _CARRIED_TYPES[row["type"]]})
        for row in record.get("carried_columns", ())
    ]
