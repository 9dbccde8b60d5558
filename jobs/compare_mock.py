r"""Compare the mock's field with real Gaia cones: a picture of each and a table of distances.

Example:
    python jobs/compare_mock.py --sources edr3_cones.parquet --cones cones.csv \
        --cone NGC_2423:0.3 --output runs/mock_fields

The mock is drawn at the release's density in each cone only. It needs no Spark.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.mock.compare import compare_fields


def main() -> int:
    """Draw the mock in each cone, compare, print the distances."""
    parser = cli.Parser(description=__doc__)
    add = parser.add_argument
    add("--sources", required=True, metavar="FILE", help="table of real Gaia sources")
    add("--cones", required=True, metavar="FILE", help="table of the cones they are in")
    add(
        "--members",
        nargs="*",
        default=[],
        metavar="FILE",
        help="member lists whose stars are left out",
    )
    add(
        "--cone",
        nargs="+",
        required=True,
        metavar="NAME[:DEG]",
        help="names of cones to compare, each with an inner radius to leave out",
    )
    add("--release", default="dr3", metavar="R", help="release of the sources")
    add("--seed", type=int, default=42, metavar="N", help="seed of the mock")
    add("--output", required=True, metavar="DIR", help="folder for pictures and distances.json")
    options = parser.parse_args()
    named = (cone.partition(":") for cone in options.cone)
    table = compare_fields(
        options.sources,
        options.cones,
        [(name, float(inner or 0.0)) for name, _, inner in named],
        options.output,
        members=options.members,
        release=options.release,
        seed=options.seed,
    )
    results = {"path": options.output, "fields": table.to_dict("index")}
    cli.show_results(options, results, [table.round(3).to_string()])
    return 0


if __name__ == "__main__":
    cli.run_job(main)
