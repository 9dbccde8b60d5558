"""Compute membership probabilities for all clusters of a table, from a Gaia mirror.

Example:
    spark-submit jobs/full_catalogue.py --config my.yaml --set mirror.path=/data/gaia_dr3

conf/default.yaml has all settings and explains them. The same command continues an
interrupted run, and if there is nothing to do it says so at once.
"""

from __future__ import annotations

import dataclasses

from ocspark import cli
from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.catalogue.plan import plan_full_catalogue
from ocspark.settings import load_settings

#: What ``--json`` prints of run.json.
_SHOWN = ("run_id", "release", "clusters", "totals", "posterior", "warnings", "seconds")


def main() -> int:
    """Run, or plan a run; say what came of it and where the tables are."""
    parser = cli.Parser(description=__doc__)
    parser.add_settings("default.yaml")
    parser.add_argument(
        "--plan", action="store_true", help="say what would be done and why; write nothing"
    )
    options = parser.parse_args()
    settings = load_settings(options.config, options.overrides)
    if options.plan:
        plan = plan_full_catalogue(settings)
        lines = [f"[ocspark] {line}" for line in str(plan).splitlines()]
        cli.show_results(options, dataclasses.asdict(plan), lines)
        return 0
    result = run_full_catalogue(settings)
    record = result.record
    clusters, totals = record["clusters"], record["totals"]
    state = "was already finished" if result.already_finished else "finished"
    place = settings.output.path if settings.output.work else result.path
    cli.show_results(
        options,
        {
            "path": result.path,
            "tables": place,
            "already_finished": result.already_finished,
            **{name: record[name] for name in _SHOWN},
        },
        [
            f"[ocspark] run {record['run_id']} {state}: {clusters['done']} clusters done, "
            f"{clusters['skipped']} skipped; {totals['n_candidates']} candidates, "
            f"{totals['n_members']} members with posterior >= 0.5 in "
            f"{record['posterior']['clusters']} clusters, {totals['n_p50']} with votes >= 0.5 "
            "in all",
            f"[ocspark] tables are in {place}",
        ],
    )
    return 0


if __name__ == "__main__":
    cli.run_job(main)
