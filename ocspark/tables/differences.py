"""What differs between two runs (jobs/compare.py with --with-run)."""

from __future__ import annotations

from ocspark.tables.fields import BOOL, DOUBLE, INT, LONG, STRING, Field

_SIDES = (("", "the run"), ("with_", "the other run"))
#: Why a star is a member in one run and not in the other: what that other run made of it.
CHANGE_REASONS = {
    "cluster_not_done": "its cluster was skipped or not asked for",
    "no_counterpart": "no counterpart in the other release",
    "merged": "a nearer source of the old release has its counterpart",
    "no_candidate": "no candidate: outside the cone or fails a condition",
    "probability": "a candidate; probabilities differ by more than noise",
    "noise": "a candidate; probabilities differ by no more than noise",
}

#: A candidate of either run.
DIFFERENT_STARS = [
    Field("cluster", STRING, "", "Cluster, as the run's table names it, or else the other's"),
    *[
        Field(f"{side}{name}", kind, unit, f"{text}, in {where}; null if it is no candidate there")
        for name, kind, unit, text in (
            ("source_id", LONG, "", "Gaia source identifier"),
            ("probability", DOUBLE, "", "Membership probability"),
            ("n_samples", INT, "", "Samples drawn"),
            ("phot_g_mean_mag", DOUBLE, "mag", "G magnitude"),
            ("f_r", DOUBLE, "pc", "Projected radius"),
        )
        for side, where in _SIDES
    ],
    Field("sigmas", DOUBLE, "", "Change of probability in units of its Monte Carlo noise"),
    Field("beyond_noise", BOOL, "", "Whether that is more than noise; null if not known in both"),
    Field("change", STRING, "", "gained, lost or kept as a member; null if it is one in neither"),
    Field("reason", STRING, "", "Why it is gained or lost: one of " + ", ".join(CHANGE_REASONS)),
]

#: A cluster of either run.
DIFFERENCES = [
    Field("cluster", STRING, "", "Cluster, as the run's table names it, or else the other's"),
    *[
        Field(f"{side}status", STRING, "", f"done or skipped, in {where}; null if not there")
        for side, where in _SIDES
    ],
    *[
        Field(f"{side}n_{name}", LONG, "", f"{text} of {where}")
        for name, text in (("candidates", "Candidates"), ("members", "Members"))
        for side, where in _SIDES
    ],
    Field("n_in_both", LONG, "", "Candidates in both runs"),
    Field("n_changed", LONG, "", "Of these, with probabilities that differ by more than noise"),
    Field("n_kept", LONG, "", "Members in both runs"),
    Field("n_gained", LONG, "", "Members of the other run only"),
    Field("n_lost", LONG, "", "Members of the run only"),
    *[
        Field(f"n_{change}_{reason}", LONG, "", f"{change.capitalize()}: {text}")
        for change in ("gained", "lost")
        for reason, text in CHANGE_REASONS.items()
    ],
    Field("chi2", DOUBLE, "", "Mean squared sigmas of candidates in both; 1 is pure noise"),
    Field("mean_change", DOUBLE, "", "Mean change of probability of candidates in both"),
    *[
        Field(f"{name}_change", DOUBLE, unit, f"Change of the training members' mean {name}")
        for name, unit in (("parallax", "mas"), ("pmra", "mas/yr"), ("pmdec", "mas/yr"))
    ],
]

#: Candidates of either run by their probabilities.
PROBABILITY_PAIRS = [
    Field("bin", INT, "", "Fiftieth of the run's probability, 0 to 49; -1 no candidate"),
    Field("with_bin", INT, "", "Fiftieth of the other run's probability, likewise"),
    Field("n", LONG, "", "Stars"),
]
