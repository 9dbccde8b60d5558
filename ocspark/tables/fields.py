"""What tables are made of: a column with type, unit and description, and columns they share."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import types as T

LONG, INT, DOUBLE, STRING, BOOL = (
    T.LongType(),
    T.IntegerType(),
    T.DoubleType(),
    T.StringType(),
    T.BooleanType(),
)


class Field(NamedTuple):
    """A column: name, Spark type, unit ("" if none) and description."""

    name: str
    type: T.DataType
    unit: str
    description: str


def struct(fields: list[Field]) -> T.StructType:
    """Return the StructType, units and descriptions in each column's metadata."""
    return T.StructType(
        [
            T.StructField(f.name, f.type, True, {"unit": f.unit, "comment": f.description})
            for f in fields
        ]
    )


KEY = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("source_id", LONG, "", "Gaia source identifier of the release"),
]
ASTROMETRY = [
    Field("ra", DOUBLE, "deg", "Right ascension, ICRS at the release's epoch"),
    Field("dec", DOUBLE, "deg", "Declination, ICRS at the release's epoch"),
    Field("parallax", DOUBLE, "mas", "Parallax, corrected for the zero point"),
    Field("parallax_error", DOUBLE, "mas", "Standard error of parallax"),
    Field("pmra", DOUBLE, "mas/yr", "Proper motion in right ascension, times cos(dec)"),
    Field("pmra_error", DOUBLE, "mas/yr", "Standard error of pmra"),
    Field("pmdec", DOUBLE, "mas/yr", "Proper motion in declination"),
    Field("pmdec_error", DOUBLE, "mas/yr", "Standard error of pmdec"),
]
PHOTOMETRY = [
    Field("phot_g_mean_mag", DOUBLE, "mag", "G magnitude"),
    Field("phot_g_mean_mag_error", DOUBLE, "mag", "Error of G from the release's error model"),
    Field("g_rp", DOUBLE, "mag", "Colour G − G_RP"),
    Field("g_rp_error", DOUBLE, "mag", "Error of g_rp"),
]
FEATURES = [
    Field("f_r", DOUBLE, "pc", "Projected radius (paper Eq. 11)"),
    Field("f_pm", DOUBLE, "mas/yr", "Proper motion separation (Eq. 13)"),
    Field("f_plx", DOUBLE, "mas", "Parallax minus the cluster's (Eq. 14)"),
    Field("f_c", DOUBLE, "mag", "Colour minus that of the nearest isochrone point (Eq. 15)"),
    Field("f_g", DOUBLE, "mag", "G minus that of the nearest isochrone point (Eq. 15)"),
]
STAR = [*KEY, *ASTROMETRY, *PHOTOMETRY, *FEATURES]

#: Joins tables whatever a cluster is called.
CLUSTER_KEY = Field("cluster_key", LONG, "", "Stable hash of the cluster's normalised name")

DOUBLES = T.ArrayType(DOUBLE, False)
LONGS = T.ArrayType(LONG, False)
