"""Membership probabilities for all clusters of a table, from a Gaia mirror."""

from __future__ import annotations

from ocspark.cli import Parser, run_job
from ocspark.runs.full_catalogue import run_full_catalogue
from ocspark.settings import load_settings


def main() -> int:
    """Parse the command line, run, say where the tables lie."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--config", metavar="FILE", help="YAML settings laid over conf/default.yaml"
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="one setting, YAML value; may be repeated, the last wins",
    )
    arguments = parser.parse_args()
    result = run_full_catalogue(load_settings(arguments.config, arguments.overrides))
    clusters, totals = result.record["clusters"], result.record["totals"]
    state = "was already finished" if result.already_finished else "finished"
    print(
        f"[ocspark] run {result.record['run_id']} {state}: {clusters['done']} clusters done, "
        f"{clusters['skipped']} skipped; {totals['n_candidates']} candidates, "
        f"{totals['n_p50']} with p >= 0.5"
    )
    print(f"[ocspark] tables are in {result.path}")
    return 0


if __name__ == "__main__":
    run_job(main)
