"""Compare the mock's field with real Gaia cones: a picture of each and a table of distances."""

from __future__ import annotations

from ocspark import cli
from ocspark.mock.compare import compare_fields


def main() -> int:
    """Draw the mock at the release's density in each cone only; needs no Spark."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--sources", required=True, metavar="FILE", help="real sources")
    parser.add_argument("--cones", required=True, metavar="FILE", help="index of their cones")
    parser.add_argument("--members", nargs="*", default=[], metavar="FILE", help="to leave out")
    parser.add_argument(
        "--cone",
        nargs="+",
        required=True,
        metavar="NAME[:DEG]",
        help="cones, each with an inner radius to leave out",
    )
    parser.add_argument("--release", default="dr3")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", required=True, metavar="DIR")
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
    print(table.round(3).to_string())
    return 0


if __name__ == "__main__":
    cli.run_job(main)
