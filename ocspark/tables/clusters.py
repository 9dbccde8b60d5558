"""Define the tables of a run's clusters, and of the runs in a catalogue."""

from __future__ import annotations

from ocspark.tables.fields import BOOL, CLUSTER_KEY, DOUBLE, INT, LONG, STRING, Field
from ocspark.tables.posterior import FITTED, SHARED

CLUSTERS = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("status", STRING, "", "done or skipped"),
    Field("reason", STRING, "", "Why it was skipped"),
    Field("cone_ra", DOUBLE, "deg", "From the cluster table: centre of the cone, if it has one"),
    Field("cone_dec", DOUBLE, "deg", "From the cluster table: centre of the cone, if it has one"),
    Field("radius_deg", DOUBLE, "deg", "Radius of the cone"),
    Field("radius_bounded", BOOL, "", "Whether search.max_radius_deg bounds the cone"),
    Field("n_cone", LONG, "", "Kept sources in the cone"),
    Field("n_not_kept", LONG, "", "Sources in the cone left out since a needed value is missing"),
    Field("lacking", STRING, "", "Missing values, each with the number of sources in the cone"),
    Field("n_listed", LONG, "", "Members of the list at the probability level used"),
    Field("n_training_members", LONG, "", "Training members found in the cone"),
    Field(
        "training_probability", DOUBLE, "", "Level of the list's probability of training members"
    ),
    Field("n_support", LONG, "", "Training members that are support members (method §6)"),
    Field("support_size", INT, "", "Size of the support sets; below the setting if too few"),
    Field("n_candidates", LONG, "", "Candidates"),
    Field("n_errors_mended", LONG, "", "Candidates of which errors or correlations were replaced"),
    Field("n_p10", LONG, "", "Candidates with probability >= 0.1"),
    Field("n_p50", LONG, "", "Candidates with probability >= 0.5"),
    Field("n_p90", LONG, "", "Candidates with probability >= 0.9"),
    *SHARED,
    *FITTED,
    Field("ra", DOUBLE, "deg", "Mean direction of the training members"),
    Field("dec", DOUBLE, "deg", "Mean direction of the training members"),
    Field("pmra", DOUBLE, "mas/yr", "Weighted mean of the training members"),
    Field("pmdec", DOUBLE, "mas/yr", "Weighted mean of the training members"),
    Field("parallax", DOUBLE, "mas", "Weighted mean of the training members"),
    Field("delta_pm", DOUBLE, "mas/yr", "Maximum separation (Eq. 4)"),
    Field("delta_plx_plus", DOUBLE, "mas", "Maximum separation, farther stars (Eq. 7)"),
    Field("delta_plx_minus", DOUBLE, "mas", "Maximum separation, nearer stars (Eq. 7)"),
    Field("delta_c", DOUBLE, "mag", "Maximum separation in colour (Eq. 9)"),
    Field("delta_g", DOUBLE, "mag", "Maximum separation in G (Eq. 10)"),
    Field("isochrone_log_age", DOUBLE, "dex", "Age of the isochrone"),
    Field("isochrone_age_offset", DOUBLE, "dex", "|isochrone − catalogue log age|"),
    Field("isochrone_metallicity", DOUBLE, "dex", "[M/H] of the isochrone"),
    Field("distance", DOUBLE, "pc", "Catalogue distance"),
    Field("log_age", DOUBLE, "dex", "Catalogue log age"),
    Field("a0", DOUBLE, "mag", "Catalogue extinction"),
    Field("model_saw_cluster", BOOL, "", "Whether the network was trained or validated on it"),
]

#: The cones that were searched, and the cuts (internal): see `ocspark.selection.cones.make_cones`.
CONES = [
    CLUSTER_KEY,
    Field("ra", DOUBLE, "deg", "Centre, from the cluster table"),
    Field("dec", DOUBLE, "deg", "Centre, from the cluster table"),
    Field("parallax", DOUBLE, "mas", "Value of the cluster table"),
    Field("pmra", DOUBLE, "mas/yr", "Value of the cluster table"),
    Field("pmdec", DOUBLE, "mas/yr", "Value of the cluster table"),
    Field("radius_rad", DOUBLE, "rad", "Radius"),
    Field("radius_deg", DOUBLE, "deg", "Radius"),
    Field("radius_bounded", BOOL, "", "Whether search.max_radius_deg bounds it"),
    Field("parallax_limit", DOUBLE, "mas", "Largest difference from the parallax"),
    Field("pm_limit", DOUBLE, "mas/yr", "Largest distance from the proper motion"),
]

#: Runs whose rows are complete in the tables of a catalogue.
RUNS = [
    Field("finished", STRING, "", "When it ended, ISO 8601, UTC"),
    Field("record", STRING, "", "The content of run.json"),
    Field("run_id", STRING, "", "The run"),
]
