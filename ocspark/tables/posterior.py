"""Define the tables of the posterior, and its columns in the clusters table."""

from __future__ import annotations

from ocspark.tables.fields import (
    CLUSTER_KEY,
    DOUBLE,
    DOUBLES,
    LONG,
    STRING,
    Field,
    source_fields,
)

#: Sums of a cluster's posteriors; null if it has none.
SHARED = [
    Field("members_by", STRING, "", "How members are chosen by default: by posterior or votes"),
    Field("n_members", LONG, "", "Candidates with posterior >= 0.5"),
    Field("expected_members", DOUBLE, "", "Sum of posterior: members among the candidates"),
    Field("expected_members_error", DOUBLE, "", "1-sigma error of expected_members"),
    Field(
        "contaminants_posterior_50",
        DOUBLE,
        "",
        "Expected non-members among candidates with posterior >= 0.5",
    ),
    Field(
        "contaminants_votes_50",
        DOUBLE,
        "",
        "Expected non-members among candidates with probability >= 0.5 that have a posterior",
    ),
    Field("posterior_flags", STRING, "", "Remarks on the posterior, separated by ;"),
]
#: Values fitted for the posterior, also if it is not used for the reason given.
FITTED = [
    Field("posterior_reason", STRING, "", "Why there is no posterior"),
    Field(
        "posterior_radius_pc", DOUBLE, "pc", "Radius that the mirror covers; no posterior beyond"
    ),
    Field(
        "posterior_offset_sum",
        DOUBLE,
        "",
        "Stars called members with the members' model moved away from them",
    ),
    Field(
        "posterior_recovered",
        DOUBLE,
        "",
        "Share of the training members within the radius that the fit gives >= 0.5",
    ),
    Field("fitted_pmra", DOUBLE, "mas/yr", "Mean of the members, fitted"),
    Field("fitted_pmdec", DOUBLE, "mas/yr", "Mean of the members, fitted"),
    Field("fitted_parallax", DOUBLE, "mas", "Mean of the members, fitted"),
    Field("fitted_pm_width", DOUBLE, "mas/yr", "Members' intrinsic width in each proper motion"),
    Field("fitted_parallax_width", DOUBLE, "mas", "Members' intrinsic width in parallax"),
    Field("fitted_binary_share", DOUBLE, "", "Share of members that are binaries"),
    Field("fitted_colour_shift_g12", DOUBLE, "mag", "Members' G − G_RP minus isochrone, to G = 12"),
    Field("fitted_colour_shift_g15", DOUBLE, "mag", "Members' G − G_RP minus isochrone at G = 15"),
    Field(
        "fitted_colour_shift_g18", DOUBLE, "mag", "Members' G − G_RP minus isochrone, from G = 18"
    ),
    Field("fitted_colour_width", DOUBLE, "mag", "Members' intrinsic width in G − G_RP"),
    Field(
        "fitted_half_radius_pc",
        DOUBLE,
        "pc",
        "Radius of half the members inside posterior_radius_pc",
    ),
]

#: Members of a cluster by magnitude, as fitted.
LUMINOSITY_FUNCTIONS = [
    Field("cluster", STRING, "", "Cluster, as the cluster table names it"),
    Field("phot_g_mean_mag", DOUBLE, "mag", "G"),
    Field("members_per_mag", DOUBLE, "1/mag", "Members per magnitude, candidates or not"),
]

#: Stars that a cluster claims, before those claimed by several are shared (internal).
CLAIMS = [
    CLUSTER_KEY,
    *source_fields("source_id"),
    Field("q", DOUBLE, "", "Probability to be a member, before stars are shared"),
    Field("q_low", DOUBLE, "", "Lower end of its 95 % interval"),
    Field("q_high", DOUBLE, "", "Upper end of its 95 % interval"),
]

#: Values fitted to each cluster, before stars are shared (internal).
FITS = [
    CLUSTER_KEY,
    *FITTED,
    Field("posterior_flags", STRING, "", "Remarks on the fit, separated by ;"),
    Field("radial_weights", DOUBLES, "", "Of the discs of ocspark.posterior.profile"),
]

#: Sums of each cluster's posteriors, after stars are shared (internal).
TOTALS = [CLUSTER_KEY, *SHARED]
