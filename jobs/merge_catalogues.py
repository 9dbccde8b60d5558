r"""Merge cluster catalogues into one table for the main job, no cluster twice.

Example:
    python jobs/merge_catalogues.py --input cantat_gaudin_2020=cg20.csv \
        --input hunt_2023=hunt.csv --output merged.ecsv
"""

from __future__ import annotations

from collections.abc import Iterator

from ocspark import cli
from ocspark.errors import InputError
from ocspark.inputs.catalogues import read_catalogue
from ocspark.inputs.clusters import REQUIRED
from ocspark.inputs.merge import MergedCatalogue, merge_catalogues
from ocspark.inputs.write import check_writable, write_table
from ocspark.tables.catalogues import DOUBTFUL_CLUSTERS, MERGED_CLUSTERS


def main() -> int:
    """Read, merge, write, say what came of it."""
    parser = cli.Parser(description=__doc__)
    source = "[MAP=]FILE"
    parser.add_argument(
        "--input",
        metavar=source,
        action="append",
        required=True,
        help="a catalogue whose clusters are wanted, the preferred one first; MAP is a column map, "
        "by its name in conf/catalogues or conf, or as a file; may be repeated",
    )
    parser.add_argument(
        "--fill",
        metavar=source,
        action="append",
        default=[],
        help="a catalogue that only supplies values that those lack; may be repeated",
    )
    parser.add_argument(
        "--prefer",
        metavar="COLUMN=NAME[,NAME]",
        action="append",
        default=[],
        help="catalogues whose values of a column, and of those that belong to it, come first; "
        "may be repeated",
    )
    parser.add_argument(
        "--table",
        metavar="NAME=TABLE",
        action="append",
        default=[],
        help="name or number of the table of catalogue NAME, if its file has several; may be "
        "repeated",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="merged table, a name in .csv, .ecsv or .parquet",
    )
    parser.add_argument(
        "--doubtful",
        metavar="FILE",
        help="table of doubtful cases; beside the output, as CSV, if not given",
    )
    options = parser.parse_args()
    doubtful = options.doubtful or f"{options.output.rpartition('.')[0]}_doubtful.csv"
    check_writable(options.output, "--output")
    check_writable(doubtful, "--doubtful")
    tables = dict(cli.parse_pair(text, "--table", "NAME=TABLE") for text in options.table)
    prefer = [cli.parse_pair(text, "--prefer", "COLUMN=NAME[,NAME]") for text in options.prefer]
    catalogues = {
        key: [read_catalogue(text, f"--{key}", tables) for text in vars(options)[key]]
        for key in ("input", "fill")
    }
    unknown = set(tables) - {c.name for chosen in catalogues.values() for c in chosen}
    if unknown:
        raise InputError(f"--table {min(unknown)}: no catalogue of that name is given")
    merged = merge_catalogues(
        catalogues["input"],
        catalogues["fill"],
        {column: names.split(",") for column, names in prefer},
    )
    write_table(merged.doubtful, DOUBTFUL_CLUSTERS, doubtful)
    write_table(merged.table, MERGED_CLUSTERS, options.output)
    counts = {
        "clusters": len(merged.table),
        "complete": int((merged.table["missing"] == "").sum()),
        "doubtful": len(merged.doubtful),
    }
    cli.show_results(
        options,
        {"output": options.output, "doubtful_cases": doubtful, **counts, "counts": merged.counts},
        [
            *_lines(merged),
            f"[ocspark] {counts['clusters']} clusters, {counts['complete']} complete, "
            f"{counts['doubtful']} doubtful cases",
            f"[ocspark] {options.output}; doubtful cases are in {doubtful}",
        ],
    )
    return 0


def _lines(merged: MergedCatalogue) -> Iterator[str]:
    """Yield what each catalogue gave, and where the values of each column are from."""
    for name, counts in merged.counts.items():
        given = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
        yield f"[ocspark] {name}: {given}"
    for column in REQUIRED:
        sources = merged.table[f"{column}_source"].value_counts()
        given = ", ".join(
            f"{n} of {name}" if name else f"{n} missing" for name, n in sources.items()
        )
        yield f"[ocspark] {column}: {given}"


if __name__ == "__main__":
    cli.run_job(main)
