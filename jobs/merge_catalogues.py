"""Merge cluster catalogues into one table for the main job, no cluster twice."""

from __future__ import annotations

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
        "by its name in conf/catalogues or conf or as a file",
    )
    parser.add_argument(
        "--fill",
        metavar=source,
        action="append",
        default=[],
        help="a catalogue that only supplies values that those lack",
    )
    parser.add_argument(
        "--prefer",
        metavar="COLUMN=NAME[,NAME]",
        action="append",
        default=[],
        help="catalogues whose values of a column, and of those that belong to it, come first",
    )
    parser.add_argument(
        "--table",
        metavar="NAME=TABLE",
        action="append",
        default=[],
        help="which table a catalogue is of a file with several: its name or number",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help=".csv, .ecsv or .parquet")
    parser.add_argument(
        "--doubtful", metavar="FILE", help="doubtful cases; by default beside the output, as CSV"
    )
    options = parser.parse_args()
    doubtful = options.doubtful or f"{options.output.rpartition('.')[0]}_doubtful.csv"
    check_writable(options.output, "--output")
    check_writable(doubtful, "--doubtful")
    tables = dict(_pair(text, "--table", "NAME=TABLE") for text in options.table)
    catalogues = {
        key: [read_catalogue(text, f"--{key}", tables) for text in vars(options)[key]]
        for key in ("input", "fill")
    }
    unknown = set(tables) - {c.name for chosen in catalogues.values() for c in chosen}
    if unknown:
        raise InputError(f"--table {min(unknown)}: no catalogue of that name is given")
    prefer = [_pair(text, "--prefer", "COLUMN=NAME[,NAME]") for text in options.prefer]
    merged = merge_catalogues(
        catalogues["input"],
        catalogues["fill"],
        {column: names.split(",") for column, names in prefer},
    )
    write_table(merged.doubtful, DOUBTFUL_CLUSTERS, doubtful)
    write_table(merged.table, MERGED_CLUSTERS, options.output)
    _print(merged)
    print(f"[ocspark] {options.output}; doubtful cases are in {doubtful}")
    return 0


def _pair(text: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{option} {text}: expected {expected}")
    return name, value


def _print(merged: MergedCatalogue) -> None:
    for name, counts in merged.counts.items():
        told = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
        print(f"[ocspark] {name}: {told}")
    table = merged.table
    for column in REQUIRED:
        sources = table[f"{column}_source"].value_counts()
        told = ", ".join(
            f"{n} of {name}" if name else f"{n} missing" for name, n in sources.items()
        )
        print(f"[ocspark] {column}: {told}")
    print(
        f"[ocspark] {len(table)} clusters, {(table['missing'] == '').sum()} complete, "
        f"{len(merged.doubtful)} doubtful cases"
    )


if __name__ == "__main__":
    cli.run_job(main)
