"""What tables are made of: a column with type, unit and description."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import types as T

from ocspark.tables.source_columns import BY_NAME, SOURCE_COLUMNS

LONG, INT, DOUBLE, STRING, BOOL = (
    T.LongType(),
    T.IntegerType(),
    T.DoubleType(),
    T.StringType(),
    T.BooleanType(),
)


class Field(NamedTuple):
    """A column: name, Spark type, unit ("" if none), description.

    `ucd` (UCD1+) only where `ocspark.tables.ucds` does not tell it by the name.
    """

    name: str
    type: T.DataType
    unit: str
    description: str
    ucd: str = ""


def source_fields(*names: str) -> list[Field]:
    """Return some of `SOURCE_COLUMNS` as tables have them: float64, whole numbers as int or bigint.

    By default all that a calculation may use.
    """
    used = [column.name for column in SOURCE_COLUMNS if column.use != "identity"]
    columns = [BY_NAME[name] for name in names or used]
    whole = {"int64": LONG, "int16": INT}
    return [Field(c.name, whole.get(c.stored, DOUBLE), c.unit, c.description) for c in columns]


def struct(fields: list[Field]) -> T.StructType:
    """Return the StructType, units and descriptions in each column's metadata."""
    return T.StructType(
        [
            T.StructField(f.name, f.type, True, {"unit": f.unit, "comment": f.description})
            for f in fields
        ]
    )


#: Joins tables whatever a cluster is called.
CLUSTER_KEY = Field("cluster_key", LONG, "", "Stable hash of the cluster's normalised name")

DOUBLES = T.ArrayType(DOUBLE, False)
LONGS = T.ArrayType(LONG, False)
