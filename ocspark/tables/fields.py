"""Describe columns of tables: name, type, unit and description."""

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
    """A column of a table.

    Attributes
    ----------
    name : str
        Name of the column.
    type : DataType
        Spark type.
    unit : str
        Unit, "" if none.
    description : str
        Meaning, for people.
    ucd : str
        UCD1+, if it is not the one that `ocspark.tables.ucds` gives the name.
    """

    name: str
    type: T.DataType
    unit: str
    description: str
    ucd: str = ""


def source_fields(*names: str) -> list[Field]:
    """Return columns of a source in the types of tables: float64; int or bigint for whole numbers.

    Parameters
    ----------
    names : str
        Names in `SOURCE_COLUMNS`; by default all columns that a calculation may use.
    """
    used = [column.name for column in SOURCE_COLUMNS if column.use != "identity"]
    columns = [BY_NAME[name] for name in names or used]
    whole = {"int64": LONG, "int16": INT}
    return [Field(c.name, whole.get(c.stored, DOUBLE), c.unit, c.description) for c in columns]


def struct(fields: list[Field]) -> T.StructType:
    """Return a StructType that has units and descriptions in the columns' metadata."""
    return T.StructType(
        [
            T.StructField(f.name, f.type, True, {"unit": f.unit, "comment": f.description})
            for f in fields
        ]
    )


#: Key for joining tables of clusters.
CLUSTER_KEY = Field("cluster_key", LONG, "", "Stable hash of the cluster's normalised name")

DOUBLES = T.ArrayType(DOUBLE, False)
LONGS = T.ArrayType(LONG, False)
