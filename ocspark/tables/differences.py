"""Define the tables of the differences between two runs (jobs/compare.py --with-run)."""

from __future__ import annotations

from ocspark.tables.fields import BOOL, DOUBLE, INT, LONG, STRING, Field

_SIDES = (("", "the run"), ("with_", "the other run"))
#: Reasons why a star that is a member in one run is none in the other.
CHANGE_REASONS = {
    "cluster_not_done": "its cluster was skipped or not asked for",
    "no_counterpart": "no counterpart in the other release",
    "merged": "a nearer source of the old release has its counterpart",
    "no_candidate": "no candidate: outside the cone or fails a condition",
    "members_by": "a candidate; one run chooses its cluster's members by posterior, one by votes",
    "probability": "a candidate; its votes differ by more than noise",
    "posterior": "a candidate; the 95 % intervals of its posteriors do not overlap",
    "noise": "a candidate; its votes differ by no more than noise, or the intervals overlap",
}

#: A candidate of either run.
DIFFERENT_STARS = [
    Field("cluster", STRING, "", "Cluster, as the run's table names it, or else the other's"),
    *[
        Field(f"{side}{name}", kind, unit, f"{text}, in {where}; null if it is no candidate there")
        for name, kind, unit, text in (
            ("source_id", LONG, "", "Gaia source identifier"),
            ("members_by", STRING, "", "How its cluster's members are chosen: posterior or votes"),
            ("probability", DOUBLE, "", "Votes"),
            ("posterior", DOUBLE, "", "Posterior"),
            ("posterior_low", DOUBLE, "", "Lower end of its 95 % interval"),
            ("posterior_high", DOUBLE, "", "Upper end of its 95 % interval"),
            ("n_samples", INT, "", "Samples drawn"),
            ("phot_g_mean_mag", DOUBLE, "mag", "G magnitude"),
            ("f_r", DOUBLE, "pc", "Projected radius"),
        )
        for side, where in _SIDES
    ],
    Field("sigmas", DOUBLE, "", "Change of votes in units of their Monte Carlo noise"),
    Field("beyond_noise", BOOL, "", "Whether that is more than noise; null if not known in both"),
    Field("change", STRING, "", "gained, lost or kept as a member; null if it is one in neither"),
    Field("reason", STRING, "", "Why it is gained or lost: one of " + ", ".join(CHANGE_REASONS)),
]

#: A cluster of either run.
DIFFERENCES = [
    Field("cluster", STRING, "", "Cluster, as the run's table names it, or else the other's"),
    *[
        Field(f"{side}{name}", STRING, "", f"{text}, in {where}; null if not there")
        for name, text in (
            ("status", "done or skipped"),
            ("members_by", "How its members are chosen: by posterior or votes"),
        )
        for side, where in _SIDES
    ],
    *[
        Field(f"{side}n_{name}", LONG, "", f"{text} of {where}")
        for name, text in (("candidates", "Candidates"), ("members", "Members"))
        for side, where in _SIDES
    ],
    Field("n_in_both", LONG, "", "Candidates in both runs"),
    Field("n_changed", LONG, "", "Of these, with votes that differ by more than noise"),
    Field("n_kept", LONG, "", "Members in both runs"),
    Field("n_gained", LONG, "", "Members of the other run only"),
    Field("n_lost", LONG, "", "Members of the run only"),
    *[
        Field(f"n_{change}_{reason}", LONG, "", f"{change.capitalize()}: {text}")
        for change in ("gained", "lost")
        for reason, text in CHANGE_REASONS.items()
    ],
    Field("chi2", DOUBLE, "", "Mean squared sigmas of candidates in both; 1 is pure noise"),
    Field("mean_change", DOUBLE, "", "Mean change of votes of candidates in both"),
    *[
        Field(f"{name}_change", DOUBLE, unit, f"Change of the training members' mean {name}")
        for name, unit in (("parallax", "mas"), ("pmra", "mas/yr"), ("pmdec", "mas/yr"))
    ],
]

#: Candidates of either run by their votes.
PROBABILITY_PAIRS = [
    Field("bin", INT, "", "Fiftieth of the run's votes, 0 to 49; -1 no candidate"),
    Field("with_bin", INT, "", "Fiftieth of the other run's votes, likewise"),
    Field("n", LONG, "", "Stars"),
]
