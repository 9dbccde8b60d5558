"""Make a training set (paper §3.2) from a mirror, a cluster table and a member list.

Example:
    spark-submit jobs/make_training_set.py --config my_training.yaml --output training_set

conf/training.yaml has all settings and explains them.
"""

from __future__ import annotations

from ocspark import cli
from ocspark.training.make_training_set import make_training_set
from ocspark.training.training_settings import load_training_settings


def main() -> int:
    """Make the set, say what it holds."""
    parser = cli.Parser(description=__doc__)
    parser.add_settings("training.yaml")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the set")
    options = parser.parse_args()
    settings = load_training_settings(options.config, options.overrides)
    card = make_training_set(settings, options.output)
    lines = [
        f"[ocspark] {part}: {counts['n_clusters']} clusters, "
        f"{counts['n_member_instances']} member and "
        f"{counts['n_non_member_instances']} non-member instances"
        for part, counts in card["parts"].items()
    ]
    lines += [f"[ocspark] {card['n_left_out']} clusters left out, with reasons in card.json"]
    results = {"parts": card["parts"], "n_left_out": card["n_left_out"]}
    cli.show_results(options, {"path": options.output, **results}, lines)
    return 0


if __name__ == "__main__":
    cli.run_job(main)
