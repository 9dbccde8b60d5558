"""What is found in a mirror's files, and the truth of a mock."""

from __future__ import annotations

from pyspark.sql import types as T

from ocspark.tables.fields import BOOL, DOUBLE, LONG, STRING, Field

_COUNTS = T.MapType(STRING, LONG, False)

#: What verification found in a mirror's file (internal).
VERIFIED_FILES = [
    Field("path", STRING, "", "The file"),
    Field("rows", LONG, "", "Rows read"),
    Field("error", STRING, "", "Why it could not be read to its end; null if it could"),
    Field("types", T.MapType(STRING, STRING, False), "", "Arrow type by column"),
    Field("nulls", _COUNTS, "", "Missing values by column"),
    Field("columns", T.MapType(STRING, STRING, False), "", "Column by canonical name"),
    Field(
        "histograms",
        T.MapType(STRING, T.MapType(LONG, LONG, False), False),
        "",
        "How often values occur, by canonical name",
    ),
    Field("biases", T.ArrayType(DOUBLE, False), "mas", "Parallax biases of some sources"),
    Field("recipe", T.ArrayType(DOUBLE, False), "mas", "What DR3's recipe gives for them"),
    Field("faults", _COUNTS, "", "Faulty rows by check"),
    Field(
        "examples",
        T.MapType(STRING, T.ArrayType(STRING, False), False),
        "",
        "Some faulty rows in words, by check",
    ),
]

#: The truth of a mock's planted stars.
MOCK_TRUTH = [
    Field("source_id", LONG, "", "Source in the mock's mirror"),
    Field("cluster", STRING, "", "Cluster it was planted in"),
    Field("distance", DOUBLE, "pc", "True distance"),
    Field("parallax", DOUBLE, "mas", "True parallax, without zero point"),
    Field("pmra", DOUBLE, "mas/yr", "True proper motion in right ascension, times cos(dec)"),
    Field("pmdec", DOUBLE, "mas/yr", "True proper motion in declination"),
    Field("phot_g_mean_mag", DOUBLE, "mag", "True G magnitude, companion included"),
    Field("phot_bp_mean_mag", DOUBLE, "mag", "True BP magnitude, companion included"),
    Field("phot_rp_mean_mag", DOUBLE, "mag", "True RP magnitude, companion included"),
    Field("initial_mass", DOUBLE, "M_sun", "Initial mass of the primary"),
    Field("companion_mass", DOUBLE, "M_sun", "Initial mass of the companion, 0 if there is none"),
    Field("is_binary", BOOL, "", "Whether there is a companion"),
    Field("radius", DOUBLE, "pc", "Distance from the cluster's centre in space"),
    Field("projected_radius", DOUBLE, "pc", "Distance from the centre on the sky (as f_r)"),
]
