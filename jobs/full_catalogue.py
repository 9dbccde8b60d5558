"""Membership probabilities for all clusters of a table, from a Gaia mirror."""

from __future__ import annotations

from ocspark import cli
from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.catalogue.plan import plan_full_catalogue
from ocspark.settings import load_settings


def main() -> int:
    """Parse the command line, run, say where the tables lie."""
    parser = cli.Parser(description=__doc__)
    parser.add_settings("default.yaml")
    parser.add_argument(
        "--plan", action="store_true", help="say what would be done and why; write nothing"
    )
    arguments = parser.parse_args()
    settings = load_settings(arguments.config, arguments.overrides)
    if arguments.plan:
        for line in str(plan_full_catalogue(settings)).splitlines():
            print(f"[ocspark] {line}")
        return 0
    result = run_full_catalogue(settings)
    clusters, totals = result.record["clusters"], result.record["totals"]
    state = "was already finished" if result.already_finished else "finished"
    print(
        f"[ocspark] run {result.record['run_id']} {state}: {clusters['done']} clusters done, "
        f"{clusters['skipped']} skipped; {totals['n_candidates']} candidates, "
        f"{totals['n_members']} members with posterior >= 0.5 in "
        f"{result.record['posterior']['clusters']} clusters, {totals['n_p50']} with votes >= 0.5 "
        "in all"
    )
    place = settings.output.path if settings.output.work else result.path
    print(f"[ocspark] tables are in {place}")
    return 0


if __name__ == "__main__":
    cli.run_job(main)
