r"""Write a table of a run as a file for other programs: FITS, VOTable, target lists and more.

Example:
    python jobs/export.py --run runs/full_catalogue --format votable --output members.vot \
        --members-only
"""

from __future__ import annotations

from typing import Any

import yaml

from ocspark import cli
from ocspark.exports.export import FORMATS, STYLES, Options, export
from ocspark.exports.moc import DEFAULT_ORDER
from ocspark.exports.source import RowFilter
from ocspark.store.finished_run import open_run
from ocspark.tables.run_tables import RESULT_TABLES


def main() -> int:
    """Export and say how many rows were written."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--run", required=True, metavar="DIR", help="finished run")
    add("--format", required=True, metavar="NAME", help=f"one of {', '.join(FORMATS)}")
    add("--output", required=True, metavar="PATH", help="file to write (hats: folder)")
    add("--overwrite", action="store_true", help="replace what is there")
    add("--table", default="candidates", metavar="NAME", help=f"one of {', '.join(RESULT_TABLES)}")
    add("--members-only", action="store_true", help="members only; always so for targets")
    parser.add_member_levels()
    add("--bright", type=float, metavar="MAG", help="brightest G magnitude")
    add("--faint", type=float, metavar="MAG", help="faintest G magnitude")
    add("--readme", metavar="FILE", help="mrt: the description apart from the data, as for CDS")
    add("--order", type=int, default=DEFAULT_ORDER, metavar="N", help="moc: HEALPix order")
    add(
        "--epoch",
        type=float,
        metavar="YEAR",
        help="targets: epoch of the positions; Gaia's if not given",
    )
    add("--style", default="plain", metavar="NAME", help=f"targets: one of {', '.join(STYLES)}")
    add(
        "--constant",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="targets: a constant for a column of the style; may be repeated",
    )
    chosen = parser.parse_args()
    options = Options(
        format=chosen.format,
        output=chosen.output,
        table=chosen.table,
        rows=RowFilter(
            members=chosen.members_only,
            min_posterior=chosen.min_posterior,
            min_probability=chosen.min_probability,
            bright=chosen.bright,
            faint=chosen.faint,
        ),
        overwrite=chosen.overwrite,
        readme=chosen.readme,
        order=chosen.order,
        epoch=chosen.epoch,
        style=chosen.style,
        given=dict(_constant(text) for text in chosen.constant),
    )
    rows = export(open_run(chosen.run), options)
    what = "the searched sky" if rows is None else f"{rows} rows"
    cli.show_results(
        chosen,
        {"output": chosen.output, "rows": rows},
        [f"[ocspark] {what} written to {chosen.output}"],
    )
    return 0


def _constant(text: str) -> tuple[str, Any]:
    name, value = cli.parse_pair(text, "--constant", "COLUMN=VALUE")
    return name, yaml.safe_load(value)


if __name__ == "__main__":
    cli.run_job(main)
