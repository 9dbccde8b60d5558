"""Compare a run with a member list, or with a later run: tables, figures, and lines to read.

Example:
    spark-submit jobs/compare.py --run runs/full_catalogue --members t22.parquet --output runs/t22
    spark-submit jobs/compare.py --run runs/dr3 --with-run runs/dr4 --same-ids --output runs/changes
"""

from __future__ import annotations

import argparse

from ocspark import cli
from ocspark.analysis.cuts import PAPER_CUTS, parse_cut
from ocspark.analysis.differences import find_differences
from ocspark.analysis.literature import compare_with_list
from ocspark.errors import InputError
from ocspark.reports.differences_figure import draw_differences
from ocspark.reports.lines import comparison_lines, difference_lines
from ocspark.reports.venn import draw_venns
from ocspark.session import get_session
from ocspark.store.finished_run import open_run

_APPLICATION = "ocspark: compare"


def main() -> int:
    """Compare, draw, print a line per cluster and the totals."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="finished run")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder for tables and figures"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--members", metavar="FILE", help="member list to compare with")
    what.add_argument("--with-run", metavar="DIR", help="later finished run to compare with")
    of_list = parser.add_argument_group("with --members")
    of_list.add_argument(
        "--name", metavar="NAME", help="what to call the list; its file name if not given"
    )
    of_list.add_argument(
        "--table", metavar="NAME", help="name or number of the table in a file with several"
    )
    of_list.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="the list's column for cluster, source_id or probability; may be repeated",
    )
    of_list.add_argument(
        "--cut",
        action="append",
        default=[],
        metavar="p=P[,radius_pc=PC][,g=MAG]",
        help="compare at this cut as well as at the paper's two: least probability, largest "
        "distance from the centre, faintest G; may be repeated",
    )
    of_list.add_argument("--mirror", metavar="PATH", help="the run's mirror, if it has moved")
    of_run = parser.add_argument_group("with --with-run")
    of_run.add_argument(
        "--neighbourhood",
        metavar="FILE",
        help="table of the ids of both releases, such as Gaia's dr3_neighbourhood",
    )
    of_run.add_argument(
        "--same-ids", action="store_true", help="the two releases have the same source ids"
    )
    parser.add_member_levels()
    options = parser.parse_args()
    if options.with_run is not None:
        _with_run(options)
    else:
        _with_list(options)
    return 0


def _with_list(options: argparse.Namespace) -> None:
    if options.min_posterior is not None or options.min_probability is not None:
        raise InputError(
            "--min-posterior, --min-probability: go with --with-run; expected --cut p=P, of the "
            "list's probability and this run's posterior (votes are given beside it)"
        )
    name = options.name or options.members.rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    columns = dict(cli.parse_pair(text, "--columns", "NAME=COLUMN") for text in options.columns)
    cuts = [*PAPER_CUTS, *map(parse_cut, options.cut)]
    run = open_run(options.run)
    comparison = compare_with_list(
        get_session(_APPLICATION),
        run,
        options.members,
        options.output,
        name=name,
        columns=columns,
        cuts=cuts,
        mirror=options.mirror,
        table=options.table,
    )
    draw_venns(comparison)
    cli.show_results(
        options,
        {"path": options.output, **comparison.record},
        [
            *comparison_lines(comparison),
            f"[ocspark] tables, comparison.json and Venn diagrams are in {options.output}",
        ],
    )


def _with_run(options: argparse.Namespace) -> None:
    run, other = open_run(options.run), open_run(options.with_run, "--with-run")
    differences = find_differences(
        get_session(_APPLICATION),
        run,
        other,
        options.output,
        min_posterior=options.min_posterior,
        min_probability=options.min_probability,
        neighbourhood=options.neighbourhood,
        same_ids=options.same_ids,
    )
    draw_differences(differences)
    cli.show_results(
        options,
        {"path": options.output, **differences.record},
        [
            *difference_lines(differences),
            f"[ocspark] tables, differences.json and figures are in {options.output}",
        ],
    )


if __name__ == "__main__":
    cli.run_job(main)
