"""Define the table of a mock's true members."""

from __future__ import annotations

from ocspark.tables.fields import BOOL, DOUBLE, LONG, STRING, Field

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
