"""A run against a member list: ``spark-submit jobs/compare.py --run DIR --members FILE …``."""

from __future__ import annotations

from ocspark.analysis.cuts import PAPER_CUTS, parse_cut
from ocspark.analysis.literature import Comparison, compare
from ocspark.cli import Parser, run_job
from ocspark.errors import InputError
from ocspark.products.venn import draw_venns
from ocspark.session import get_session

_MOST_CLUSTERS = 60


def main() -> int:
    """Compare, draw the Venn diagrams, print a line per cluster and the totals."""
    parser = Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="a finished run")
    parser.add_argument("--members", required=True, metavar="FILE", help="member list")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--name", help="what to call the list; by default its file name")
    parser.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="the list's column for cluster, source_id or probability",
    )
    parser.add_argument(
        "--cut",
        action="append",
        default=[],
        metavar="p=P[,radius_pc=PC][,g=MAG]",
        help="compare at this cut as well as at the paper's two",
    )
    parser.add_argument("--mirror", metavar="DIR", help="the run's mirror, if it has moved")
    options = parser.parse_args()
    columns = dict(_pair(text) for text in options.columns)
    cuts = [*PAPER_CUTS, *map(parse_cut, options.cut)]
    name = options.name or options.members.rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    spark = get_session("ocspark: compare")
    comparison = compare(
        spark,
        options.run,
        options.members,
        options.output,
        name=name,
        columns=columns,
        cuts=cuts,
        mirror=options.mirror,
    )
    draw_venns(comparison)
    _print(comparison)
    print(f"[ocspark] tables, comparison.json and Venn diagrams are in {options.output}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--columns {text}: expected NAME=COLUMN")
    return key, value


def _print(comparison: Comparison) -> None:
    record = comparison.record
    table = comparison.table("clusters").sort_values("cluster")
    for cut in record["cuts"]:
        rows = table[table["cut"] == cut["name"]].to_dict("records")
        print(f"\n{record['name']}, {cut['description']}")
        print(f"{'cluster':<18}{'listed':>8}{'ours':>8}{'both':>8}{'found':>8}{'in cone':>9}  seen")
        rows = rows[:_MOST_CLUSTERS]
        for row in [*rows, {"cluster": "all", **record["combined"][cut["name"]]}]:
            print(
                f"{row['cluster']:<18}{row['n_listed']:>8}{row['n_ours']:>8}{row['n_both']:>8}"
                f"{_percent(row['recovered']):>8}{_percent(row['recovered_in_cone']):>9}"
                f"  {'yes' if row.get('model_saw_cluster') else ''}"
            )
        missed = record["combined"][cut["name"]]
        reasons = {k[2:]: v for k, v in missed.items() if k.startswith("n_") and k in _SHOWN and v}
        print("missed: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in reasons.items()))


_SHOWN = (
    "n_not_in_mirror n_not_in_cone n_not_kept n_proper_motion n_parallax n_isochrone "
    "n_zero_probability n_low_probability n_unknown"
).split()


def _percent(share: float | None) -> str:
    return "–" if share is None or share != share else f"{100 * share:.1f}%"


if __name__ == "__main__":
    run_job(main)
