"""Measure what a run misses and takes in by mistake: mock twins of its clusters, planted and found.

Example:
    spark-submit jobs/selection_function.py --config my.yaml --output selection --copies 4

The settings are those of the run; see conf/default.yaml.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.selection_function.run import measure_selection_function
from ocspark.settings import load_settings


def main() -> int:
    """Measure, say what came out and where the tables are."""
    parser = cli.Parser(description=__doc__)
    parser.add_settings("default.yaml")
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="new or empty folder")
    add("--copies", type=int, default=4, metavar="N", help="mock twins of each cluster")
    add("--seed", type=int, default=42, metavar="N", help="seed of the twins")
    options = parser.parse_args()
    settings = load_settings(options.config, options.overrides)
    result = measure_selection_function(settings, options.output, options.copies, options.seed)
    summary = result.summary
    state = "was already finished" if result.already_finished else "finished"
    lines = [
        f"[ocspark] selection function {state}: {summary['twins_done']} of {summary['twins']} "
        f"twins of {summary['clusters']} clusters done, {summary['planted']} stars planted",
        f"[ocspark] {summary['twins_with_posterior']} of the twins done have a posterior",
    ]
    for by, levels in summary["overall"].items():
        for level, rates in levels.items():
            cells = "; ".join(f"{name} {_interval(rate)}" for name, rate in rates.items())
            lines.append(f"[ocspark] {by} >= {level}: {cells}")
    lines.append(
        f"[ocspark] tables: {result.path}/{{selection_function,clusters,twins}}; pictures: "
        f"{result.path}/figures"
    )
    facts = {"path": result.path, "already_finished": result.already_finished}
    cli.show_results(options, {**facts, **summary}, lines)
    return 0


def _interval(rate: dict[str, float | None]) -> str:
    if rate["value"] is None:
        return "unknown"
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


if __name__ == "__main__":
    cli.run_job(main)
