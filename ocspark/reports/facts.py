"""What a cluster's page says in numbers, in groups of lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocspark.reports import words
from ocspark.reports.skymap import galactic
from ocspark.reports.view import ClusterView
from ocspark.tables.member_rule import POSTERIOR, member_rule

#: A label and a value.
Line = tuple[str, str]


def groups_of(view: ClusterView) -> list[dict[str, Any]]:
    """Return the groups of lines on a cluster's page; a skipped cluster has fewer."""
    groups = [{"title": "Cluster", "rows": [*_place(view.row), *_catalogue(view.row)]}]
    if view.row["status"] == "done":
        groups.append({"title": "Members", "rows": _found(view)})
        groups.append({"title": "Training members", "rows": _training(view.row)})
        if words.is_known(view.row["expected_members"]):
            groups.append({"title": "Fit of the posterior", "rows": _fit(view.row)})
        if view.structure:
            groups.append({"title": "Structure", "rows": _structure(view.structure)})
    return groups


def centre(row: Mapping[str, Any]) -> tuple[float, float]:
    """Return ra, dec [deg] of a cluster: of its training members, or else of its cone."""
    names = ("ra", "dec") if row["status"] == "done" else ("cone_ra", "cone_dec")
    ra, dec = (row[name] for name in names)
    return float(ra), float(dec)


def _place(row: Mapping[str, Any]) -> list[Line]:
    ra, dec = centre(row)
    if not (words.is_known(ra) and words.is_known(dec)):
        return []
    longitude, latitude = galactic([ra], [dec])
    return [
        ("RA, Dec (ICRS)", words.position(ra, dec)),
        ("RA, Dec [deg]", f"{words.number(ra, '', 5)}, {words.number(dec, '', 5)}"),
        ("Galactic l, b [deg]", f"{longitude[0]:.4f}, {words.number(float(latitude[0]), '', 4)}"),
    ]


def _catalogue(row: Mapping[str, Any]) -> list[Line]:
    return [
        ("distance (catalogue)", words.number(row["distance"], "pc", 0)),
        (
            "age (catalogue)",
            f"{words.age(row['log_age'])}, log age {words.number(row['log_age'])}",
        ),
        ("extinction A₀ (catalogue)", words.number(row["a0"], "mag")),
        ("radius of the search", words.number(row["radius_deg"], "deg")),
        ("stars in the cone", words.count(row["n_cone"])),
        ("left out, as they lack a value", words.count(row["n_not_kept"])),
    ]


def _training(row: Mapping[str, Any]) -> list[Line]:
    def n(key: str, unit: str = "", digits: int = 2) -> str:
        return words.number(row[key], unit, digits)

    farther, nearer = n("delta_plx_plus", "", 3), n("delta_plx_minus", "mas", 3)
    return [
        ("stars", words.count(row["n_training_members"])),
        ("mean proper motion μα*, μδ", f"{n('pmra', '', 3)}, {n('pmdec', 'mas/yr', 3)}"),
        ("mean parallax ϖ", n("parallax", "mas", 3)),
        ("log age of the isochrone", n("isochrone_log_age")),
        ("limit in proper motion, Δμ", n("delta_pm", "mas/yr", 3)),
        ("limits in parallax, farther and nearer", f"{farther}, {nearer}"),
        (
            "limits about the isochrone in colour and G",
            f"{n('delta_c', '', 3)}, {n('delta_g', 'mag')}",
        ),
    ]


def _found(view: ClusterView) -> list[Line]:
    row, s = view.row, view.structure
    lines = [("candidates", words.count(row["n_candidates"]))]
    if words.is_known(row["expected_members"]):
        lines += [
            ("with posterior ≥ 0.5", words.count(row["n_members"])),
            ("expected members, the sum of posteriors", expected_members(row)),
            (
                "expected non-members of posterior ≥ 0.5",
                words.number(row["contaminants_posterior_50"], "", 1),
            ),
            (
                "expected non-members of votes ≥ 0.5",
                words.number(row["contaminants_votes_50"], "", 1),
            ),
        ]
    lines += [
        (f"with votes ≥ {level}", words.count(row[name]))
        for level, name in (("0.1", "n_p10"), ("0.5", "n_p50"), ("0.9", "n_p90"))
    ]
    if s:
        lines.append(("members that are no training members", words.count(s["n_new"])))
        lines.append(("share with G > 18 from 0.1 on", words.interval(s, "faint_fraction", "", 3)))
        for key, label, unit in (
            ("pmra", "new members' μα*", "mas/yr"),
            ("pmdec", "new members' μδ", "mas/yr"),
            ("parallax", "new members' parallax", "mas"),
        ):
            lines.append((label, words.with_error(s[f"new_{key}"], s[f"new_{key}_error"], unit)))
    return lines


def _fit(row: Mapping[str, Any]) -> list[Line]:
    def n(key: str, unit: str = "", digits: int = 2) -> str:
        return words.number(row[key], unit, digits)

    shifts = ", ".join(n(f"fitted_colour_shift_g{g}", "", 3) for g in (12, 15, 18))
    return [
        ("fitted within", n("posterior_radius_pc", "pc", 1)),
        (
            "mean proper motion μα*, μδ",
            f"{n('fitted_pmra', '', 3)}, {n('fitted_pmdec', 'mas/yr', 3)}",
        ),
        ("mean parallax ϖ", n("fitted_parallax", "mas", 3)),
        ("intrinsic width in proper motion", n("fitted_pm_width", "mas/yr", 3)),
        ("intrinsic width in parallax", n("fitted_parallax_width", "mas", 4)),
        ("share of binaries", words.share(row["fitted_binary_share"])),
        ("colour minus isochrone at G = 12, 15, 18", f"{shifts} mag"),
        ("radius of half the members", n("fitted_half_radius_pc", "pc")),
        ("training members it recovers", words.share(row["posterior_recovered"])),
        ("members it sees where there are none", n("posterior_offset_sum", "", 1)),
    ]


def expected_members(row: Mapping[str, Any]) -> str:
    """Return the expected number of members with its error."""
    return words.with_error(row["expected_members"], row["expected_members_error"], "", 1)


def verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return who counts as a member of a cluster that is done, how many they are, and why so.

    Returns
    -------
    dict
        ``members``, ``rule`` and ``votes`` (members if votes decided); ``expected``, ``reason``
        (why there is no posterior, or it is not used) and ``flags``, each None if there is none.
    """
    rule = member_rule(row["members_by"])
    number = row["n_members"] if rule.members_by == POSTERIOR else row["n_p50"]
    return {
        "members": words.count(number),
        "rule": str(rule).replace(">=", "≥"),
        "votes": words.count(row["n_p50"]) if rule.members_by == POSTERIOR else None,
        "expected": expected_members(row) if words.is_known(row["expected_members"]) else None,
        "reason": row["posterior_reason"] or None,
        "flags": row["posterior_flags"] or None,
    }


def _structure(s: Mapping[str, Any]) -> list[Line]:
    ratio = words.with_error(s["segregation_ratio"], s["segregation_error"], "", 2)
    return [
        ("radius of half the members, r50", words.interval(s, "r50", "pc")),
        ("King core radius r_c", words.interval(s, "core_radius", "pc")),
        ("King tidal radius r_t", words.interval(s, "tidal_radius", "pc")),
        ("King profile", _king(s)),
        ("segregation of the 10 brightest, Λ_MSR", ratio),
    ]


def _king(s: Mapping[str, Any]) -> str:
    extent = words.number(s["extent_pc"], "pc", 1)
    if s["king_status"] != "fitted":
        return str(s["king_status"])
    return f"fitted to {words.count(s['n_members'])} members within {extent}"
