"""Build a HATS mirror from ESA's bulk files, a HATS catalogue, or tables of sources."""

from __future__ import annotations

from ocspark import cli
from ocspark.build.build_mirror import build_mirror
from ocspark.build.build_output import BuildOptions


def main() -> int:
    """Parse the command line, build or go on building, say what the mirror holds."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--input", required=True, metavar="PATH", help="directory or file")
    parser.add_argument("--output", required=True, metavar="PATH", help="folder of the mirror")
    parser.add_argument("--release", required=True, help="such as dr3; see conf/releases")
    parser.add_argument(
        "--max-rows", type=int, default=1_000_000, metavar="N", help="rows of a partition at most"
    )
    parser.add_argument(
        "--columns",
        choices=("needed", "all"),
        default="needed",
        help="those the jobs need (the default), or all, with their types",
    )
    parser.add_argument(
        "--table", metavar="NAME", help="of FITS files and VOTables with several: name or number"
    )
    given = parser.parse_args()
    options = BuildOptions(**vars(given))
    result = build_mirror(options)
    record = result.record
    state = "was already built" if result.already_finished else "built"
    print(
        f"[ocspark] mirror {state} in {options.output}: {record['rows']} sources from "
        f"{len(record['files'])} files, {record['columns']} columns, "
        f"{len(record['partitions'])} partitions"
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
