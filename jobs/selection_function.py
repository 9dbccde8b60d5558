"""Measure what a run misses and takes in by mistake: mock twins of its clusters, planted and found.

``spark-submit jobs/selection_function.py --config my.yaml --output selection --copies 4``
"""

from __future__ import annotations

from ocspark import cli
from ocspark.selection_function.run import measure_selection_function
from ocspark.settings import load_settings


def main() -> int:
    """Parse the command line, measure, say what came out and where the tables lie."""
    parser = cli.Parser(description=__doc__)
    parser.add_settings("default.yaml")
    parser.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--copies", type=int, default=4, help="twins of each cluster (default 4)")
    parser.add_argument("--seed", type=int, default=42, help="of the twins (default 42)")
    arguments = parser.parse_args()
    settings = load_settings(arguments.config, arguments.overrides)
    result = measure_selection_function(
        settings, arguments.output, arguments.copies, arguments.seed
    )
    summary = result.summary
    state = "was already finished" if result.already_finished else "finished"
    print(
        f"[ocspark] selection function {state}: {summary['twins_done']} of {summary['twins']} "
        f"twins of {summary['clusters']} clusters done, {summary['planted']} stars planted"
    )
    print(f"[ocspark] {summary['twins_with_posterior']} of the twins done have a posterior")
    for by, levels in summary["overall"].items():
        for level, rates in levels.items():
            cells = "; ".join(f"{name} {_interval(rate)}" for name, rate in rates.items())
            print(f"[ocspark] {by} >= {level}: {cells}")
    print(
        f"[ocspark] tables: {result.path}/{{selection_function,clusters,twins}}; pictures: "
        f"{result.path}/figures"
    )
    return 0


def _interval(rate: dict[str, float | None]) -> str:
    if rate["value"] is None:
        return "unknown"
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


if __name__ == "__main__":
    cli.run_job(main)
