"""Define the columns of a star that several tables share."""

from __future__ import annotations

from ocspark.tables.fields import DOUBLE, STRING, Field, source_fields
from ocspark.tables.source_columns import CORRELATIONS

KEY = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    *source_fields("source_id"),
]
ASTROMETRY = [
    *source_fields("ra", "dec"),
    Field("parallax", DOUBLE, "mas", "Parallax, corrected for the zero point"),
    *source_fields("parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error"),
]
PHOTOMETRY = [
    *source_fields("phot_g_mean_mag"),
    Field("phot_g_mean_mag_error", DOUBLE, "mag", "Error of G from the release's error model"),
    Field("g_rp", DOUBLE, "mag", "Colour G − G_RP"),
    Field("g_rp_error", DOUBLE, "mag", "Error of g_rp"),
    Field("bp_rp", DOUBLE, "mag", "Colour G_BP − G_RP; it enters no probability"),
]
FEATURES = [
    Field("f_r", DOUBLE, "pc", "Projected radius (paper Eq. 11)"),
    Field("f_pm", DOUBLE, "mas/yr", "Proper motion separation (Eq. 13)"),
    Field("f_plx", DOUBLE, "mas", "Parallax minus the cluster's (Eq. 14)"),
    Field("f_c", DOUBLE, "mag", "Colour minus that of the nearest isochrone point (Eq. 15)"),
    Field("f_g", DOUBLE, "mag", "G minus that of the nearest isochrone point (Eq. 15)"),
]
STAR = [*KEY, *ASTROMETRY, *source_fields(*CORRELATIONS), *PHOTOMETRY, *FEATURES]
