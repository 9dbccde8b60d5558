"""Build a HATS mirror from ESA's bulk files, a HATS catalogue, or tables of sources.

Example:
    spark-submit jobs/build_mirror.py --input bulk --output mirror --release dr3

The same command continues an interrupted build.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.build.build_mirror import build_mirror
from ocspark.build.build_output import BuildOptions


def main() -> int:
    """Build or go on building; say what the mirror holds."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--input", required=True, metavar="PATH", help="folder of source files, or one file")
    add("--output", required=True, metavar="DIR", help="folder of the mirror")
    add(
        "--release",
        required=True,
        metavar="R",
        help="release of the sources: a name in conf/releases, such as dr3, or a YAML file",
    )
    add("--max-rows", type=int, default=1_000_000, metavar="N", help="most rows of a partition")
    add(
        "--columns",
        choices=("needed", "all"),
        default="needed",
        help="columns of the mirror: those that ocspark needs, or all that the files have",
    )
    add(
        "--table",
        metavar="NAME",
        help="name or number of the table in FITS files and VOTables that have several",
    )
    options = parser.parse_args()
    result = build_mirror(
        BuildOptions(
            options.input,
            options.output,
            options.release,
            options.max_rows,
            options.columns,
            options.table,
        )
    )
    record = result.record
    counts = {
        "rows": record["rows"],
        "files": len(record["files"]),
        "columns": record["columns"],
        "partitions": len(record["partitions"]),
    }
    state = "was already built" if result.already_finished else "built"
    cli.show_results(
        options,
        {"path": options.output, "already_finished": result.already_finished, **counts},
        [
            f"[ocspark] mirror {state} in {options.output}: {counts['rows']} sources from "
            f"{counts['files']} files, {counts['columns']} columns, "
            f"{counts['partitions']} partitions"
        ],
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
